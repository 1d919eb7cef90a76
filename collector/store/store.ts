// What the query engines ask of the store: typed selections, no SQL outside this folder.

/** A label matcher, as PromQL and LogQL have it. */
export interface Matcher {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

export type Labels = ReadonlyMap<string, string>;

/** Closed: both ends belong to it. Milliseconds since the Unix epoch. */
export interface TimeRange {
  readonly start: number;
  readonly end: number;
}

/** Half open: `end` does not belong to it. Nanoseconds since the Unix epoch. */
export interface NanoRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** One Prometheus series with its samples, oldest first. `__name__` is among the labels. */
export interface Series {
  readonly labels: Labels;
  /** Milliseconds since the Unix epoch, strictly increasing. */
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export interface Exemplar {
  readonly labels: Labels;
  readonly seriesLabels: Labels;
  readonly time: number;
  readonly value: number;
}

export interface MetricMetadata {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly help: string;
  readonly unit: string;
}

/** Limits that a caller sets on one selection; beyond it the store rejects with a {@link LimitError}. */
export interface SelectOptions {
  readonly signal?: AbortSignal | undefined;
  readonly samplesMax?: number | undefined;
}

export interface MetricStore {
  select(matchers: readonly Matcher[], range: TimeRange, options?: SelectOptions): Promise<Series[]>;
  /** Label sets of the series that have a sample in the range and match any of the matcher lists (all when none). */
  series(
    matches: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<Labels[]>;
  labelNames(
    matches: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<string[]>;
  labelValues(
    name: string,
    matches: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<string[]>;
  exemplars(matchers: readonly Matcher[], range: TimeRange, options?: SelectOptions): Promise<Exemplar[]>;
  metadata(): Promise<MetricMetadata[]>;
}

/** One log record as Loki sees it. */
export interface LogEntry {
  /** Nanoseconds since the Unix epoch. */
  readonly time: bigint;
  /** The body: text as it is, a structured body as JSON. */
  readonly line: string;
  /** Index labels: `service_name`, `service_namespace`, `service_instance_id`, `deployment_environment_name`, … */
  readonly stream: Labels;
  /** Everything else, keys with `_` for what is no label character: `trace_id`, `span_id`, `severity_text`, attributes. */
  readonly metadata: Labels;
}

export interface LogStore {
  /**
   * Entries of the streams that match, in `direction`, lines narrowed by `lineContains` (all must occur; a pre-filter for
   * speed, case-sensitive) and `metadata` (equality pre-filter), at most `limit`.
   */
  select(query: LogSelection, range: NanoRange, options?: SelectOptions): Promise<LogEntry[]>;
  streams(
    matches: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<Labels[]>;
}

export interface LogSelection {
  readonly matchers: readonly Matcher[];
  readonly lineContains?: readonly string[] | undefined;
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  readonly direction: 'forward' | 'backward';
  readonly limit: number;
}

/** One span as search sees it. */
export interface SpanRow {
  /** 32 hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** SpanKind of OTLP: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** Status code of OTLP: 0 unset, 1 ok, 2 error. */
  readonly status: number;
  readonly service: string;
  /** Nanoseconds since the Unix epoch. */
  readonly start: bigint;
  /** Nanoseconds. */
  readonly duration: bigint;
  /** Attributes of the span, values as JSON has them. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A condition on one span. `field` is an intrinsic or an attribute; the operators are TraceQL's. */
export interface SpanCondition {
  readonly scope: 'intrinsic' | 'span' | 'resource' | 'any';
  /**
   * Intrinsics: `name`, `status`, `statusMessage`, `kind`, `duration`, `service` (resource.service.name), `traceId`,
   * `spanId`, `parentId`, `rootName`, `rootServiceName`, `traceDuration`.
   */
  readonly field: string;
  readonly op: '=' | '!=' | '>' | '>=' | '<' | '<=' | '=~' | '!~';
  /** Null is TraceQL's `nil`, with `=` and `!=` only: whether the attribute is there. */
  readonly value: string | number | boolean | bigint | null;
}

/** A disjunction of conjunctions over one span. */
export type SpanFilter = readonly (readonly SpanCondition[])[];

export interface TraceSummary {
  readonly traceId: string;
  readonly rootService: string;
  readonly rootName: string;
  readonly start: bigint;
  /** Nanoseconds from the first start to the last end. */
  readonly duration: bigint;
  readonly spanCount: number;
  readonly errorCount: number;
  /** The same two by service. */
  readonly services: ReadonlyMap<string, { readonly spanCount: number; readonly errorCount: number }>;
  /** The spans that matched, the first `spansPerTrace` of them. */
  readonly matched: readonly SpanRow[];
  /** How many spans matched. */
  readonly matchedCount: number;
}

export interface TraceSearch {
  readonly filter: SpanFilter;
  readonly range: TimeRange;
  readonly limit: number;
  readonly spansPerTrace: number;
  readonly order: 'latest' | 'slowest';
}

/** A value that an attribute or intrinsic has, and how TraceQL writes it. */
export interface TagValue {
  readonly type: 'string' | 'int' | 'float' | 'bool' | 'keyword' | 'duration';
  readonly value: string;
}

/** What a service does, by the name and SpanKind of its spans. */
export interface Operation {
  readonly name: string;
  readonly kind: number;
}

/** How many spans of `callee` have their parent in `caller`, another service. */
export interface ServiceCalls {
  readonly caller: string;
  readonly callee: string;
  readonly count: number;
}

export interface TraceOptions extends SelectOptions {
  /** Where the trace is known to be: spans further from it than an hour are not looked for. Everywhere when missing. */
  readonly range?: TimeRange | undefined;
}

export interface TraceStore {
  /** The whole trace as the bytes of `opentelemetry.proto.trace.v1.TracesData`; null when there is none. */
  trace(traceId: string, options?: TraceOptions): Promise<Uint8Array | null>;
  search(search: TraceSearch, options?: SelectOptions): Promise<TraceSummary[]>;
  tagNames(
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<{ readonly span: string[]; readonly resource: string[] }>;
  tagValues(
    scope: SpanCondition['scope'],
    field: string,
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<TagValue[]>;
  /** Every operation of a service once, by name, then kind. */
  operations(service: string, range: TimeRange, options?: SelectOptions): Promise<Operation[]>;
  /** Calls between services by the spans of callees that start in the range, the most first. */
  serviceCalls(range: TimeRange, options?: SelectOptions): Promise<ServiceCalls[]>;
}

export interface Store {
  readonly metrics: MetricStore;
  readonly logs: LogStore;
  readonly traces: TraceStore;
}

/** A matcher or condition that cannot be used, a regular expression that is none: the message says which and why. */
export class MatcherError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MatcherError';
  }
}

/** The store was closed: the collector stops. */
export class StoreClosedError extends Error {
  constructor() {
    super('the store is closed');
    this.name = 'StoreClosedError';
  }
}

/** A selection would have exceeded a limit; the message names the limit. */
export class LimitError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LimitError';
  }
}
