// Writes one log record as an element of `ScopeLogs.log_records`.
import type { AnyValue } from './record.ts';
import type { CountedAttributes, IdWords } from './trace.ts';
import type { Writer } from './writer.ts';

export interface LogRecordFields {
  /** When it happened, in nanoseconds since the anchor; undefined when only the time of observation is known. */
  readonly time: number | undefined;
  /** When it was seen, in nanoseconds since the anchor. */
  readonly observedTime: number;
  /** `SeverityNumber`, 0 unspecified, 1 trace … 24 fatal4. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  /** Undefined: no body. */
  readonly body: AnyValue;
  readonly attributes: CountedAttributes;
  /** The span it belongs to; undefined outside of any. */
  readonly identity: IdWords | undefined;
  /** W3C trace flags. */
  readonly flags: number;
}

/*
 * message LogRecord {
 *   fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; SeverityNumber severity_number = 2;
 *   string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7;
 *   fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10; string event_name = 12;
 * }
 */
/** The field numbers, for who writes a record without having it as an object first. */
export const LogField = {
  time: 1,
  severityNumber: 2,
  severityText: 3,
  body: 5,
  attributes: 6,
  droppedAttributes: 7,
  flags: 8,
  traceId: 9,
  spanId: 10,
  observedTime: 11,
  eventName: 12,
} as const;

/** Writes the record with its tag and length (`ScopeLogs.log_records = 2`). */
export function encodeLogRecord(writer: Writer, record: LogRecordFields): void {
  const mark = writer.message(2);
  if (record.time !== undefined) writer.time(LogField.time, record.time);
  if (record.severityNumber !== 0) writer.uint(LogField.severityNumber, record.severityNumber);
  if (record.severityText !== '') writer.string(LogField.severityText, record.severityText);
  if (record.body !== undefined) writer.anyValue(LogField.body, record.body);
  writer.attributes(LogField.attributes, record.attributes);
  if (record.attributes.dropped > 0) writer.uint(LogField.droppedAttributes, record.attributes.dropped);
  encodeLogContext(writer, record.identity, record.flags);
  writer.time(LogField.observedTime, record.observedTime);
  if (record.eventName !== '') writer.string(LogField.eventName, record.eventName);
  writer.close(mark);
}

/** Flags and IDs of the span that a record belongs to; nothing outside of any. */
export function encodeLogContext(writer: Writer, identity: IdWords | undefined, flags: number): void {
  if (identity === undefined) return;
  writer.fixed32(LogField.flags, flags);
  writer.traceId(LogField.traceId, identity.t0, identity.t1, identity.t2, identity.t3);
  writer.spanId(LogField.spanId, identity.s0, identity.s1);
}
