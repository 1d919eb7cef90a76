// Functions over a window of samples: rate and its kin, and the …_over_time family.

/** The samples of one series; those in the window are `[from, to)`. Times in milliseconds. */
export interface Window {
  readonly times: Float64Array;
  readonly values: Float64Array;
  from: number;
  to: number;
  /** The window is `(start, end]`. */
  start: number;
  end: number;
}

/** The value of a window; undefined when the window gives none. `parameter` is the scalar argument, where there is one. */
export type WindowFunction = (window: Window, parameter: number) => number | undefined;

/** Increase between two samples of a counter, a drop being a restart from zero. */
function counterIncrease({ values, from, to }: Window): number {
  let increase = values[to - 1]! - values[from]!;
  for (let i = from + 1; i < to; i++) if (values[i]! < values[i - 1]!) increase += values[i - 1]!;
  return increase;
}

/**
 * The change over the whole window, extrapolated from the samples in it as Prometheus does: to the window's ends when the
 * outermost samples are within 1.1 average distances of them, by half a distance otherwise, and never below zero for counters.
 */
function extrapolate(window: Window, counter: boolean): number | undefined {
  const { times, values, from, to, start, end } = window;
  if (to - from < 2) return undefined;
  const first = times[from]!;
  const last = times[to - 1]!;
  const change = counter ? counterIncrease(window) : values[to - 1]! - values[from]!;
  const sampled = last - first;
  const distance = sampled / (to - from - 1);
  const threshold = distance * 1.1;
  let before = first - start;
  let after = end - last;
  if (before >= threshold) before = distance / 2;
  if (counter && change > 0 && values[from]! >= 0)
    before = Math.min(before, sampled * (values[from]! / change));
  if (after >= threshold) after = distance / 2;
  return change * ((sampled + before + after) / sampled);
}

/** The last two samples: the change, and the seconds between them. */
function lastStep(
  { times, values, from, to }: Window,
  counter: boolean,
): [change: number, seconds: number] | undefined {
  if (to - from < 2) return undefined;
  const last = values[to - 1]!;
  const previous = values[to - 2]!;
  const change = counter && last < previous ? last : last - previous;
  return [change, (times[to - 1]! - times[to - 2]!) / 1000];
}

/** Least squares over the window: slope per second and the value at `at`. */
function regression(
  { times, values, from, to }: Window,
  at: number,
): { slope: number; value: number } | undefined {
  const count = to - from;
  if (count < 2) return undefined;
  let sumX = 0;
  let sumY = 0;
  let sumXY = 0;
  let sumXX = 0;
  for (let i = from; i < to; i++) {
    const x = (times[i]! - at) / 1000;
    sumX += x;
    sumY += values[i]!;
    sumXY += x * values[i]!;
    sumXX += x * x;
  }
  const slope = (sumXY - (sumX * sumY) / count) / (sumXX - (sumX * sumX) / count);
  return { slope, value: sumY / count - (slope * sumX) / count };
}

/** A fold over the window's values; undefined when there are none. */
function fold(
  combine: (sum: number, value: number) => number,
  finish: (sum: number, count: number) => number = sum => sum,
): WindowFunction {
  return ({ values, from, to }) => {
    if (from === to) return undefined;
    let sum = values[from]!;
    for (let i = from + 1; i < to; i++) sum = combine(sum, values[i]!);
    return finish(sum, to - from);
  };
}

function variance({ values, from, to }: Window): number | undefined {
  if (from === to) return undefined;
  let mean = 0;
  let squares = 0;
  for (let i = from; i < to; i++) {
    const delta = values[i]! - mean;
    mean += delta / (i - from + 1);
    squares += delta * (values[i]! - mean);
  }
  return squares / (to - from);
}

/** The φ-quantile by linear interpolation between the sorted values; ±Inf outside [0, 1]. */
export function quantile(phi: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(phi)) return Number.NaN;
  if (phi < 0) return Number.NEGATIVE_INFINITY;
  if (phi > 1) return Number.POSITIVE_INFINITY;
  const sorted = values.slice().sort();
  const rank = phi * (sorted.length - 1);
  const lower = Math.floor(rank);
  const upper = Math.min(lower + 1, sorted.length - 1);
  return sorted[lower]! + (sorted[upper]! - sorted[lower]!) * (rank - lower);
}

function countWhere(differs: (previous: number, value: number) => boolean): WindowFunction {
  return ({ values, from, to }) => {
    if (from === to) return undefined;
    let count = 0;
    for (let i = from + 1; i < to; i++) if (differs(values[i - 1]!, values[i]!)) count++;
    return count;
  };
}

const seconds = ({ start, end }: Window): number => (end - start) / 1000;

function perSecond(window: Window): number | undefined {
  const increase = extrapolate(window, true);
  return increase === undefined ? undefined : increase / seconds(window);
}

const larger = (a: number, b: number): number => (b > a || Number.isNaN(a) ? b : a);
const smaller = (a: number, b: number): number => (b < a || Number.isNaN(a) ? b : a);

/** By name; those with a scalar argument read it from `parameter`. */
export const windowFunctions: ReadonlyMap<string, WindowFunction> = new Map<string, WindowFunction>([
  ['rate', perSecond],
  ['increase', window => extrapolate(window, true)],
  ['delta', window => extrapolate(window, false)],
  ['irate', window => ratio(lastStep(window, true))],
  ['idelta', window => lastStep(window, false)?.[0]],
  ['deriv', window => regression(window, window.times[window.from] ?? 0)?.slope],
  ['predict_linear', (window, ahead) => predict(window, ahead)],
  ['resets', countWhere((previous, value) => value < previous)],
  [
    'changes',
    countWhere((previous, value) => value !== previous && !(Number.isNaN(value) && Number.isNaN(previous))),
  ],
  ['sum_over_time', fold((sum, value) => sum + value)],
  [
    'avg_over_time',
    fold(
      (sum, value) => sum + value,
      (sum, count) => sum / count,
    ),
  ],
  ['min_over_time', fold(smaller)],
  ['max_over_time', fold(larger)],
  ['count_over_time', ({ from, to }) => (from === to ? undefined : to - from)],
  ['last_over_time', ({ values, from, to }) => (from === to ? undefined : values[to - 1])],
  ['present_over_time', ({ from, to }) => (from === to ? undefined : 1)],
  ['stdvar_over_time', variance],
  ['stddev_over_time', window => squareRoot(variance(window))],
  [
    'quantile_over_time',
    ({ values, from, to }, phi) => (from === to ? undefined : quantile(phi, values.subarray(from, to))),
  ],
]);

function ratio(step: [number, number] | undefined): number | undefined {
  return step === undefined ? undefined : step[0] / step[1];
}

function squareRoot(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.sqrt(value);
}

function predict(window: Window, ahead: number): number | undefined {
  const line = regression(window, window.end);
  return line === undefined ? undefined : line.value + line.slope * ahead;
}
