// The answers of Tempo's search in the JSON mapping of its protobuf: no field beyond those, clients are strict.
import type { SpanRow, TraceSummary } from '../store/store.ts';
import type { Field } from './tempo-traceql.ts';

/** `tempopb.SearchResponse`. */
export function searchResponse(traces: readonly TraceSummary[], fields: readonly Field[]): unknown {
  return { traces: traces.map(trace => traceMetadata(trace, fields)), metrics: {} };
}

/** What Tempo shows for a trace whose root it has not seen. */
const NO_ROOT = '<root span not yet received>';

/** `tempopb.TraceSearchMetadata`. */
function traceMetadata(trace: TraceSummary, fields: readonly Field[]): unknown {
  const spanSet = {
    spans: trace.matched.map(span => searchedSpan(span, fields)),
    matched: trace.matchedCount,
  };
  return {
    traceID: trace.traceId,
    rootServiceName: trace.rootService || NO_ROOT,
    rootTraceName: trace.rootName || NO_ROOT,
    startTimeUnixNano: trace.start.toString(),
    durationMs: Math.min(0xffff_ffff, Number(trace.duration / 1_000_000n)),
    spanSet,
    spanSets: [spanSet],
    serviceStats: Object.fromEntries(trace.services),
  };
}

/** `tempopb.Span`. */
function searchedSpan(span: SpanRow, fields: readonly Field[]): unknown {
  return {
    spanID: span.spanId,
    name: span.name,
    startTimeUnixNano: span.start.toString(),
    durationNanos: span.duration.toString(),
    attributes: shownAttributes(span, fields),
  };
}

const STATUS = ['unset', 'ok', 'error'];
const KIND = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

/** The fields that the query mentions, as attributes; the service always. */
function shownAttributes(span: SpanRow, fields: readonly Field[]): unknown[] {
  const shown = new Map<string, unknown>([['service.name', span.service]]);
  for (const { scope, field } of fields) {
    if (scope === 'intrinsic') {
      if (field === 'status') shown.set('status', STATUS[span.status] ?? STATUS[0]);
      if (field === 'kind') shown.set('kind', KIND[span.kind] ?? KIND[0]);
      continue;
    }
    const value = attributeOf(span, scope, field);
    if (value !== undefined) shown.set(field, value);
  }
  return Array.from(shown, ([key, value]) => ({ key, value: anyValue(value) }));
}

function attributeOf(span: SpanRow, scope: Field['scope'], field: string): unknown {
  if (scope !== 'resource' && Object.hasOwn(span.attributes, field)) return span.attributes[field];
  if (scope !== 'span' && Object.hasOwn(span.resource, field)) return span.resource[field];
  return undefined;
}

function anyValue(value: unknown): unknown {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  return { stringValue: typeof value === 'string' ? value : JSON.stringify(value) };
}
