// What one query may ask for.
import { LimitError } from '../../store/store.ts';

export const queryLimits = {
  /** Steps of one query, as Prometheus has it. */
  steps_max: 11_000,
  /** Samples that the selectors of one query may load. */
  samples_max: 20_000_000,
  /** Series times steps of one intermediate result: 9 bytes each. */
  values_max: 20_000_000,
} as const;

/** @throws LimitError when a result of so many series has more values than it may */
export function checkValues(series: number, steps: number): void {
  if (series * steps <= queryLimits.values_max) return;
  throw new LimitError(
    `more than the limit of ${queryLimits.values_max} values: ${series} series or more at ${steps} steps; narrow the selector or choose a larger step`,
  );
}
