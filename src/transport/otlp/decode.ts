// The push decoders: walk a request and hand over resources, scopes and items, one at a time, in that order.
import { type DecodedLogRecord, decodeLogRecord } from './decode-log.ts';
import { type DecodedMetric, decodeMetric } from './decode-metric.ts';
import { type DecodedSpan, decodeSpan } from './decode-span.ts';
import { decodeKeyValue, type KeyValue, NO_BYTES } from './decode-value.ts';
import { nameFault } from './fault.ts';
import { Reader } from './reader.ts';
import { Signal } from './record.ts';
import { requestTypes, tagsOf } from './schema.ts';

/** Called before the scopes of each resource. */
export interface DecodedResource {
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
  /** Of the resource, from the message around it. */
  readonly schemaUrl: string;
  /** The Resource message itself, unknown fields and entity references included. */
  readonly bytes: Uint8Array;
}

/** Called before the items of each scope. */
export interface DecodedScope {
  readonly name: string;
  readonly version: string;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
  /** Of the scope's items, from the message around it. */
  readonly schemaUrl: string;
  /** The InstrumentationScope message itself, unknown fields included. */
  readonly bytes: Uint8Array;
}

interface GroupVisitor {
  resource?(resource: DecodedResource): void;
  scope?(scope: DecodedScope): void;
}

export interface TracesVisitor extends GroupVisitor {
  span(span: DecodedSpan): void;
}

export interface LogsVisitor extends GroupVisitor {
  logRecord(record: DecodedLogRecord): void;
}

export interface MetricsVisitor extends GroupVisitor {
  metric(metric: DecodedMetric): void;
}

/**
 * Decodes an `ExportTraceServiceRequest` (or `TracesData`). Every resource and every scope is handed over, also one without
 * spans; where the message has none, an empty one. Unknown fields are stepped over, strings that are not UTF-8 get U+FFFD.
 * Throws {@link WireError} with the place; what came before it has been handed over already, so run `checkRequest` first.
 *
 * Every `Uint8Array` handed over is a view of `bytes`: valid only while they are, copy what you keep.
 */
export function decodeTraces(bytes: Uint8Array, visitor: TracesVisitor): void {
  decode(Signal.traces, bytes, visitor, reader => visitor.span(decodeSpan(reader)));
}

/** As {@link decodeTraces}, for an `ExportLogsServiceRequest`. Views: copy what you keep. */
export function decodeLogs(bytes: Uint8Array, visitor: LogsVisitor): void {
  decode(Signal.logs, bytes, visitor, reader => visitor.logRecord(decodeLogRecord(reader)));
}

/** As {@link decodeTraces}, for an `ExportMetricsServiceRequest`. Views: copy what you keep. */
export function decodeMetrics(bytes: Uint8Array, visitor: MetricsVisitor): void {
  decode(Signal.metrics, bytes, visitor, reader => visitor.metric(decodeMetric(reader)));
}

/** The three signals have the field numbers of their outer messages in common. */
const requestTag = tagsOf('TracesData');
const resourceGroupTag = tagsOf('ResourceSpans');
const scopeGroupTag = tagsOf('ScopeSpans');
const resourceTag = tagsOf('Resource');
const scopeTag = tagsOf('InstrumentationScope');

type ReadItem = (reader: Reader) => void;

function decode(signal: Signal, bytes: Uint8Array, visitor: GroupVisitor, item: ReadItem): void {
  const reader = new Reader(bytes);
  try {
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === requestTag.resource_spans) decodeResourceGroup(reader, visitor, item);
      else reader.skip(tag);
    }
  } catch (error) {
    throw nameFault(requestTypes[signal], bytes, error);
  }
}

/** Two passes, because the resource may lie behind its scopes. */
function decodeResourceGroup(reader: Reader, visitor: GroupVisitor, item: ReadItem): void {
  const outer = reader.enter();
  const start = reader.pos;
  const resource = decodeResource(reader);
  visitor.resource?.(resource);
  reader.pos = start;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === resourceGroupTag.scope_spans) decodeScopeGroup(reader, visitor, item);
    else reader.skip(tag);
  }
  reader.leave(outer);
}

function decodeScopeGroup(reader: Reader, visitor: GroupVisitor, item: ReadItem): void {
  const outer = reader.enter();
  const start = reader.pos;
  const scope = decodeScope(reader);
  visitor.scope?.(scope);
  reader.pos = start;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === scopeGroupTag.spans) item(reader);
    else reader.skip(tag);
  }
  reader.leave(outer);
}

/** Reads to the end of the group, and merges where the resource comes in parts. */
function decodeResource(reader: Reader): DecodedResource {
  const attributes: KeyValue[] = [];
  const parts: Uint8Array[] = [];
  let droppedAttributesCount = 0;
  let schemaUrl = '';
  while (reader.more()) {
    const groupTag = reader.tag();
    if (groupTag === resourceGroupTag.resource) {
      const outer = reader.enter();
      parts.push(reader.rest());
      while (reader.more()) {
        const tag = reader.tag();
        if (tag === resourceTag.attributes) attributes.push(decodeKeyValue(reader));
        else if (tag === resourceTag.dropped_attributes_count) droppedAttributesCount = reader.uint32();
        else reader.skip(tag);
      }
      reader.leave(outer);
    } else if (groupTag === resourceGroupTag.schema_url) schemaUrl = reader.string();
    else reader.skip(groupTag);
  }
  return { attributes, droppedAttributesCount, schemaUrl, bytes: joined(parts) };
}

function decodeScope(reader: Reader): DecodedScope {
  const attributes: KeyValue[] = [];
  const parts: Uint8Array[] = [];
  const scope = {
    name: '',
    version: '',
    attributes,
    droppedAttributesCount: 0,
    schemaUrl: '',
    bytes: NO_BYTES,
  };
  while (reader.more()) {
    const groupTag = reader.tag();
    if (groupTag === scopeGroupTag.scope) {
      const outer = reader.enter();
      parts.push(reader.rest());
      while (reader.more()) {
        const tag = reader.tag();
        if (tag === scopeTag.name) scope.name = reader.string();
        else if (tag === scopeTag.version) scope.version = reader.string();
        else if (tag === scopeTag.attributes) attributes.push(decodeKeyValue(reader));
        else if (tag === scopeTag.dropped_attributes_count) scope.droppedAttributesCount = reader.uint32();
        else reader.skip(tag);
      }
      reader.leave(outer);
    } else if (groupTag === scopeGroupTag.schema_url) scope.schemaUrl = reader.string();
    else reader.skip(groupTag);
  }
  scope.bytes = joined(parts);
  return scope;
}

/** Concatenated messages are one merged message: this is how protobuf merges. */
const joined = (parts: Uint8Array[]): Uint8Array =>
  parts.length > 1 ? Buffer.concat(parts) : (parts[0] ?? NO_BYTES);
