// The times of Loki's API: nanoseconds, to the last one, because clients page through lines by them.
import type { NanoRange, TimeRange } from '../store/store.ts';
import type { WebRequest } from '../web/router.ts';
import { QueryError } from './promql/ast.ts';
import { parseDuration } from './promql/literals.ts';

const MILLI = 1_000_000n;
const HOUR_MS = 3_600_000;
/** Integers of more digits are nanoseconds, others seconds, as Loki takes them. */
const SECONDS_DIGITS_MAX = 10;

/** Nanoseconds of a time parameter: Unix nanoseconds, Unix seconds with a fraction, or RFC 3339. @throws QueryError */
export function nanoTime({ query }: WebRequest, name: string, fallbackMs: number): bigint {
  const text = query.get(name);
  if (text === null || text === '') return nanosOf(fallbackMs);
  if (/^\d{1,19}$/.test(text)) {
    return text.length > SECONDS_DIGITS_MAX ? BigInt(text) : BigInt(text) * 1000n * MILLI;
  }
  const milliseconds = /^[\d.]+(e[-+]?\d+)?$/i.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (!Number.isFinite(milliseconds))
    throw new QueryError(
      `parameter "${name}" is ${JSON.stringify(text)}, not a time (Unix nanoseconds, Unix seconds or RFC 3339)`,
    );
  return nanosOf(milliseconds) + belowMilli(text);
}

/** What a date with more than three decimals says beyond its millisecond. */
function belowMilli(text: string): bigint {
  const digits = /:\d\d\.\d{3}(\d{1,6})/.exec(text)?.[1];
  return digits === undefined ? 0n : BigInt(digits.padEnd(6, '0'));
}

/** `start` (or `since`) and `end`; the last hour when they are missing. @throws QueryError */
export function nanoRange(request: WebRequest): NanoRange {
  const end = nanoTime(request, 'end', Date.now());
  const since = request.query.get('since');
  const back = since === null ? HOUR_MS : parseDuration(since);
  const start = nanoTime(request, 'start', millisOf(end) - back);
  if (end < start) throw new QueryError('parameter "end" lies before "start"');
  return { start, end };
}

/** The same range, widened to whole milliseconds. */
export function milliRange({ start, end }: NanoRange): TimeRange {
  return { start: Math.floor(millisOf(start)), end: millisOf(end) };
}

/** Whole microseconds only: what is below does not fit. */
function nanosOf(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

export function millisOf(nanos: bigint): number {
  return Number(nanos / 1000n) / 1000;
}
