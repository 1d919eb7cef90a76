// What an OTLP receiver answers: partial successes, and the delay that it asks for before a retry.
import { Reader } from './reader.ts';
import { WireType } from './writer.ts';

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
/** Whatever a receiver asks for, it is asked again after this. */
const RETRY_AFTER_MS_MAX = 300_000;
const REASON_UNITS_MAX = 1024;

/** What became of one export. */
export type ExportOutcome =
  | { readonly kind: 'delivered'; readonly rejected: number; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly afterMs: number | undefined; readonly reason: string };

const len = (number: number): number => number * 8 + WireType.len;
const varint = (number: number): number => number * 8 + WireType.varint;

/**
 * `Export…ServiceResponse { partial_success: 1 { rejected_*: 1 int64, error_message: 2 string } }`, the same for all
 * signals. A response that cannot be read is a success: the receiver took the request.
 */
export function readSuccess(response: Uint8Array): ExportOutcome {
  let rejected = 0;
  let reason = '';
  readTolerantly(() => {
    for (const partial of contents(response, len(1))) {
      for (const reader of fields(partial, varint(1))) rejected = Math.max(0, Number(reader.int64()));
      for (const reader of fields(partial, len(2))) reason = reader.string().slice(0, REASON_UNITS_MAX);
    }
  });
  return { kind: 'delivered', rejected, reason };
}

/**
 * The delay of a `google.rpc.RetryInfo { retry_delay: 1 Duration { seconds: 1, nanos: 2 } }` among the details of a
 * `google.rpc.Status { details: 3 Any { type_url: 1, value: 2 } }`, in milliseconds; undefined when there is none.
 */
export function readRetryDelayMs(status: Uint8Array): number | undefined {
  let delayMs: number | undefined;
  readTolerantly(() => {
    for (const any of contents(status, len(3))) {
      const [type] = contents(any, len(1));
      const [info] = contents(any, len(2));
      if (type === undefined || Buffer.from(type).toString() !== RETRY_INFO || info === undefined) continue;
      let ms = 0;
      for (const duration of contents(info, len(1))) {
        for (const reader of fields(duration, varint(1))) ms += Number(reader.int64()) * 1000;
        for (const reader of fields(duration, varint(2))) ms += Number(reader.int64()) / 1e6;
      }
      delayMs = boundedDelayMs(ms);
    }
  });
  return delayMs;
}

/** `Retry-After` of RFC 9110: seconds or a date. In milliseconds; undefined when it is absent or neither. */
export function readRetryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : boundedDelayMs(ms);
}

const boundedDelayMs = (ms: number): number => Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);

/** A reader at each value of the fields with this tag. */
function* fields(message: Uint8Array, wanted: number): Generator<Reader> {
  const reader = new Reader(message);
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === wanted) yield reader;
    else reader.skip(tag);
  }
}

/** The content of each length-delimited field with this tag. */
function* contents(message: Uint8Array, wanted: number): Generator<Uint8Array> {
  for (const reader of fields(message, wanted)) yield reader.view();
}

/** Advice that cannot be read is no advice. */
function readTolerantly(read: () => void): void {
  try {
    read();
  } catch {}
}
