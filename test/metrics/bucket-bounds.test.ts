// The bucket that a measurement falls into, held against the definition.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BucketBounds } from '../../src/metrics/bucket-bounds.ts';
import { defaultBounds } from '../../src/metrics/explicit-histogram.ts';

/** What the data model says: bucket i has the values in (bounds[i - 1], bounds[i]]. */
const linear = (bounds: readonly number[], value: number): number => {
  const bucket = bounds.findIndex(bound => value <= bound);
  return bucket < 0 ? bounds.length : bucket;
};

/** The double next to another one, above or below it; neither is 0. */
function beside(value: number, steps: 1n | -1n): number {
  const bits = new BigInt64Array(Float64Array.of(value).buffer);
  bits[0] = bits[0]! + (value > 0 ? steps : -steps);
  return new Float64Array(bits.buffer)[0]!;
}

const sets: Readonly<Record<string, readonly number[]>> = {
  'the default bounds': defaultBounds,
  'those of HTTP durations': [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  none: [],
  'one of 0': [0],
  'one below 0': [-5],
  'below and above 0': [-100, -1, -1e-9, 0, 1e-9, 1, 100],
  'many in one cell': Array.from({ length: 500 }, (_, at) => 1000 + at / 10),
  'those that span more than there are cells for': [1e-300, 1e-30, 1, 1e30, 1e60, 1e300],
  'the ends of what doubles hold': [-Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_VALUE],
};

describe('the bucket of a measurement', () => {
  for (const [name, bounds] of Object.entries(sets)) {
    it(`is the one that the bounds say: ${name}`, () => {
      const found = new BucketBounds(bounds);
      const near = bounds.filter(bound => bound !== 0).flatMap(each => [beside(each, -1n), beside(each, 1n)]);
      const powers = Array.from({ length: 600 }, (_, at) => 2 ** (at - 300));
      const others = [0, -0, Number.MIN_VALUE, ...powers, ...powers.map(each => each * 1.3)];
      const values = [...bounds, ...near, ...others, ...others.map(each => -each)].filter(Number.isFinite);
      assert.ok(values.length > 2400);
      for (const value of values) assert.equal(found.bucketOf(value), linear(bounds, value), String(value));
    });
  }
});
