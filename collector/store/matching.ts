// Label matchers, and everything else that queries have in common, as SQL conditions.
import { type Database, Parameters } from './database.ts';
import { type Labels, type Matcher, MatcherError, type NanoRange, type TimeRange } from './store.ts';

/**
 * The condition that `labels` (a MAP column) satisfies all matchers. A label that is not there has the value ''.
 * Regular expressions are RE2's, anchored at both ends, `.` matches newlines: as in Prometheus 3 and Loki.
 */
export function matching(labels: string, matchers: readonly Matcher[], parameters: Parameters): string {
  const conditions = matchers.map(({ name, op, value }) => {
    const actual = `coalesce(${labels}[${parameters.text(name)}], '')`;
    return textCondition(actual, op, value, parameters);
  });
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

/** The condition that any of the lists of matchers is satisfied; without a list everything is. */
export function matchingAny(
  labels: string,
  lists: readonly (readonly Matcher[])[],
  parameters: Parameters,
): string {
  if (lists.length === 0) return 'true';
  return lists.map(list => `(${matching(labels, list, parameters)})`).join(' OR ');
}

/** Compares an SQL expression that is never NULL with a text. */
export function textCondition(
  actual: string,
  op: '=' | '!=' | '>' | '>=' | '<' | '<=' | '=~' | '!~',
  value: string,
  parameters: Parameters,
): string {
  const wanted = parameters.text(value);
  if (op === '=~') return `regexp_full_match(${actual}, ${wanted}, 's')`;
  if (op === '!~') return `NOT regexp_full_match(${actual}, ${wanted}, 's')`;
  return `${actual} ${op} ${wanted}`;
}

/** @throws MatcherError for the first regular expression that the database does not compile */
export async function checkPatterns(
  database: Database,
  conditions: Iterable<{ readonly op: string; readonly value: unknown }>,
): Promise<void> {
  for (const { op, value } of conditions) {
    if (op !== '=~' && op !== '!~') continue;
    const parameters = new Parameters();
    try {
      await database.rows(`SELECT regexp_full_match('', ${parameters.text(String(value))}, 's')`, parameters);
    } catch (error) {
      const reason = (error as Error).message.replace(/^Invalid Input Error: /, '');
      throw new MatcherError(`regular expression ${JSON.stringify(value)}: ${reason}`);
    }
  }
}

/** Milliseconds that every table's time column can be compared with. */
const TIME_MS_MAX = 4e12 * 1000;

function bounded(time: number): bigint {
  if (Number.isNaN(time)) return 0n;
  return BigInt(Math.floor(Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, time))));
}

/** The condition that a column in milliseconds lies in the range. */
export function withinMillis(column: string, range: TimeRange, parameters: Parameters): string {
  const start = parameters.integer(bounded(Math.ceil(range.start)));
  return `${column} BETWEEN ${start} AND ${parameters.integer(bounded(range.end))}`;
}

/** The condition that a column in nanoseconds lies in the range; the last millisecond belongs to it wholly. */
export function withinNanos(column: string, range: TimeRange, parameters: Parameters): string {
  const start = parameters.integer(bounded(range.start) * 1_000_000n);
  return `${column} BETWEEN ${start} AND ${parameters.integer(bounded(range.end) * 1_000_000n + 999_999n)}`;
}

/** The condition that a column in nanoseconds lies in a range of nanoseconds. */
export function withinExactly(column: string, { start, end }: NanoRange, parameters: Parameters): string {
  return `${column} >= ${parameters.integer(start)} AND ${column} < ${parameters.integer(end)}`;
}

/** The range of whole milliseconds that a range of nanoseconds touches. */
export function touchedMillis({ start, end }: NanoRange): TimeRange {
  return { start: Number(start / 1_000_000n), end: Number(end / 1_000_000n) };
}

/** Labels from a MAP as the database gives it. */
export function labelsFrom(map: unknown): Labels {
  const { entries } = map as { entries: readonly { key: string; value: string }[] };
  return new Map(entries.map(({ key, value }) => [key, value]));
}
