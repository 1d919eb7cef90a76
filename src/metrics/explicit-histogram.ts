// Histograms with fixed bucket bounds.
import type { Attributes, Context } from '@opentelemetry/api';
import type { ExemplarRecord, HistogramPoint, HistogramRecord } from '../transport/otlp/metrics.ts';
import { type Descriptor, MeasuredAggregation, type StreamRules } from './aggregation.ts';
import { BucketBounds } from './bucket-bounds.ts';
import { known } from './slots.ts';

/** The default bounds of the metrics SDK specification, "Explicit Bucket Histogram Aggregation". */
export const defaultBounds: readonly number[] = [
  0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000,
];

/** What of a histogram is reported beside its counts. */
export interface HistogramExtras {
  /** Not of measurements that may be negative: their sum would go up and down. */
  readonly sum: boolean;
  readonly minMax: boolean;
}

/** Slots of a series behind its bucket counts. */
const SUM = 0;
const MIN = 1;
const MAX = 2;
const EXTRA = 3;

/**
 *     series 0                             series 1
 *     ├─ count × (bounds + 1) ─┬ sum min max ┼─ …
 *
 * Invariant: bucket i counts the measurements in (bounds[i - 1], bounds[i]]; the point's count is the sum of its buckets.
 */
export class ExplicitHistogram extends MeasuredAggregation implements HistogramRecord {
  readonly type = 'histogram';
  readonly #bounds: BucketBounds;
  readonly #buckets: number;
  readonly #extras: HistogramExtras;

  /** @param bounds finite and strictly ascending */
  constructor(
    descriptor: Descriptor,
    rules: StreamRules,
    bounds: readonly number[],
    extras: HistogramExtras,
  ) {
    const buckets = bounds.length + 1;
    super(descriptor, rules, buckets + EXTRA);
    this.#bounds = new BucketBounds(bounds);
    this.#buckets = buckets;
    this.#extras = extras;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.recordIn(this.find(attributes, context), value, context);
  }

  recordIn(series: number, value: number, context: Context | undefined): void {
    const first = series * this.width;
    const bucket = this.#bounds.bucketOf(value);
    const { slots } = this;
    const extra = first + this.#buckets;
    slots[first + bucket]! += 1;
    slots[extra + SUM]! += value;
    if (value < slots[extra + MIN]!) slots[extra + MIN] = value;
    if (value > slots[extra + MAX]!) slots[extra + MAX] = value;
    this.exemplars.take(series * this.#buckets + bucket, value, context);
  }

  /** How far those of one interval alone reach is not known of another thread: it never begins anew. */
  merge(series: number, now: Float64Array, before: Float64Array): void {
    const { slots } = this;
    const first = series * this.width;
    const extra = first + this.#buckets;
    for (let i = 0; i <= this.#buckets + SUM; i++) slots[first + i]! += now[i]! - before[i]!;
    const { isDelta } = this;
    const [min, max] = [now[this.#buckets + MIN]!, now[this.#buckets + MAX]!];
    slots[extra + MIN] = isDelta ? Number.NaN : Math.min(slots[extra + MIN]!, min);
    slots[extra + MAX] = isDelta ? Number.NaN : Math.max(slots[extra + MAX]!, max);
  }

  exemplarSlot(series: number, value: number): number {
    return series * this.#buckets + this.#bounds.bucketOf(value);
  }

  exemplarsOf(series: number): readonly ExemplarRecord[] {
    return this.exemplars.since(series * this.#buckets, this.#buckets);
  }

  protected override clear(from: number): void {
    for (let at = from + this.#buckets; at < this.slots.length; at += this.width) {
      this.slots[at + MIN] = Number.POSITIVE_INFINITY;
      this.slots[at + MAX] = Number.NEGATIVE_INFINITY;
    }
  }

  point(index: number): HistogramPoint {
    const first = index * this.width;
    const extra = first + this.#buckets;
    const counts = this.slots.subarray(first, extra);
    return {
      attributes: this.series.attributes[index]!,
      startTime: this.series.startTimes[index]!,
      time: this.time,
      count: counts.reduce((total, count) => total + count, 0),
      sum: this.#extras.sum ? this.slots[extra + SUM] : undefined,
      min: this.#extras.minMax ? known(this.slots[extra + MIN]!) : undefined,
      max: this.#extras.minMax ? known(this.slots[extra + MAX]!) : undefined,
      bounds: this.#bounds.values,
      counts,
      exemplars: this.exemplarsOf(index),
    };
  }
}
