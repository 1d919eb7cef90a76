// One `opentelemetry.proto.trace.v1.Span`, decoded.
import { decodeKeyValue, type KeyValue, NO_BYTES } from './decode-value.ts';
import type { Reader } from './reader.ts';
import { tagsOf } from './schema.ts';

/** Times are nanoseconds since the Unix epoch. */
export interface DecodedSpan {
  /** 16 bytes. */
  readonly traceId: Uint8Array;
  /** 8 bytes. */
  readonly spanId: Uint8Array;
  /** 8 bytes; none for a root. */
  readonly parentSpanId: Uint8Array;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  /** SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
  readonly events: readonly DecodedEvent[];
  readonly droppedEventsCount: number;
  readonly links: readonly DecodedLink[];
  readonly droppedLinksCount: number;
  /** 0 unset, 1 ok, 2 error. */
  readonly statusCode: number;
  readonly statusMessage: string;
  /** The Span message itself, unknown fields included. */
  readonly bytes: Uint8Array;
}

export interface DecodedEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
}

export interface DecodedLink {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly traceState: string;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
  readonly flags: number;
}

const spanTag = tagsOf('Span');
const eventTag = tagsOf('Event');
const linkTag = tagsOf('Link');
const statusTag = tagsOf('Status');

export function decodeSpan(reader: Reader): DecodedSpan {
  const outer = reader.enter();
  const attributes: KeyValue[] = [];
  const events: DecodedEvent[] = [];
  const links: DecodedLink[] = [];
  const span = {
    traceId: NO_BYTES,
    spanId: NO_BYTES,
    parentSpanId: NO_BYTES,
    traceState: '',
    flags: 0,
    name: '',
    kind: 0,
    startTimeUnixNano: 0n,
    endTimeUnixNano: 0n,
    attributes,
    droppedAttributesCount: 0,
    events,
    droppedEventsCount: 0,
    links,
    droppedLinksCount: 0,
    statusCode: 0,
    statusMessage: '',
    bytes: reader.rest(),
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === spanTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === spanTag.trace_id) span.traceId = reader.view();
    else if (tag === spanTag.span_id) span.spanId = reader.view();
    else if (tag === spanTag.parent_span_id) span.parentSpanId = reader.view();
    else if (tag === spanTag.trace_state) span.traceState = reader.string();
    else if (tag === spanTag.flags) span.flags = reader.fixed32();
    else if (tag === spanTag.name) span.name = reader.string();
    else if (tag === spanTag.kind) span.kind = reader.uint32();
    else if (tag === spanTag.start_time_unix_nano) span.startTimeUnixNano = reader.fixed64();
    else if (tag === spanTag.end_time_unix_nano) span.endTimeUnixNano = reader.fixed64();
    else if (tag === spanTag.dropped_attributes_count) span.droppedAttributesCount = reader.uint32();
    else if (tag === spanTag.events) events.push(decodeEvent(reader));
    else if (tag === spanTag.dropped_events_count) span.droppedEventsCount = reader.uint32();
    else if (tag === spanTag.links) links.push(decodeLink(reader));
    else if (tag === spanTag.dropped_links_count) span.droppedLinksCount = reader.uint32();
    else if (tag === spanTag.status) decodeStatus(reader, span);
    else reader.skip(tag);
  }
  reader.leave(outer);
  return span;
}

function decodeEvent(reader: Reader): DecodedEvent {
  const attributes: KeyValue[] = [];
  const event = { timeUnixNano: 0n, name: '', attributes, droppedAttributesCount: 0 };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === eventTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === eventTag.time_unix_nano) event.timeUnixNano = reader.fixed64();
    else if (tag === eventTag.name) event.name = reader.string();
    else if (tag === eventTag.dropped_attributes_count) event.droppedAttributesCount = reader.uint32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return event;
}

function decodeLink(reader: Reader): DecodedLink {
  const attributes: KeyValue[] = [];
  const link = {
    traceId: NO_BYTES,
    spanId: NO_BYTES,
    traceState: '',
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === linkTag.trace_id) link.traceId = reader.view();
    else if (tag === linkTag.span_id) link.spanId = reader.view();
    else if (tag === linkTag.trace_state) link.traceState = reader.string();
    else if (tag === linkTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === linkTag.dropped_attributes_count) link.droppedAttributesCount = reader.uint32();
    else if (tag === linkTag.flags) link.flags = reader.fixed32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return link;
}

function decodeStatus(reader: Reader, span: { statusCode: number; statusMessage: string }): void {
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === statusTag.code) span.statusCode = reader.uint32();
    else if (tag === statusTag.message) span.statusMessage = reader.string();
    else reader.skip(tag);
  }
  reader.leave(outer);
}
