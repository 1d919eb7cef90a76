// Metrics as Prometheus sees them: families of series with names and labels of its own, whatever the page is written in.
import {
  AggregationTemporality,
  type ExemplarRecord,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type MetricRecord,
} from '../../transport/otlp/metrics.ts';
import { labelName, type MetricKind, metricName } from '../../transport/otlp/prometheus-name.ts';
import type { AnyValue, AttributeList, ScopeRecord } from '../../transport/otlp/record.ts';
import type { ScopeMetrics } from '../metric-producer.ts';

export type Label = readonly [name: string, value: string];

export interface Exemplar {
  readonly labels: readonly Label[];
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly unixMs: number;
}

export interface NumberValue {
  readonly type: 'number';
  readonly value: number;
  readonly exemplar: Exemplar | undefined;
}

export interface HistogramValue {
  readonly type: 'histogram';
  readonly count: number;
  /** Undefined where measurements may be negative. */
  readonly sum: number | undefined;
  /** Upper bounds, inclusive; the last bucket has none. */
  readonly bounds: readonly number[];
  /** One more than bounds, not accumulated. */
  readonly counts: readonly number[];
  readonly exemplars: readonly Exemplar[];
}

/** Bucket i holds (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale). */
export interface ExponentialValue {
  readonly type: 'exponential';
  readonly count: number;
  readonly sum: number;
  readonly scale: number;
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: readonly number[];
  readonly exemplars: readonly Exemplar[];
}

export interface SummaryValue {
  readonly type: 'summary';
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

export type Value = NumberValue | HistogramValue | ExponentialValue | SummaryValue;

export interface Series {
  readonly labels: readonly Label[];
  readonly value: Value;
  /** Whether values of several processes add up to one: not those of a gauge. */
  readonly isAdditive: boolean;
}

export interface Family {
  /** Of a counter without `_total`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** A word at the end of the name; empty for none. */
  readonly unit: string;
  readonly help: string;
  /** By their labels: a page has each once. */
  readonly series: Map<string, Series>;
}

/** What a page shows. */
export interface Exposed {
  /** The resource, as labels of `target_info`. */
  readonly target: readonly Label[];
  readonly families: readonly Family[];
  /** Metrics that have the name of another and not its type: they are not shown. */
  readonly conflicts: readonly string[];
}

const TOTAL = '_total';

/**
 * Each family once, whatever scopes have a part in it. Of two metrics that become one name and are of different types the
 * first is there, as is the first of two series with the same labels. What is not cumulative cannot be shown.
 * Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility".
 *
 * @param unixMillis of the times of records
 */
export function exposed(
  scopes: Iterable<ScopeMetrics>,
  resource: AttributeList,
  unixMillis: (time: number) => number,
): Exposed {
  const families = new Map<string, Family>();
  const conflicts: string[] = [];
  for (const { scope, metrics } of scopes) {
    const ofScope = scopeLabels(scope);
    for (const metric of metrics) {
      const kind = kindOf(metric);
      if (kind === undefined) continue;
      const name = metricName(metric.name, metric.unit, kind);
      const key = kind === 'counter' ? name.slice(0, -TOTAL.length) : name;
      const family = families.get(key) ?? newFamily(key, kind, metric);
      families.set(key, family);
      if (family.kind === kind) addSeries(family, metric, ofScope, unixMillis);
      else conflicts.push(metric.name);
    }
  }
  return { target: labelsOf(resource), families: [...families.values()], conflicts };
}

/** Undefined for what is not cumulative. */
function kindOf(metric: MetricRecord): MetricKind | undefined {
  if (metric.type === 'gauge' || metric.type === 'summary') return metric.type;
  if (metric.temporality !== AggregationTemporality.cumulative) return undefined;
  if (metric.type !== 'sum') return 'histogram';
  return metric.monotonic ? 'counter' : 'gauge';
}

function newFamily(name: string, kind: MetricKind, { unit, description: help }: MetricRecord): Family {
  const word = name.slice(name.lastIndexOf('_') + 1);
  const isNamed = unit !== '' && metricName('x', unit, 'histogram') === `x_${word}`;
  return { name, kind, unit: isNamed ? word : '', help, series: new Map() };
}

function addSeries(
  { kind, series }: Family,
  metric: MetricRecord,
  ofScope: readonly Label[],
  unixMillis: (time: number) => number,
): void {
  for (let i = 0; i < metric.size; i++) {
    const { attributes } = metric.point(i);
    const labels = [...labelsOf(attributes, reserved[kind]), ...ofScope];
    const key = keyOf(labels);
    if (series.has(key)) continue;
    const isAdditive = metric.type !== 'gauge' && metric.type !== 'summary';
    series.set(key, { labels, value: shownValue(metric, i, unixMillis), isAdditive });
  }
}

/** The same for the same labels, in whatever order. */
export const keyOf = (labels: readonly Label[]): string =>
  JSON.stringify(labels.toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** The label that the format itself gives to the lines of a series. */
const reserved: Partial<Record<MetricKind, string>> = { histogram: 'le', summary: 'quantile' };

function shownValue(metric: MetricRecord, index: number, unixMillis: (time: number) => number): Value {
  const shown = (exemplars: readonly ExemplarRecord[]): Exemplar[] =>
    exemplars.flatMap(exemplar => shownExemplar(exemplar, unixMillis) ?? []);
  switch (metric.type) {
    case 'gauge':
    case 'sum': {
      const { value, exemplars } = metric.point(index);
      const counts = metric.type === 'sum' && metric.monotonic;
      return { type: 'number', value, exemplar: counts ? shown(exemplars).at(-1) : undefined };
    }
    case 'histogram':
      return histogramValue(metric.point(index), shown);
    case 'exponentialHistogram':
      return exponentialValue(metric.point(index), shown);
    case 'summary': {
      const { count, sum, quantiles } = metric.point(index);
      return { type: 'summary', count, sum, quantiles };
    }
  }
}

type Shown = (exemplars: readonly ExemplarRecord[]) => Exemplar[];

function histogramValue({ count, sum, bounds, counts, exemplars }: HistogramPoint, shown: Shown): Value {
  return {
    type: 'histogram',
    ...{ count, sum, bounds: Array.from(bounds), counts: Array.from(counts), exemplars: shown(exemplars) },
  };
}

function exponentialValue(point: ExponentialHistogramPoint, shown: Shown): Value {
  const { count, sum, scale, zeroCount, offset, counts, exemplars } = point;
  return {
    type: 'exponential',
    ...{ count, sum, scale, zeroCount, offset, counts: Array.from(counts), exemplars: shown(exemplars) },
  };
}

/** Only of a measurement that was made under a span: an exemplar is to lead somewhere. */
function shownExemplar(
  { identity, value, time }: ExemplarRecord,
  unixMillis: (time: number) => number,
): Exemplar | undefined {
  if (identity === undefined) return undefined;
  const { t0, t1, t2, t3, s0, s1 } = identity;
  const labels: Label[] = [
    ['trace_id', hex(t0, t1, t2, t3)],
    ['span_id', hex(s0, s1)],
  ];
  return { labels, value, unixMs: unixMillis(time) };
}

const hex = (...words: readonly number[]): string =>
  words.map(word => (word >>> 0).toString(16).padStart(8, '0')).join('');

function scopeLabels({ name, version, schemaUrl, attributes }: ScopeRecord): Label[] {
  const described: Label[] = [
    ['otel_scope_name', name],
    ['otel_scope_version', version ?? ''],
    ['otel_scope_schema_url', schemaUrl ?? ''],
  ];
  const others = attributes === undefined ? [] : labelsOf(attributes);
  const labels = [...described, ...others.map(([key, value]): Label => [`otel_scope_${key}`, value])];
  return labels.filter(([, value]) => value !== '');
}

/** Keys that become the same name are joined with `;`, in order of the keys; what is empty is as if it were not there. */
function labelsOf({ keys, values, count }: AttributeList, taken?: string): Label[] {
  const labels = new Map<string, string>();
  const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  for (const i of order) {
    const text = valueText(values[i]);
    if (text === '') continue;
    const name = labelName(keys[i]!);
    const free = name === taken || name.startsWith('otel_scope_') ? `key_${name}` : name;
    const before = labels.get(free);
    labels.set(free, before === undefined ? text : `${before};${text}`);
  }
  return [...labels];
}

function valueText(value: AnyValue): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return typeof value === 'object' ? JSON.stringify(value, (_, part) => jsonPart(part)) : String(value);
}

const jsonPart = (part: unknown): unknown => (typeof part === 'bigint' ? Number(part) : part);
