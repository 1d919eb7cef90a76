// A line of JSON on its way to who reads it: the line itself, and what its writer knows beside it.
import { LogField } from '../logs.ts';
import type { AttributeList } from '../record.ts';
import type { IdWords } from '../trace.ts';
import type { Writer } from '../writer.ts';

/** The names of the keys that become fields of the record. */
export interface LineKeys {
  readonly level: string;
  readonly time: string;
  readonly message: string;
  /** Of an error, where it is neither `err` nor `error`. */
  readonly error?: string | undefined;
  /** Of the object that holds all other members but the bindings. */
  readonly nested?: string | undefined;
  /** Names of levels, by their numbers, that are not pino's. */
  readonly levels?: Readonly<Record<string, string>> | undefined;
}

/** How a line begins, where its writer knows: with these texts, one after the other. */
export interface LineHead {
  /** The opening brace and what tells the level: `{"level":30`. */
  readonly level: string;
  /** The member with the time, its comma in front; or nothing: `,"time":1700000000000`. */
  readonly time: string;
  /** Members that say in the line what the context says to the record: `,"trace_id":"…"`. */
  readonly context: string;
  /** Members that all lines of one logger have: `,"pid":7,"hostname":"h","module":"orders"`. */
  readonly bindings: string;
}

/** What the line does not say. */
export interface LineFacts {
  /** At most so many attributes, each of so many bytes. */
  readonly attributesMax: number;
  readonly valueLengthMax: number;
  /** {@link LineKeys} as JSON; nothing where they are pino's own. */
  readonly keys: string;
  readonly head: LineHead | undefined;
  /** The span it belongs to, and its flags; undefined outside of any. */
  readonly identity: (IdWords & { readonly traceFlags: number }) | undefined;
  /** Attributes, over which members of the line win. */
  readonly labels: AttributeList;
  /** When it was seen, in nanoseconds since the anchor; undefined: when it was written, as it says itself. */
  readonly observedTime: number | undefined;
}

/*
 * Words of 32 bits, then what has a length:
 *
 *   attributes max │ value length max │ UTF-16 units of the line │ bytes of its level, time, context, bindings │
 *   trace flags, or -1 outside of any span │ trace ID (4) │ span ID (2) │ observed Unix nanoseconds, or 0 (2) │
 *   keys (length, JSON) │ labels (length, attributes as in a LogRecord) │ line
 *
 * The bytes of the head's parts are counted in UTF-16 units: they hold when the line has as many bytes as units.
 */
export const LineWord = {
  attributesMax: 0,
  valueLengthMax: 4,
  units: 8,
  level: 12,
  time: 16,
  context: 20,
  bindings: 24,
  flags: 28,
  traceId: 32,
  spanId: 48,
  observedTime: 56,
} as const;
export const LINE_WORDS_BYTES = 64;
export const OUTSIDE_OF_SPANS = -1;

const NO_HEAD: LineHead = { level: '', time: '', context: '', bindings: '' };
const NO_SPAN: IdWords = { t0: 0, t1: 0, t2: 0, t3: 0, s0: 0, s1: 0 };

/** Writes a line into a frame of kind `line`. */
export function encodeLine(writer: Writer, line: string, facts: LineFacts): void {
  const { head, identity, labels, observedTime } = facts;
  const { level, time, context, bindings } = head ?? NO_HEAD;
  const { t0, t1, t2, t3, s0, s1 } = identity ?? NO_SPAN;
  const flags = identity === undefined ? OUTSIDE_OF_SPANS : identity.traceFlags;
  writer.words(facts.attributesMax, facts.valueLengthMax, line.length, level.length);
  writer.words(time.length, context.length, bindings.length, flags);
  writer.words(t0, t1, t2, t3);
  writer.bareFixed64(s1, s0);
  if (observedTime === undefined) writer.bareFixed64(0, 0);
  else writer.bareTime(observedTime);
  if (facts.keys === '') writer.varint(0);
  else {
    const keys = writer.open();
    writer.text(facts.keys);
    writer.close(keys);
  }
  if (labels.count === 0) writer.varint(0);
  else {
    const list = writer.open();
    writer.attributes(LogField.attributes, labels);
    writer.close(list);
  }
  writer.text(line);
}
