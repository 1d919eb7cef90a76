// Metrics that somebody else aggregates, and that are sent together with those of the instruments.
import type { MetricRecord } from '../transport/otlp/metrics.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';

/** The clock of the points: record times are nanoseconds since its anchor. */
export interface MetricClock {
  /** The present, in nanoseconds since the anchor. */
  now(): number;
  /** Nanoseconds since the anchor of milliseconds since the Unix epoch. */
  fromUnixMillis(millis: number): number;
}

/** Metrics of one instrumentation scope. */
export interface ScopeMetrics {
  readonly scope: ScopeRecord;
  readonly metrics: Iterable<MetricRecord>;
}

/**
 * A source of metrics beside the instruments (metrics SDK specification, "MetricProducer"). Points should be cumulative.
 * One that throws, rejects or is late costs only itself.
 */
export interface MetricProducer {
  /** Called and awaited before {@link collect}, where there is time to await anything: not when the process exits. */
  prepare?(): void | Promise<void>;
  /**
   * What there is now; called in one synchronous stretch with the writing of what it returns.
   *
   * @param purpose `page` where it is only shown: what is told once, such as an exemplar, is still to be exported
   */
  collect(clock: MetricClock, purpose?: 'page'): Iterable<ScopeMetrics>;
}

/** The producers of this process: those registered before the agent starts count as well. */
export const processProducers: Set<MetricProducer> = new Set();

/** Has the agent collect from `producer` until the returned function is called. */
export function registerMetricProducer(producer: MetricProducer): () => void {
  processProducers.add(producer);
  return () => {
    processProducers.delete(producer);
  };
}
