// How long a scenario that watches something over time does so: `--minutes N` of the command line.
import { parseArgs } from 'node:util';

export const MINUTES_MAX = 24 * 60;

/** NaN when it is not a number within the bounds; `fallback` when it is not given. */
export function minutes(fallback: number): number {
  const { values } = parseArgs({ options: { minutes: { type: 'string' } }, strict: false });
  if (values.minutes === undefined) return fallback;
  const given = Number(values.minutes);
  return given > 0 && given <= MINUTES_MAX ? given : Number.NaN;
}
