// How long exports took, as the histogram of the semantic conventions, from the counters of the transport thread.
import type { Attributes } from '@opentelemetry/api';
import type { MetricClock, MetricProducer, ScopeMetrics } from './metrics/metric-producer.ts';
import { DURATION_BOUNDS_S, type Durations } from './transport/control.ts';
import { AggregationTemporality, type HistogramPoint, type MetricRecord } from './transport/otlp/metrics.ts';
import type { AttributeList } from './transport/otlp/record.ts';

/** Exports of one signal: the attributes of their exporter, and how long they took. */
export interface ExportSource {
  readonly attributes: Attributes;
  durations(): { readonly success: Durations; readonly failure: Durations };
}

/**
 * An export begins when its batch is made, and ends when the collector has acknowledged or refused it: waiting for credit,
 * reconnecting and resending count.
 */
export class ExportDurations implements MetricProducer {
  readonly #sources: readonly ExportSource[];

  constructor(sources: readonly ExportSource[]) {
    this.#sources = sources;
  }

  collect(clock: MetricClock): Iterable<ScopeMetrics> {
    const time = clock.now();
    const points = this.#sources.flatMap(({ attributes, durations }) => {
      const { success, failure } = durations();
      const failed = { ...attributes, 'error.type': 'rejected' };
      return [pointOf(success, attributes, time), pointOf(failure, failed, time)].filter(
        ({ count }) => count > 0,
      );
    });
    return points.length === 0 ? [] : [{ scope: { name: 'tricord/sdk' }, metrics: [recordOf(points)] }];
  }
}

function recordOf(points: readonly HistogramPoint[]): MetricRecord {
  return {
    type: 'histogram',
    name: 'otel.sdk.exporter.operation.duration',
    description: 'The duration of exporting a batch of telemetry records.',
    unit: 's',
    temporality: AggregationTemporality.cumulative,
    size: points.length,
    point: index => points[index]!,
  };
}

function pointOf({ counts, sumSeconds }: Durations, attributes: Attributes, time: number): HistogramPoint {
  return {
    attributes: listOf(attributes),
    // The anchor of the clock is the start of the agent.
    startTime: 0,
    time,
    count: counts.reduce((sum, count) => sum + count, 0),
    sum: sumSeconds,
    min: undefined,
    max: undefined,
    bounds: DURATION_BOUNDS_S,
    counts,
    exemplars: [],
  };
}

function listOf(attributes: Attributes): AttributeList {
  const keys = Object.keys(attributes);
  return { keys, values: keys.map(key => attributes[key] as string | number), count: keys.length };
}
