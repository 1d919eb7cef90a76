// Writes one span as an element of `ScopeSpans.spans`.
import type { AttributeList } from './record.ts';
import type { Writer } from './writer.ts';

/** Trace and span ID as signed words in big-endian order. */
export interface IdWords {
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
  readonly s0: number;
  readonly s1: number;
}

/** An attribute list and how many attributes did not get into it. */
export interface CountedAttributes extends AttributeList {
  readonly dropped: number;
}

export interface SpanEventRecord {
  readonly name: string;
  /** Nanoseconds since the anchor. */
  readonly time: number;
  readonly attributes: CountedAttributes;
}

export interface SpanLinkRecord {
  readonly identity: IdWords;
  readonly traceState: string;
  readonly flags: number;
  readonly attributes: CountedAttributes;
}

/** What a span says when it has ended. Slots of `events` and `links` beyond their counts are stale. */
export interface SpanRecord {
  readonly identity: IdWords;
  readonly traceState: string;
  /** Words of the parent's span ID; both 0 for a root span. */
  readonly parent0: number;
  readonly parent1: number;
  /** `SpanFlags`: the W3C trace flags and whether the parent is remote. */
  readonly flags: number;
  readonly name: string;
  /** `SpanKind` of the wire: 1 internal … 5 consumer. */
  readonly kind: number;
  /** Nanoseconds since the anchor. */
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: CountedAttributes;
  readonly events: readonly SpanEventRecord[];
  readonly eventCount: number;
  readonly droppedEvents: number;
  readonly links: readonly SpanLinkRecord[];
  readonly linkCount: number;
  readonly droppedLinks: number;
  /** `StatusCode`: 0 unset, 1 ok, 2 error. */
  readonly statusCode: number;
  readonly statusMessage: string;
}

/** `SpanFlags`: bit 8 says that bit 9, "the context is remote", means something. */
export const SPAN_FLAG_REMOTE_KNOWN = 0x100;
export const SPAN_FLAG_REMOTE = 0x200;

/** What most spans have more than, and stay below 16 KiB: their length takes two bytes. */
const SPAN_BYTES_EXPECTED = 128;

/*
 * message Span {
 *   bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; fixed32 flags = 16;
 *   string name = 5; SpanKind kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
 *   repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
 *   repeated Event events = 11; uint32 dropped_events_count = 12;
 *   repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15;
 * }
 */
/** Writes the span with its tag and length (`ScopeSpans.spans = 2`). */
export function encodeSpan(writer: Writer, span: SpanRecord): void {
  const mark = writer.message(2, SPAN_BYTES_EXPECTED);
  const { identity } = span;
  writer.traceId(1, identity.t0, identity.t1, identity.t2, identity.t3);
  writer.spanId(2, identity.s0, identity.s1);
  if (span.traceState !== '') writer.name(3, span.traceState);
  if ((span.parent0 | span.parent1) !== 0) writer.spanId(4, span.parent0, span.parent1);
  writer.name(5, span.name);
  writer.uint(6, span.kind);
  writer.time(7, span.startTime);
  writer.time(8, span.endTime);
  writer.attributes(9, span.attributes);
  if (span.attributes.dropped > 0) writer.uint(10, span.attributes.dropped);
  for (let i = 0; i < span.eventCount; i++) encodeEvent(writer, span.events[i]!);
  if (span.droppedEvents > 0) writer.uint(12, span.droppedEvents);
  for (let i = 0; i < span.linkCount; i++) encodeLink(writer, span.links[i]!);
  if (span.droppedLinks > 0) writer.uint(14, span.droppedLinks);
  if (span.statusCode !== 0) encodeStatus(writer, span.statusMessage, span.statusCode);
  writer.fixed32(16, span.flags);
  writer.close(mark);
}

/** message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; } */
function encodeEvent(writer: Writer, event: SpanEventRecord): void {
  const mark = writer.message(11);
  writer.time(1, event.time);
  writer.name(2, event.name);
  writer.attributes(3, event.attributes);
  if (event.attributes.dropped > 0) writer.uint(4, event.attributes.dropped);
  writer.close(mark);
}

/**
 * message Link { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4;
 *   uint32 dropped_attributes_count = 5; fixed32 flags = 6; }
 */
function encodeLink(writer: Writer, link: SpanLinkRecord): void {
  const mark = writer.message(13);
  const { identity } = link;
  writer.traceId(1, identity.t0, identity.t1, identity.t2, identity.t3);
  writer.spanId(2, identity.s0, identity.s1);
  if (link.traceState !== '') writer.string(3, link.traceState);
  writer.attributes(4, link.attributes);
  if (link.attributes.dropped > 0) writer.uint(5, link.attributes.dropped);
  writer.fixed32(6, link.flags);
  writer.close(mark);
}

/** message Status { string message = 2; StatusCode code = 3; } */
function encodeStatus(writer: Writer, message: string, code: number): void {
  const mark = writer.message(15);
  if (message !== '') writer.string(2, message);
  writer.uint(3, code);
  writer.close(mark);
}
