// One `opentelemetry.proto.logs.v1.LogRecord`, decoded.
import { decodeAnyValue, decodeKeyValue, type KeyValue, NO_BYTES } from './decode-value.ts';
import type { Reader } from './reader.ts';
import { tagsOf } from './schema.ts';
import type { AnyValue } from './value.ts';

/** Times are nanoseconds since the Unix epoch, 0n when they are not known. */
export interface DecodedLogRecord {
  readonly timeUnixNano: bigint;
  readonly observedTimeUnixNano: bigint;
  /** 1–4 trace, 5–8 debug, 9–12 info, 13–16 warn, 17–20 error, 21–24 fatal; 0 when it is not known. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: AnyValue;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
  readonly flags: number;
  /** 16 bytes, or none. */
  readonly traceId: Uint8Array;
  /** 8 bytes, or none. */
  readonly spanId: Uint8Array;
  /** The LogRecord message itself, unknown fields included. */
  readonly bytes: Uint8Array;
}

const logTag = tagsOf('LogRecord');

export function decodeLogRecord(reader: Reader): DecodedLogRecord {
  const outer = reader.enter();
  const attributes: KeyValue[] = [];
  const record = {
    timeUnixNano: 0n,
    observedTimeUnixNano: 0n,
    severityNumber: 0,
    severityText: '',
    eventName: '',
    body: undefined as AnyValue,
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
    traceId: NO_BYTES,
    spanId: NO_BYTES,
    bytes: reader.rest(),
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === logTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === logTag.time_unix_nano) record.timeUnixNano = reader.fixed64();
    else if (tag === logTag.observed_time_unix_nano) record.observedTimeUnixNano = reader.fixed64();
    else if (tag === logTag.severity_number) record.severityNumber = reader.uint32();
    else if (tag === logTag.severity_text) record.severityText = reader.string();
    else if (tag === logTag.event_name) record.eventName = reader.string();
    else if (tag === logTag.body) record.body = decodeAnyValue(reader, 0, record.body);
    else if (tag === logTag.dropped_attributes_count) record.droppedAttributesCount = reader.uint32();
    else if (tag === logTag.flags) record.flags = reader.fixed32();
    else if (tag === logTag.trace_id) record.traceId = reader.view();
    else if (tag === logTag.span_id) record.spanId = reader.view();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return record;
}
