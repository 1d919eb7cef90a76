// Histograms whose bucket bounds are powers of a base that adapts to the range of the measurements.
import type { Attributes, Context } from '@opentelemetry/api';
import type {
  ExemplarRecord,
  ExponentialHistogramPoint,
  ExponentialHistogramRecord,
} from '../transport/otlp/metrics.ts';
import { type Descriptor, MeasuredAggregation, type StreamRules } from './aggregation.ts';
import { lowerWordOf, upperWordOf } from './double-bits.ts';
import { known } from './slots.ts';

/** How large and how fine exponential histograms are. */
export interface ExponentialShape {
  /** Buckets, beside the one of the zeros. */
  readonly maxSize: number;
  readonly maxScale: number;
  readonly minMax: boolean;
}

/** Defaults of the metrics SDK specification, "Base2 Exponential Bucket Histogram Aggregation". */
export const defaultShape: ExponentialShape = { maxSize: 160, maxScale: 20, minMax: true };

/** Exemplars of one series, where it has as many buckets: by binary magnitude, so that they spread over the range. */
const EXEMPLARS_MAX = 20;

/** Slots of a series before its bucket counts. */
const SUM = 0;
const MIN = 1;
const MAX = 2;
const ZEROS = 3;
const SCALE = 4;
/** Index of the first bucket in use, and how many are. */
const OFFSET = 5;
const LENGTH = 6;
const BUCKETS = 7;

const SMALLEST_NORMAL = 2 ** -1022;

/** `log2(value)` when it is a whole number, the next one below otherwise; `value` is normal. */
const exponentOf = (value: number): number => ((upperWordOf(value) >>> 20) & 0x7ff) - 1023;

const isPowerOfTwo = (value: number): boolean =>
  lowerWordOf(value) === 0 && (upperWordOf(value) & 0xfffff) === 0;

/**
 * The bucket of a positive value: the i for which base^i < value ≤ base^(i+1), base = 2^(2^-scale). Exact at powers of
 * two, where the logarithm alone would not be; subnormal values share the bucket of the smallest normal one
 * (metrics data model, "Producer Recommendations").
 */
export function bucketIndex(value: number, scale: number): number {
  const normal = Math.max(value, SMALLEST_NORMAL);
  const magnitude = exponentOf(normal);
  if (isPowerOfTwo(normal)) return scale > 0 ? magnitude * 2 ** scale - 1 : (magnitude - 1) >> -scale;
  if (scale <= 0) return magnitude >> -scale;
  const index = Math.ceil(Math.log2(value) * 2 ** scale) - 1;
  // Rounding must not carry a value over the exact bounds at the powers of two around it.
  return Math.min(Math.max(index, magnitude * 2 ** scale), (magnitude + 1) * 2 ** scale - 1);
}

/**
 *     series: │ sum │ min │ max │ zeros │ scale │ offset │ length │ count × maxSize │
 *
 * Invariant: the count at place i, 0 ≤ i < length ≤ maxSize, belongs to bucket `offset + i` of `scale`; places from length on
 * are 0. The scale only ever falls: when a value would need one bucket more, neighbours merge in pairs until it fits. At scale -10
 * two buckets hold all doubles.
 * Measurements are not negative.
 */
export class ExponentialHistogram extends MeasuredAggregation implements ExponentialHistogramRecord {
  readonly type = 'exponentialHistogram';
  readonly #shape: ExponentialShape;
  readonly #exemplars: number;

  /** @param shape `maxSize` at least 2 */
  constructor(descriptor: Descriptor, rules: StreamRules, shape: ExponentialShape) {
    super(descriptor, rules, BUCKETS + shape.maxSize);
    this.#shape = shape;
    this.#exemplars = Math.min(shape.maxSize, EXEMPLARS_MAX);
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.recordIn(this.find(attributes, context), value, context);
  }

  recordIn(series: number, value: number, context: Context | undefined): void {
    const first = series * this.width;
    const { slots } = this;
    slots[first + SUM]! += value;
    if (value < slots[first + MIN]!) slots[first + MIN] = value;
    if (value > slots[first + MAX]!) slots[first + MAX] = value;
    if (value === 0) slots[first + ZEROS]! += 1;
    else slots[this.#place(first, bucketIndex(value, slots[first + SCALE]!))]! += 1;
    this.exemplars.take(this.exemplarSlot(series, value), value, context);
  }

  exemplarSlot(series: number, value: number): number {
    const magnitude = exponentOf(Math.max(value, SMALLEST_NORMAL));
    return series * this.#exemplars + ((magnitude + 1022) % this.#exemplars);
  }

  exemplarsOf(series: number): readonly ExemplarRecord[] {
    return this.exemplars.since(series * this.#exemplars, this.#exemplars);
  }

  /** How far those of one interval alone reach is not known of another thread: it never begins anew. */
  merge(series: number, now: Float64Array, before: Float64Array): void {
    const { slots, isDelta } = this;
    const first = series * this.width;
    slots[first + SUM]! += now[SUM]! - before[SUM]!;
    slots[first + ZEROS]! += now[ZEROS]! - before[ZEROS]!;
    slots[first + MIN] = isDelta ? Number.NaN : Math.min(slots[first + MIN]!, now[MIN]!);
    slots[first + MAX] = isDelta ? Number.NaN : Math.max(slots[first + MAX]!, now[MAX]!);
    const counts = now.slice(BUCKETS, BUCKETS + now[LENGTH]!);
    const coarser = before[SCALE]! - now[SCALE]!;
    for (let i = 0; i < before[LENGTH]!; i++)
      counts[((before[OFFSET]! + i) >> coarser) - now[OFFSET]!]! -= before[BUCKETS + i]!;
    for (let i = 0; i < counts.length; i++)
      if (counts[i]! > 0) this.#addTo(first, now[OFFSET]! + i, now[SCALE]!, counts[i]!);
  }

  /** Adds to a bucket of another scale. */
  #addTo(first: number, index: number, scale: number, count: number): void {
    const { slots } = this;
    while (slots[first + SCALE]! > scale) this.#halve(first);
    const place = this.#place(first, index >> (scale - slots[first + SCALE]!));
    slots[place]! += count;
  }

  protected override clear(from: number): void {
    for (let first = from; first < this.slots.length; first += this.width) {
      this.slots[first + MIN] = Number.POSITIVE_INFINITY;
      this.slots[first + MAX] = Number.NEGATIVE_INFINITY;
      this.slots[first + SCALE] = this.#shape.maxScale;
    }
  }

  /** The slot that counts the bucket `index` of the present scale; makes room for it first. */
  #place(first: number, index: number): number {
    const { slots } = this;
    const place = index - slots[first + OFFSET]!;
    if (place >= 0 && place < slots[first + LENGTH]!) return first + BUCKETS + place;
    return this.#extend(first, index);
  }

  /** Widens the range in use to hold `index`, at a lower scale if it must. */
  #extend(first: number, index: number): number {
    const { slots } = this;
    const length = slots[first + LENGTH]!;
    if (length === 0) {
      slots[first + OFFSET] = index;
      slots[first + LENGTH] = 1;
      return first + BUCKETS;
    }
    const offset = slots[first + OFFSET]!;
    const low = Math.min(index, offset);
    const high = Math.max(index, offset + length - 1);
    if (high - low >= this.#shape.maxSize) {
      this.#halve(first);
      return this.#place(first, index >> 1);
    }
    const counts = first + BUCKETS;
    const shift = offset - low;
    if (shift > 0) {
      slots.copyWithin(counts + shift, counts, counts + length);
      slots.fill(0, counts, counts + shift);
    }
    slots[first + OFFSET] = low;
    slots[first + LENGTH] = high - low + 1;
    return counts + index - low;
  }

  /** Lowers the scale by one: buckets 2i and 2i + 1 become bucket i. */
  #halve(first: number): void {
    const { slots } = this;
    const offset = slots[first + OFFSET]!;
    const length = slots[first + LENGTH]!;
    const merged = Math.floor(offset / 2);
    const counts = first + BUCKETS;
    for (let i = 0; i < length; i++) {
      const count = slots[counts + i]!;
      slots[counts + i] = 0;
      slots[counts + Math.floor((offset + i) / 2) - merged]! += count;
    }
    slots[first + OFFSET] = merged;
    slots[first + LENGTH] = Math.floor((offset + length - 1) / 2) - merged + 1;
    slots[first + SCALE]! -= 1;
  }

  point(index: number): ExponentialHistogramPoint {
    const { slots } = this;
    const first = index * this.width;
    const { minMax } = this.#shape;
    const counts = slots.subarray(first + BUCKETS, first + BUCKETS + slots[first + LENGTH]!);
    const zeroCount = slots[first + ZEROS]!;
    return {
      attributes: this.series.attributes[index]!,
      startTime: this.series.startTimes[index]!,
      time: this.time,
      count: counts.reduce((total, count) => total + count, zeroCount),
      sum: slots[first + SUM]!,
      min: minMax ? known(slots[first + MIN]!) : undefined,
      max: minMax ? known(slots[first + MAX]!) : undefined,
      scale: slots[first + SCALE]!,
      zeroCount,
      offset: slots[first + OFFSET]!,
      counts,
      exemplars: this.exemplarsOf(index),
    };
  }
}
