// Exponential histograms in the buckets that a page can have.
import type { ExponentialValue } from './families.ts';

/** The finest resolution of Prometheus' native histograms, and the coarsest. */
export const NATIVE_SCALE_MAX = 8;
export const NATIVE_SCALE_MIN = -4;
/** Upper bounds of classic buckets are 2^-32 … 2^64: those of the collector. */
const EXPONENT_MIN = -32;
const EXPONENT_MAX = 64;

/** One classic bucket for each power of two from the lowest to the highest that has any; the counts are not accumulated. */
export function powerBuckets({ scale, offset, counts, zeroCount }: ExponentialValue): {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
} {
  const buckets = new Map<number, number>();
  const width = 2 ** -scale;
  for (const [i, count] of counts.entries()) {
    if (count === 0) continue;
    // (2^(index·width), 2^((index+1)·width)] goes where its upper end does.
    const exponent = Math.min(Math.max(EXPONENT_MIN, Math.ceil((offset + i + 1) * width)), EXPONENT_MAX + 1);
    buckets.set(exponent, (buckets.get(exponent) ?? 0) + count);
  }
  const bounds = zeroCount > 0 ? [0] : [];
  const filled = zeroCount > 0 ? [zeroCount] : [];
  const highest = Math.min(Math.max(...buckets.keys()), EXPONENT_MAX);
  for (let exponent = Math.min(...buckets.keys()); exponent <= highest; exponent++) {
    bounds.push(2 ** exponent);
    filled.push(buckets.get(exponent) ?? 0);
  }
  return { bounds, counts: [...filled, buckets.get(EXPONENT_MAX + 1) ?? 0] };
}

/** The same at a lower scale: neighbours merge, 2^(difference) of them into one. */
export function coarser(value: ExponentialValue, scale: number): ExponentialValue {
  const shift = value.scale - scale;
  if (shift <= 0 || value.counts.length === 0) return shift <= 0 ? value : { ...value, scale };
  const offset = value.offset >> shift;
  const length = ((value.offset + value.counts.length - 1) >> shift) - offset + 1;
  const counts = new Array<number>(length).fill(0);
  for (const [i, count] of value.counts.entries()) counts[((value.offset + i) >> shift) - offset]! += count;
  return { ...value, scale, offset, counts };
}
