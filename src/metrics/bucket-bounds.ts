// Finds the bucket of a measurement among ascending bounds, in most cases with one comparison or none.
import { doubleOf, upperWordOf } from './double-bits.ts';

/** Of the upper word of a double, what is left beside its exponent: two bits, so that each power of two has four cells. */
const CELL_SHIFT = 18;
/** For bounds that span more, as from 1e-30 to 1e30, the last cell has all the rest. */
const CELLS_MAX = 256;

/** The number of a value's cell: the greater the value, the greater its number; below 0 for a value that is. */
const cellOf = (value: number): number => upperWordOf(value) >> CELL_SHIFT;

/** The least value above 0 in a cell. */
const leastIn = (cell: number): number => doubleOf(cell << CELL_SHIFT);

/**
 * Bucket i has the values in (bounds[i - 1], bounds[i]].
 *
 *     bounds           5         10              25              50
 *     cells     …     │5│6│7│8 │10 │12 │14 │16  │20  │24  │28  │32  │40  │48  … by the least value of each
 *     buckets   0 … 1 │1│2│2│2 │2  │3  │3  │3   │3   │3   │4   │4   │4   │4   … of that value
 *
 * The bucket of a value is between that of its cell's least value and that of the next cell's, which mostly are the same.
 */
export class BucketBounds {
  readonly values: Float64Array;
  /** The first cell has a bound above 0; what is below it counts as one more cell, in front of it. */
  readonly #firstCell: number;
  /** The least bucket of each cell, and behind the last one that of what is beyond all bounds. */
  readonly #leastBuckets: Uint32Array;

  /** @param bounds finite and strictly ascending */
  constructor(bounds: readonly number[]) {
    this.values = Float64Array.from(bounds);
    const first = cellOf(bounds.find(bound => bound > 0) ?? 1);
    const last = cellOf(Math.max(bounds.at(-1) ?? 0, 0));
    const cells = Math.min(Math.max(last - first + 1, 1), CELLS_MAX);
    const leastValues = Array.from({ length: cells }, (_, cell) => leastIn(first + cell));
    const leastBuckets = leastValues.map(least => bounds.filter(bound => bound < least).length);
    this.#firstCell = first;
    this.#leastBuckets = Uint32Array.of(0, ...leastBuckets, bounds.length);
  }

  /** The first bucket whose upper bound is not below `value`, a finite number. */
  bucketOf(value: number): number {
    const leastBuckets = this.#leastBuckets;
    const bounds = this.values;
    const cell = Math.min(Math.max(cellOf(value) - this.#firstCell + 1, 0), leastBuckets.length - 2);
    let low = leastBuckets[cell]!;
    let high = leastBuckets[cell + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
