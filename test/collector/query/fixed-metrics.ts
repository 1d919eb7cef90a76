// A metric store of given samples, in the notation of Prometheus's own test files: `0+10x5` is 0 10 20 30 40 50.
import type { Labels, Matcher, MetricStore, Series, TimeRange } from '../../../collector/store/store.ts';

/** Series by `name{label="value",…}` with samples every `intervalMs` from time 0; `_` is no sample. */
export function fixedMetrics(intervalMs: number, given: Readonly<Record<string, string>>): MetricStore {
  const all = Object.entries(given).map(([selector, notation]) =>
    fixedSeries(selector, notation, intervalMs),
  );
  const matching = (matchers: readonly Matcher[]): Series[] =>
    all.filter(({ labels }) => matchers.every(one => matches(one, labels)));
  return {
    select: async (matchers, range) =>
      matching(matchers)
        .map(series => within(series, range))
        .filter(({ times }) => times.length > 0),
    series: async lists => lists.flatMap(matching).map(({ labels }) => labels),
    labelNames: async () => [...new Set(all.flatMap(({ labels }) => [...labels.keys()]))].sort(),
    labelValues: async name => [...new Set(all.flatMap(({ labels }) => labels.get(name) ?? []))].sort(),
    exemplars: async matchers =>
      matching(matchers).map(({ labels }) => ({
        labels: new Map([['trace_id', 'abc']]),
        seriesLabels: labels,
        time: 1500,
        value: 0.25,
      })),
    metadata: async () => [{ name: 'http_requests_total', type: 'counter', help: 'Requests', unit: '' }],
  };
}

function fixedSeries(selector: string, notation: string, intervalMs: number): Series {
  const [, name, rest = ''] = /^([^{]*)(?:\{(.*)\})?$/.exec(selector)!;
  const labels = new Map(name === '' ? [] : [['__name__', name!]]);
  for (const [, label, value] of rest.matchAll(/(\w+)="([^"]*)"/g)) labels.set(label!, value!);
  const values = notation.split(/\s+/).flatMap(expand);
  const present = values
    .map((value, index) => [index * intervalMs, value] as const)
    .filter(([, value]) => value !== undefined);
  return {
    labels,
    times: Float64Array.from(present, ([time]) => time),
    values: Float64Array.from(present, ([, value]) => value!),
  };
}

function expand(part: string): (number | undefined)[] {
  if (part === '_') return [undefined];
  const run = /^(-?[\d.]+)([+-][\d.]+)x(\d+)$/.exec(part);
  if (run === null) return [part === 'Inf' ? Number.POSITIVE_INFINITY : Number(part)];
  return Array.from({ length: Number(run[3]) + 1 }, (_, i) => Number(run[1]) + i * Number(run[2]));
}

function matches({ name, op, value }: Matcher, labels: Labels): boolean {
  const actual = labels.get(name) ?? '';
  if (op === '=') return actual === value;
  if (op === '!=') return actual !== value;
  return new RegExp(`^(?:${value})$`).test(actual) === (op === '=~');
}

function within({ labels, times, values }: Series, { start, end }: TimeRange): Series {
  const inside = (_: number, index: number): boolean => times[index]! >= start && times[index]! <= end;
  return { labels, times: times.filter(inside), values: values.filter(inside) };
}
