// A trace as the waterfall shows it: OTLP/JSON laid flat in the order of the tree.

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number | string;
  readonly boolValue?: boolean;
  readonly bytesValue?: string;
  readonly arrayValue?: { readonly values?: OtlpValue[] };
  readonly kvlistValue?: { readonly values?: OtlpKeyValue[] };
}

interface OtlpKeyValue {
  readonly key: string;
  readonly value?: OtlpValue;
}

interface OtlpSpan {
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly kind?: number | string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: OtlpKeyValue[];
  readonly events?: {
    readonly timeUnixNano: string;
    readonly name?: string;
    readonly attributes?: OtlpKeyValue[];
  }[];
  readonly status?: { readonly code?: number | string; readonly message?: string };
}

interface OtlpResourceSpans {
  readonly resource?: { readonly attributes?: OtlpKeyValue[] };
  readonly scopeSpans?: { readonly scope?: { readonly name?: string }; readonly spans?: OtlpSpan[] }[];
}

export interface WaterfallSpan {
  readonly id: string;
  readonly parentId: string;
  readonly depth: number;
  readonly name: string;
  readonly service: string;
  readonly kind: string;
  readonly scope: string;
  /** Milliseconds from the trace's start. */
  readonly offsetMs: number;
  readonly durationMs: number;
  readonly error: boolean;
  readonly statusMessage: string;
  readonly attributes: readonly (readonly [string, string])[];
  readonly resource: readonly (readonly [string, string])[];
  readonly events: readonly {
    readonly offsetMs: number;
    readonly name: string;
    readonly attributes: readonly (readonly [string, string])[];
  }[];
}

export interface Trace {
  readonly startMs: number;
  readonly durationMs: number;
  readonly spans: readonly WaterfallSpan[];
  readonly services: readonly string[];
}

const kinds: Readonly<Record<string, string>> = {
  1: 'internal',
  2: 'server',
  3: 'client',
  4: 'producer',
  5: 'consumer',
  SPAN_KIND_INTERNAL: 'internal',
  SPAN_KIND_SERVER: 'server',
  SPAN_KIND_CLIENT: 'client',
  SPAN_KIND_PRODUCER: 'producer',
  SPAN_KIND_CONSUMER: 'consumer',
};

function text(value: OtlpValue | undefined): string {
  if (value === undefined) return '';
  if (value.arrayValue) return `[${(value.arrayValue.values ?? []).map(text).join(', ')}]`;
  if (value.kvlistValue)
    return `{${(value.kvlistValue.values ?? []).map(({ key, value }) => `${key}: ${text(value)}`).join(', ')}}`;
  return String(
    value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue ?? value.bytesValue ?? '',
  );
}

const pairs = (list: OtlpKeyValue[] = []): [string, string][] =>
  list.map(({ key, value }) => [key, text(value)]);

const milliseconds = (nanos: string): number => Number(BigInt(nanos) / 1000n) / 1000;

type Flat = Omit<WaterfallSpan, 'depth' | 'offsetMs' | 'events'> & {
  readonly startMs: number;
  readonly otlp: OtlpSpan;
};

function flatten(resourceSpans: readonly OtlpResourceSpans[]): Flat[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const attributes = pairs(resource?.attributes);
    const service = attributes.find(([key]) => key === 'service.name')?.[1] ?? 'unknown';
    return scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map(otlp => {
        const startMs = milliseconds(otlp.startTimeUnixNano);
        return {
          otlp,
          id: otlp.spanId,
          parentId: otlp.parentSpanId ?? '',
          name: otlp.name ?? '',
          service,
          kind: kinds[String(otlp.kind ?? 1)] ?? 'internal',
          scope: scope?.name ?? '',
          startMs,
          durationMs: milliseconds(otlp.endTimeUnixNano) - startMs,
          error: otlp.status?.code === 2 || otlp.status?.code === 'STATUS_CODE_ERROR',
          statusMessage: otlp.status?.message ?? '',
          attributes: pairs(otlp.attributes),
          resource: attributes,
        };
      }),
    );
  });
}

/** Parents before children, siblings by their start; a span whose parent is missing counts as a root. */
export function layOut(resourceSpans: readonly unknown[]): Trace {
  const flat = flatten(resourceSpans as OtlpResourceSpans[]).sort((a, b) => a.startMs - b.startMs);
  const startMs = Math.min(...flat.map(span => span.startMs));
  const endMs = Math.max(...flat.map(span => span.startMs + span.durationMs));
  const known = new Set(flat.map(({ id }) => id));
  const children = Map.groupBy(flat, ({ parentId }) => (known.has(parentId) ? parentId : ''));
  const spans: WaterfallSpan[] = [];
  const pending = (children.get('') ?? []).map(span => ({ span, depth: 0 })).reverse();
  const placed = new Set<string>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { span, depth } = next;
    if (placed.has(span.id)) continue;
    placed.add(span.id);
    const { otlp, startMs: at, ...rest } = span;
    const events = (otlp.events ?? []).map(event => ({
      offsetMs: milliseconds(event.timeUnixNano) - startMs,
      name: event.name ?? '',
      attributes: pairs(event.attributes),
    }));
    spans.push({ ...rest, depth, offsetMs: at - startMs, events });
    for (const child of (children.get(span.id) ?? []).toReversed())
      pending.push({ span: child, depth: depth + 1 });
  }
  return {
    startMs,
    durationMs: endMs - startMs,
    spans,
    services: [...new Set(spans.map(({ service }) => service))],
  };
}
