// Asks the collector's query APIs, the same ones that Grafana calls.

/** Seconds since the Unix epoch. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export interface ExemplarPoint {
  readonly seconds: number;
  readonly value: number;
  readonly traceId: string;
}

export interface TraceRow {
  readonly traceId: string;
  readonly service: string;
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
}

export interface LogLine {
  readonly timeMs: number;
  readonly service: string;
  readonly level: string;
  readonly text: string;
  readonly spanId: string;
  readonly fields: Readonly<Record<string, string>>;
}

async function get<T>(
  path: string,
  query: Readonly<Record<string, string | number>>,
  headers: HeadersInit = {},
): Promise<T> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const response = await fetch(`${path}?${search}`, { headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}

interface PrometheusAnswer {
  readonly data: {
    readonly result: readonly {
      metric: Record<string, string>;
      values?: [number, string][];
      value?: [number, string];
    }[];
  };
}

/** A PromQL expression over a range, about 200 steps. */
export async function rangeQuery(query: string, { start, end }: Range): Promise<Series[]> {
  const step = Math.max(5, Math.ceil((end - start) / 200));
  const aligned = { start: Math.floor(start / step) * step, end: Math.ceil(end / step) * step, step };
  const { data } = await get<PrometheusAnswer>('/prometheus/api/v1/query_range', { query, ...aligned });
  return data.result.map(({ metric, values = [] }) => ({
    labels: metric,
    points: values.map(([seconds, value]) => [seconds, Number(value)] as const),
  }));
}

/** A PromQL expression now, by the value of one label. */
export async function valuesBy(label: string, query: string): Promise<Map<string, number>> {
  const { data } = await get<PrometheusAnswer>('/prometheus/api/v1/query', { query });
  return new Map(data.result.map(({ metric, value }) => [metric[label] ?? '', Number(value?.[1])]));
}

export async function exemplars(query: string, range: Range): Promise<ExemplarPoint[]> {
  type Answer = {
    data: { exemplars: { labels: Record<string, string>; value: string; timestamp: number }[] }[];
  };
  const { data } = await get<Answer>('/prometheus/api/v1/query_exemplars', { query, ...range });
  return data
    .flatMap(series => series.exemplars)
    .map(({ labels, value, timestamp }) => ({
      seconds: timestamp,
      value: Number(value),
      traceId: labels.trace_id ?? '',
    }))
    .filter(({ traceId }) => traceId !== '')
    .sort((a, b) => a.seconds - b.seconds);
}

/** Names of all services that sent a metric or a span. */
export async function serviceNames(range: Range): Promise<string[]> {
  const [jobs, services] = await Promise.all([
    get<{ data: string[] }>('/prometheus/api/v1/label/job/values', { ...range }),
    get<{ tagValues: { value: string }[] }>('/tempo/api/v2/search/tag/resource.service.name/values', {
      ...range,
    }),
  ]);
  return [...new Set([...jobs.data, ...services.tagValues.map(({ value }) => value)])].sort();
}

interface TempoTrace {
  readonly traceID: string;
  readonly rootServiceName?: string;
  readonly rootTraceName?: string;
  readonly startTimeUnixNano: string;
  readonly durationMs?: number;
}

export async function searchTraces(
  query: string,
  range: Range,
  order: 'latest' | 'slowest',
): Promise<TraceRow[]> {
  const seconds = { start: Math.floor(range.start), end: Math.ceil(range.end) };
  const { traces } = await get<{ traces: TempoTrace[] }>('/tempo/api/search', {
    q: query,
    limit: 12,
    spss: 1,
    order,
    ...seconds,
  });
  return traces.map(trace => ({
    traceId: trace.traceID,
    service: trace.rootServiceName ?? '',
    name: trace.rootTraceName ?? '',
    startMs: Number(trace.startTimeUnixNano) / 1e6,
    durationMs: trace.durationMs ?? 0,
  }));
}

/** The OTLP/JSON of a trace; undefined when there is none. */
export async function traceById(traceId: string): Promise<{ resourceSpans: unknown[] } | undefined> {
  type Answer = { trace?: { resourceSpans?: unknown[] } };
  const { trace } = await get<Answer>(
    `/tempo/api/v2/traces/${encodeURIComponent(traceId)}`,
    {},
    { accept: 'application/json' },
  );
  return trace?.resourceSpans?.length ? { resourceSpans: trace.resourceSpans } : undefined;
}

/** The log lines of a trace, oldest first. */
export async function logsOfTrace(traceId: string, { start, end }: Range): Promise<LogLine[]> {
  type Row = [time: string, line: string, beside: { structuredMetadata?: Record<string, string> }];
  type Answer = { data: { result: { stream: Record<string, string>; values: Row[] }[] } };
  const query = `{service_name=~".+"} | trace_id="${traceId.replace(/[^0-9a-f]/gi, '')}"`;
  const nanoseconds = { start: `${Math.floor(start * 1000)}000000`, end: `${Math.ceil(end * 1000)}000000` };
  const headers = { 'x-loki-response-encoding-flags': 'categorize-labels' };
  const { data } = await get<Answer>(
    '/loki/api/v1/query_range',
    { query, direction: 'forward', limit: 500, ...nanoseconds },
    headers,
  );
  return data.result
    .flatMap(({ stream, values }) =>
      values.map(([time, line, { structuredMetadata = {} }]) => ({
        timeMs: Number(time) / 1e6,
        service: stream.service_name ?? '',
        level: (structuredMetadata.detected_level ?? structuredMetadata.severity_text ?? '').toLowerCase(),
        text: line,
        spanId: structuredMetadata.span_id ?? '',
        fields: structuredMetadata,
      })),
    )
    .sort((a, b) => a.timeMs - b.timeMs);
}

export interface LedgerRow {
  readonly signal: string;
  readonly receiver: string;
  readonly exporter: string;
  readonly pipelines: readonly string[];
  readonly recovered: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly queued: number;
  readonly gap: number;
}

export interface LedgerData {
  readonly rows: readonly LedgerRow[];
  readonly intake: readonly {
    readonly signal: string;
    readonly receiver: string;
    readonly accepted: number;
    readonly duplicates: number;
    readonly refused: number;
  }[];
  readonly found: { readonly batches: number; readonly damaged: number; readonly tornBytes: number } | null;
}

export function ledger(): Promise<LedgerData> {
  return get('/ledger', {}, { accept: 'application/json' });
}
