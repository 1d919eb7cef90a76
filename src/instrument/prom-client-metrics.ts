// From what prom-client's metrics say about themselves to metric records: labels to attributes, names as they are.
import type {
  AttributeList,
  ExemplarRecord,
  HistogramPoint,
  MetricClock,
  MetricRecord,
  NumberPoint,
  SummaryPoint,
} from '../index.ts';

type PromLabels = Readonly<Record<string, string | number | undefined>>;

interface PromExemplar {
  readonly labelSet: PromLabels;
  readonly value: number;
  /** Seconds since the Unix epoch. */
  readonly timestamp?: number;
}

/** One line of a scrape. */
interface PromValue {
  /** Where it is not the metric's own name: with `_bucket`, `_sum` or `_count` at its end. */
  readonly metricName?: string;
  readonly labels: PromLabels;
  readonly value: number;
  readonly exemplar?: PromExemplar | null;
}

/** What `metric.get()` resolves to (prom-client 14 and 15). */
export interface PromData {
  readonly help: string;
  readonly name: string;
  readonly type: string;
  readonly values: readonly PromValue[];
}

/** A counter, gauge, histogram or summary of any copy of prom-client. The optional part is not public. */
export interface PromMetric {
  readonly name: string;
  readonly help: string;
  readonly type?: string;
  get(): Promise<PromData>;
  readonly hashMap?: Readonly<Record<string, PromState>>;
  readonly upperBounds?: readonly number[];
  readonly percentiles?: readonly number[];
}

/** One label set of a metric: `value` in counters and gauges, the others in histograms and summaries. */
interface PromState {
  readonly labels: PromLabels;
  readonly value?: number;
  readonly exemplar?: PromExemplar;
  readonly sum?: number;
  readonly count?: number;
  readonly bucketValues?: Readonly<Record<string, number>>;
  readonly bucketExemplars?: Readonly<Record<string, PromExemplar | null>>;
  readonly td?: { percentile(p: number): number | undefined };
}

/** How points of one registry are made. */
export interface Conversion {
  readonly clock: MetricClock;
  /** Labels that the registry adds where a metric has none of that name. */
  readonly defaultLabels: PromLabels;
  /** Milliseconds since the Unix epoch: exemplars from before have been reported. */
  readonly exemplarsSince: number;
  /** The name to report: prom-client strips `_total` off counters when it is scraped for OpenMetrics. */
  readonly name: string;
}

/**
 * What `metric.get()` would resolve to, where its state can be read at once; undefined where it cannot. Its `collect`
 * function is not called: for the exit of the process.
 */
export function readNow(metric: PromMetric): PromData | undefined {
  const { name, help, type, hashMap } = metric;
  if (type === undefined || typeof hashMap !== 'object' || hashMap === null) return undefined;
  const values = Object.values(hashMap).flatMap(state => readState(metric, state));
  return { name, help, type, values };
}

function readState(metric: PromMetric, state: PromState): PromValue[] {
  const { labels, value, exemplar, sum = 0, count = 0 } = state;
  if (value !== undefined) return [{ labels, value, exemplar: exemplar ?? null }];
  const tail = [
    { metricName: `${metric.name}_sum`, labels, value: sum },
    { metricName: `${metric.name}_count`, labels, value: count },
  ];
  if (state.td !== undefined) {
    const quantiles = (metric.percentiles ?? []).map(quantile => ({
      labels: { ...labels, quantile },
      value: state.td?.percentile(quantile) ?? 0,
    }));
    return [...quantiles, ...tail];
  }
  return [...readBuckets(metric, state), ...tail];
}

/** Buckets with accumulated counts, the last one without a bound. */
function readBuckets(
  metric: PromMetric,
  { labels, bucketValues, bucketExemplars, count = 0 }: PromState,
): PromValue[] {
  let total = 0;
  const bounded = (metric.upperBounds ?? []).map(le => {
    total += bucketValues?.[le] ?? 0;
    return { labels: { ...labels, le }, value: total, exemplar: bucketExemplars?.[le] ?? null };
  });
  return [
    ...bounded,
    { labels: { ...labels, le: '+Inf' }, value: count, exemplar: bucketExemplars?.['-1'] ?? null },
  ];
}

/** The metric record of one metric; undefined for a type that does not exist in prom-client. */
export function toRecord(data: PromData, conversion: Conversion): MetricRecord | undefined {
  const { name, clock } = conversion;
  const head = { name, description: String(data.help ?? ''), unit: '' };
  const times = { startTime: clock.fromUnixMillis(performance.timeOrigin), time: clock.now() };
  const cumulative = 2;
  switch (data.type) {
    case 'counter': {
      const points = data.values.map(value => ({ ...times, ...numberPoint(value, conversion) }));
      return {
        ...head,
        ...list(points),
        type: 'sum',
        integer: false,
        monotonic: true,
        temporality: cumulative,
      };
    }
    case 'gauge': {
      const points = data.values.map(value => ({
        ...numberPoint(value, conversion),
        startTime: undefined,
        time: times.time,
      }));
      return { ...head, ...list(points), type: 'gauge', integer: false };
    }
    case 'histogram': {
      const points = seriesOf(data).map(series => ({ ...times, ...histogramPoint(series, conversion) }));
      return { ...head, ...list(points), type: 'histogram', temporality: cumulative };
    }
    case 'summary': {
      const points = seriesOf(data).map(series => ({ ...times, ...summaryPoint(series, conversion) }));
      return { ...head, ...list(points), type: 'summary' };
    }
    default:
      return undefined;
  }
}

type Untimed<P> = Omit<P, 'startTime' | 'time'>;

function list<P>(points: readonly P[]): { size: number; point: (index: number) => P } {
  return { size: points.length, point: index => points[index] as P };
}

function numberPoint({ labels, value, exemplar }: PromValue, conversion: Conversion): Untimed<NumberPoint> {
  const exemplars = exemplarsOf([exemplar], conversion);
  return { attributes: attributesOf(labels, conversion.defaultLabels), value, exemplars };
}

interface PromSeries {
  readonly labels: PromLabels;
  readonly lines: readonly PromValue[];
  readonly sum: number;
  readonly count: number;
}

/** The lines of histograms and summaries by series: each series ends with its `_sum` and its `_count`. */
function seriesOf({ name, values }: PromData): PromSeries[] {
  const found: PromSeries[] = [];
  let lines: PromValue[] = [];
  let sum = 0;
  for (const line of values) {
    if (line.metricName === `${name}_sum`) sum = line.value;
    else if (line.metricName === `${name}_count`) {
      found.push({ labels: line.labels, lines, sum, count: line.value });
      lines = [];
    } else lines.push(line);
  }
  return found;
}

function histogramPoint(series: PromSeries, conversion: Conversion): Untimed<HistogramPoint> {
  const { labels, lines, sum, count } = series;
  const bounds = lines.map(line => Number(line.labels.le)).filter(Number.isFinite);
  const accumulated = [...lines.slice(0, bounds.length).map(line => line.value), count];
  return {
    attributes: attributesOf(labels, conversion.defaultLabels),
    count,
    sum,
    min: undefined,
    max: undefined,
    bounds,
    counts: accumulated.map((total, i) => total - (accumulated[i - 1] ?? 0)),
    exemplars: exemplarsOf(
      lines.map(line => line.exemplar),
      conversion,
    ),
  };
}

function summaryPoint(series: PromSeries, conversion: Conversion): Untimed<SummaryPoint> {
  const { labels, lines, sum, count } = series;
  const quantiles = lines.map(line => ({ quantile: Number(line.labels.quantile), value: line.value }));
  return { attributes: attributesOf(labels, conversion.defaultLabels), count, sum, quantiles };
}

/** Label values are text to every reader of a scrape, whatever they were set to. */
function attributesOf(labels: PromLabels, defaultLabels: PromLabels): AttributeList {
  const set = new Map<string, string>();
  for (const source of [labels, defaultLabels]) {
    for (const [key, value] of Object.entries(source)) {
      if (value !== undefined && !set.has(key)) set.set(key, String(value));
    }
  }
  return { keys: [...set.keys()], values: [...set.values()], count: set.size };
}

function exemplarsOf(
  exemplars: readonly (PromExemplar | null | undefined)[],
  { clock, exemplarsSince }: Conversion,
): ExemplarRecord[] {
  return exemplars
    .filter(exemplar => exemplar !== null && exemplar !== undefined)
    .filter(({ timestamp }) => timestamp !== undefined && timestamp * 1000 >= exemplarsSince)
    .map(({ labelSet, value, timestamp }) => ({
      ...identified(labelSet),
      value,
      time: clock.fromUnixMillis(timestamp! * 1000),
    }));
}

/** IDs are found under the names that OpenMetrics users give them, `trace_id` and `traceId`; the rest are attributes. */
function identified(labelSet: PromLabels): Partial<ExemplarRecord> {
  const rest = new Map(Object.entries(labelSet));
  const take = (pattern: RegExp): string => {
    const name = [...rest.keys()].find(key => pattern.test(key));
    return name === undefined ? '' : String(rest.get(name));
  };
  const ids = take(/^trace_?id$/i) + take(/^span_?id$/i);
  if (!/^[0-9a-f]{48}$/i.test(ids)) return { filteredAttributes: attributesOf(labelSet, {}) };
  for (const key of rest.keys()) if (/^(trace|span)_?id$/i.test(key)) rest.delete(key);
  const word = (at: number): number => Number.parseInt(ids.slice(at * 8, at * 8 + 8), 16) | 0;
  const identity = { t0: word(0), t1: word(1), t2: word(2), t3: word(3), s0: word(4), s1: word(5) };
  return { identity, filteredAttributes: attributesOf(Object.fromEntries(rest), {}) };
}
