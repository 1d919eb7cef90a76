// Histograms as Prometheus' classic buckets, and the accumulation of delta points into cumulative ones.
import type { DecodedBuckets, DecodedExponentialPoint, DecodedHistogramPoint } from 'tricord/otlp';

/** Counts by upper bound, not cumulative; `Infinity` is the last bucket. */
export interface ClassicHistogram {
  readonly buckets: Map<number, number>;
  count: number;
  sum: number | undefined;
}

/** A point whose bounds and counts do not belong together has no buckets but its count and sum. */
export function fromExplicit(point: DecodedHistogramPoint): ClassicHistogram {
  const { explicitBounds: bounds, bucketCounts: counts } = point;
  const buckets = new Map<number, number>();
  if (counts.length === bounds.length + 1) {
    for (const [i, count] of counts.entries()) add(buckets, bounds[i] ?? Infinity, count);
  }
  if (!buckets.has(Infinity)) buckets.set(Infinity, 0);
  return { buckets, count: point.count, sum: point.sum };
}

/** Upper bounds of exponential histograms are 2^EXPONENT_MIN … 2^EXPONENT_MAX; what lies beyond is in the outermost. */
const EXPONENT_MIN = -32;
const EXPONENT_MAX = 64;

/**
 * An exponential histogram with one bucket for each power of two: fixed bounds, so that points of different scales, and of
 * different processes, can be added up. Zero and negative values are counted in the bucket `le="0"`.
 */
export function fromExponential(point: DecodedExponentialPoint): ClassicHistogram {
  const buckets = new Map<number, number>();
  const nonPositive = point.negative.counts.reduce((sum, count) => sum + count, point.zeroCount);
  if (nonPositive > 0) buckets.set(0, nonPositive);
  addPowers(buckets, point.positive, point.scale);
  fillGaps(buckets);
  if (!buckets.has(Infinity)) buckets.set(Infinity, 0);
  return { buckets, count: point.count, sum: point.sum };
}

function addPowers(buckets: Map<number, number>, { offset, counts }: DecodedBuckets, scale: number): void {
  const width = 2 ** -scale;
  for (const [i, count] of counts.entries()) {
    if (count === 0) continue;
    // The bucket is (2^(index·width), 2^((index+1)·width)]; it goes where its upper end does.
    const exponent = Math.ceil((offset + i + 1) * width) || 0;
    const bound = exponent > EXPONENT_MAX ? Infinity : 2 ** Math.max(EXPONENT_MIN, exponent);
    add(buckets, bound, count);
  }
}

/** A bucket once shown must not vanish, and quantiles need the empty ones in between. */
function fillGaps(buckets: Map<number, number>): void {
  const bounds = [...buckets.keys()].filter(bound => bound > 0 && bound !== Infinity);
  if (bounds.length === 0) return;
  const highest = Math.max(...bounds);
  for (let bound = Math.min(...bounds); bound <= highest; bound *= 2) add(buckets, bound, 0);
}

function add(buckets: Map<number, number>, bound: number, count: number): void {
  buckets.set(bound, (buckets.get(bound) ?? 0) + count);
}

/** Adds a delta to what was accumulated. */
export function accumulate(total: ClassicHistogram, delta: ClassicHistogram): void {
  for (const [bound, count] of delta.buckets) add(total.buckets, bound, count);
  total.count += delta.count;
  if (delta.sum !== undefined) total.sum = (total.sum ?? 0) + delta.sum;
}

/** Upper bounds in order with the count of all values up to each; the last is the point's whole count. */
export function cumulativeBuckets(histogram: ClassicHistogram): [bound: number, count: number][] {
  const sorted = [...histogram.buckets].sort(([a], [b]) => a - b);
  let sum = 0;
  return sorted.map(([bound, count]) => {
    sum += count;
    return [bound, bound === Infinity ? histogram.count : sum];
  });
}
