// The page as text: OpenMetrics 1.0.0 with exemplars, or Prometheus' older format, version 0.0.4.
import { powerBuckets } from './buckets.ts';
import type { Exemplar, Exposed, Family, HistogramValue, Label, SummaryValue } from './families.ts';

/** `openMetrics`: `application/openmetrics-text`; `plain`: `text/plain`. */
export type TextFormat = 'openMetrics' | 'plain';

const MS_PER_SECOND = 1000;

export function textPage({ target, families }: Exposed, format: TextFormat): string {
  const isOpen = format === 'openMetrics';
  const info = isOpen ? '# TYPE target info\n# HELP target' : '# TYPE target_info gauge\n# HELP target_info';
  const head = `${info} Target metadata\ntarget_info${braces(target)} 1\n`;
  return `${head}${families.map(family => familyText(family, isOpen)).join('')}${isOpen ? '# EOF\n' : ''}`;
}

function familyText({ name, kind, unit, help, series }: Family, isOpen: boolean): string {
  const sample = kind === 'counter' ? `${name}_total` : name;
  const titled = isOpen ? name : sample;
  const lines = [`# TYPE ${titled} ${kind}`];
  if (isOpen && unit !== '') lines.push(`# UNIT ${titled} ${unit}`);
  if (help !== '') lines.push(`# HELP ${titled} ${isOpen ? quotable(help) : escaped(help)}`);
  for (const { labels, value } of series.values()) {
    if (value.type === 'number')
      lines.push(`${sample}${braces(labels)} ${numberText(value.value)}${mark(value.exemplar, isOpen)}`);
    else if (value.type === 'summary') addSummary(lines, sample, labels, value);
    else if (value.type === 'histogram') addHistogram(lines, sample, labels, value, isOpen);
    else addHistogram(lines, sample, labels, { ...value, ...powerBuckets(value) }, isOpen);
  }
  return `${lines.join('\n')}\n`;
}

function addSummary(lines: string[], name: string, labels: readonly Label[], value: SummaryValue): void {
  for (const { quantile, value: at } of value.quantiles)
    lines.push(`${name}${braces(labels, ['quantile', numberText(quantile)])} ${numberText(at)}`);
  lines.push(`${name}_sum${braces(labels)} ${numberText(value.sum)}`);
  lines.push(`${name}_count${braces(labels)} ${value.count}`);
}

function addHistogram(
  lines: string[],
  name: string,
  labels: readonly Label[],
  { count, sum, bounds, counts, exemplars }: Omit<HistogramValue, 'type'>,
  isOpen: boolean,
): void {
  let below = Number.NEGATIVE_INFINITY;
  let accumulated = 0;
  for (const [i, inBucket] of counts.entries()) {
    const bound = bounds[i] ?? Number.POSITIVE_INFINITY;
    const exemplar = exemplars.find(({ value }) => value > below && value <= bound);
    accumulated += inBucket;
    const line = `${name}_bucket${braces(labels, ['le', numberText(bound)])} ${accumulated}`;
    lines.push(`${line}${mark(exemplar, isOpen)}`);
    below = bound;
  }
  if (sum !== undefined) lines.push(`${name}_sum${braces(labels)} ${numberText(sum)}`);
  lines.push(`${name}_count${braces(labels)} ${count}`);
}

function mark(exemplar: Exemplar | undefined, isOpen: boolean): string {
  if (!isOpen || exemplar === undefined) return '';
  const seconds = (exemplar.unixMs / MS_PER_SECOND).toFixed(3);
  return ` # {${exemplar.labels.map(labelText).join(',')}} ${numberText(exemplar.value)} ${seconds}`;
}

const labelText = ([name, value]: Label): string => `${name}="${quotable(value)}"`;

function braces(labels: readonly Label[], more?: Label): string {
  const all = more === undefined ? labels : [...labels, more];
  return all.length === 0 ? '' : `{${all.map(labelText).join(',')}}`;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const quotable = (text: string): string => escaped(text).replaceAll('"', '\\"');

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
