// What the metrics path did not take as it came, counted by reason.
import type { ValueCounters } from '../context/attributes.ts';

/** Counts over the life of a meter provider. */
export interface MetricCounters extends ValueCounters {
  /** Measurements that are not a number, not finite, or negative where only growth is allowed. */
  invalid: number;
  /** Measurements that went to an overflow series. */
  overflowed: number;
  /** Instruments and meters refused: an invalid name, or too many of them. */
  refused: number;
  /** Observable callbacks and metric producers that threw, rejected or did not answer in time. */
  failed: number;
}

export function newMetricCounters(): MetricCounters {
  return { truncated: 0, rejected: 0, invalid: 0, overflowed: 0, refused: 0, failed: 0 };
}
