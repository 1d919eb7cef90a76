// A MeterProvider behind the OpenTelemetry API, and what it has collected, decoded.
import { type Meter, metrics } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../../src/context/clock.ts';
import { MeterProvider, type MeterProviderOptions } from '../../../src/metrics/meter-provider.ts';
import { checkedViews, type View } from '../../../src/metrics/view.ts';
import { MemorySink } from '../../memory-sink.ts';
import { takeMetrics } from '../../metrics/collected.ts';

export interface Metered {
  readonly provider: MeterProvider;
  readonly sink: MemorySink;
  readonly meter: Meter;
  /** Collects without waiting for anybody, and gives the metrics. */
  collect(): DecodedMetric[];
}

/** Takes the place of the global MeterProvider. */
export function metered(
  options: Partial<Omit<MeterProviderOptions, 'views'>> & { views?: View[] } = {},
): Metered {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const { views = [], ...others } = options;
  const provider = new MeterProvider({ sink, views: checkedViews(views), ...others });
  metrics.disable();
  metrics.setGlobalMeterProvider(provider);
  const collect = (): DecodedMetric[] => {
    provider.collectSync();
    return takeMetrics(sink);
  };
  return { provider, sink, meter: metrics.getMeter('conformance', '1.0'), collect };
}
