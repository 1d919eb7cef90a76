// The time that requests took, of many slices: the middle one of each of the slices' figures.
import type { LoadSlice } from './load-child.ts';

/** The middle of the values; NaN of none. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

export interface Latency {
  readonly slices: number;
  readonly answered: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A slice in which the machine was busy with something else does not count for more than another one. */
export function latencyOf(slices: readonly LoadSlice[]): Latency {
  const sum = (value: (slice: LoadSlice) => number): number =>
    slices.reduce((all, slice) => all + value(slice), 0);
  return {
    slices: slices.length,
    answered: sum(({ answered }) => answered),
    failed: sum(({ failed }) => failed),
    p50Ms: median(slices.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(slices.map(({ p99Ms }) => p99Ms)),
  };
}
