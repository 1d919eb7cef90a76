// A trace in Jaeger's JSON model, by OpenTelemetry's rules for Jaeger ("OpenTelemetry to Jaeger Transformation").
import {
  type AnyValue,
  type DecodedEvent,
  type DecodedLink,
  type DecodedScope,
  type DecodedSpan,
  decodeTraces,
  type KeyValue,
} from 'tricord/otlp';

interface Tag {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64' | 'binary';
  readonly value: string | boolean | number;
}

interface Process {
  readonly serviceName: string;
  readonly tags: readonly Tag[];
}

interface Log {
  /** Microseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly fields: readonly Tag[];
}

interface Reference {
  readonly refType: 'CHILD_OF' | 'FOLLOWS_FROM';
  readonly traceID: string;
  readonly spanID: string;
}

interface Span {
  readonly traceID: string;
  readonly spanID: string;
  readonly flags: number;
  readonly operationName: string;
  readonly references: readonly Reference[];
  /** Microseconds since the Unix epoch. */
  readonly startTime: number;
  /** Microseconds. */
  readonly duration: number;
  readonly tags: readonly Tag[];
  readonly logs: readonly Log[];
  readonly processID: string;
  readonly warnings: null;
}

export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly Span[];
  /** By the `processID` of the spans. */
  readonly processes: Readonly<Record<string, Process>>;
  readonly warnings: null;
}

/** The values of Jaeger's `span.kind`, by OTLP's SpanKind; the first stands for none. */
export const spanKinds: readonly string[] = ['', 'internal', 'server', 'client', 'producer', 'consumer'];
/** The values of `otel.status_code`, by OTLP's status code; the first stands for none. */
export const statusCodes: readonly string[] = ['', 'OK', 'ERROR'];

/** Jaeger has no spans without a service: OpenTelemetry's name for one that has not said its own. */
const UNKNOWN_SERVICE = 'unknown_service';

/** @param bytes `opentelemetry.proto.trace.v1.TracesData` of the one trace */
export function jaegerTrace(traceID: string, bytes: Uint8Array): JaegerTrace {
  const processes: Record<string, Process> = {};
  const spans: Span[] = [];
  let processCount = 0;
  let processID = '';
  let scopeTags: readonly Tag[] = [];
  decodeTraces(bytes, {
    resource: ({ attributes }) => {
      processCount += 1;
      processID = `p${processCount}`;
      processes[processID] = processOf(attributes);
    },
    scope: scope => {
      scopeTags = tagsOfScope(scope);
    },
    span: span => spans.push(spanOf(span, traceID, processID, scopeTags)),
  });
  return { traceID, spans, processes, warnings: null };
}

/** A service as Jaeger calls it. */
export function serviceName(service: string): string {
  return service === '' ? UNKNOWN_SERVICE : service;
}

function processOf(attributes: readonly KeyValue[]): Process {
  const name = attributes.findLast(({ key }) => key === 'service.name')?.value;
  return {
    serviceName: serviceName(name === undefined ? '' : String(tagOf('', name).value)),
    tags: tagsOf(attributes.filter(({ key }) => key !== 'service.name')),
  };
}

function spanOf(span: DecodedSpan, traceID: string, processID: string, scopeTags: readonly Tag[]): Span {
  const { startTimeUnixNano: start, endTimeUnixNano: end } = span;
  return {
    traceID,
    spanID: hex(span.spanId),
    flags: span.flags & 0xff,
    operationName: span.name,
    references: [...parentReference(span, traceID), ...span.links.map(linkReference)],
    startTime: micros(start),
    duration: end > start ? micros(end - start) : 0,
    tags: [...tagsOf(span.attributes), ...scopeTags, ...spanFieldTags(span)],
    logs: span.events.map(logOf),
    processID,
    warnings: null,
  };
}

function parentReference({ parentSpanId }: DecodedSpan, traceID: string): Reference[] {
  const spanID = hex(parentSpanId);
  return /[^0]/.test(spanID) ? [{ refType: 'CHILD_OF', traceID, spanID }] : [];
}

function linkReference({ traceId, spanId }: DecodedLink): Reference {
  return { refType: 'FOLLOWS_FROM', traceID: hex(traceId), spanID: hex(spanId) };
}

/** The event's name is its field `event`, unless it has an attribute of that name. */
function logOf({ timeUnixNano, name, attributes, droppedAttributesCount: dropped }: DecodedEvent): Log {
  const named = attributes.some(({ key }) => key === 'event');
  return {
    timestamp: micros(timeUnixNano),
    fields: [
      ...(named || name === '' ? [] : [tagOf('event', name)]),
      ...tagsOf(attributes),
      ...present({ 'otel.dropped_attributes_count': dropped }),
    ],
  };
}

function tagsOfScope({ name, version }: DecodedScope): Tag[] {
  return present({ 'otel.scope.name': name, 'otel.scope.version': version });
}

/** What a span of Jaeger has no field for. */
function spanFieldTags(span: DecodedSpan): Tag[] {
  const code = statusCodes[span.statusCode] ?? '';
  return present({
    'span.kind': spanKinds[span.kind] ?? '',
    'otel.status_code': code,
    'otel.status_description': span.statusMessage,
    error: code === 'ERROR',
    'w3c.tracestate': span.traceState,
    'otel.dropped_attributes_count': span.droppedAttributesCount,
    'otel.dropped_events_count': span.droppedEventsCount,
    'otel.dropped_links_count': span.droppedLinksCount,
  });
}

/** Tags of the values that are not '', 0 or false. */
function present(values: Readonly<Record<string, string | number | boolean>>): Tag[] {
  return Object.entries(values)
    .filter(([, value]) => Boolean(value))
    .map(([key, value]) => tagOf(key, value));
}

function tagsOf(attributes: readonly KeyValue[]): Tag[] {
  return attributes.map(({ key, value }) => tagOf(key, value));
}

/** Numbers that JSON or JavaScript cannot hold are text, arrays and maps the text of their JSON. */
function tagOf(key: string, value: AnyValue): Tag {
  if (typeof value === 'string') return { key, type: 'string', value };
  if (typeof value === 'boolean') return { key, type: 'bool', value };
  if (typeof value === 'bigint') return { key, type: 'int64', value: value.toString() };
  if (typeof value === 'number') {
    const type = Number.isSafeInteger(value) ? 'int64' : 'float64';
    return { key, type, value: Number.isFinite(value) ? value : String(value) };
  }
  if (value === undefined || value === null) return { key, type: 'string', value: '' };
  if (value instanceof Uint8Array) return { key, type: 'binary', value: base64(value) };
  return { key, type: 'string', value: JSON.stringify(value, plain) };
}

/** Replaces what JSON does not have. */
function plain(_key: string, value: AnyValue): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
    return String(value);
  }
  return value instanceof Uint8Array ? base64(value) : value;
}

function micros(nanos: bigint): number {
  return Number(nanos / 1000n);
}

function hex(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex');
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
