// How long scenarios take: those that watch something over time do so for `--minutes N` of the command line.
import { parseArgs } from 'node:util';

export const MINUTES_MAX = 24 * 60;

/** NaN when it is not a number within the bounds; `fallback` when it is not given. */
export function minutes(fallback: number): number {
  const { values } = parseArgs({ options: { minutes: { type: 'string' } }, strict: false });
  if (values.minutes === undefined) return fallback;
  const given = Number(values.minutes);
  return given > 0 && given <= MINUTES_MAX ? given : Number.NaN;
}

/** What a service and its receiver live at the most: those of one framework stand side by side until the last has had its turns. */
export const SERVICE_MS_MAX: number = (10 + minutes(0)) * 60_000;
