// Functions over instant vectors: histogram_quantile, label_replace, mathematics, time.
import { RE2JS } from 're2js';
import type { Labels } from '../../store/store.ts';
import { QueryError } from './ast.ts';
import {
  emptySeries,
  mapSeries,
  type StepSeries,
  type Steps,
  signature,
  timeAt,
  type Value,
  withoutLabels,
  withoutName,
} from './vector.ts';

/** A function over evaluated arguments. @throws QueryError for arguments of the wrong kind */
export type VectorFunction = (args: readonly Value[], steps: Steps) => Value;

function vectorArgument(name: string, args: readonly Value[], index: number): readonly StepSeries[] {
  const value = args[index];
  if (value?.kind !== 'vector')
    throw new QueryError(`argument ${index + 1} of ${name} must be an instant vector`);
  return value.series;
}

export function scalarArgument(name: string, args: readonly Value[], index: number): Float64Array {
  const value = args[index];
  if (value?.kind !== 'scalar') throw new QueryError(`argument ${index + 1} of ${name} must be a scalar`);
  return value.values;
}

function stringArgument(name: string, args: readonly Value[], index: number): string {
  const value = args[index];
  if (value?.kind !== 'string') throw new QueryError(`argument ${index + 1} of ${name} must be a string`);
  return value.text;
}

const vector = (series: readonly StepSeries[]): Value => ({ kind: 'vector', series });

function pointwise(name: string, map: (value: number) => number): [string, VectorFunction] {
  return [
    name,
    args => vector(vectorArgument(name, args, 0).map(one => mapSeries(one, map, withoutName(one.labels)))),
  ];
}

/** A function of the sample and scalar arguments behind it, with defaults for those left out. */
function withScalars(
  name: string,
  defaults: readonly number[],
  map: (value: number, scalars: number[]) => number,
): [string, VectorFunction] {
  const evaluate: VectorFunction = (args, steps) => {
    const scalars = defaults.map((fallback, index) =>
      args[index + 1] === undefined
        ? new Float64Array(steps.count).fill(fallback)
        : scalarArgument(name, args, index + 1),
    );
    const apply = (value: number, i: number): number =>
      map(
        value,
        scalars.map(values => values[i]!),
      );
    return vector(vectorArgument(name, args, 0).map(one => mapSeries(one, apply, withoutName(one.labels))));
  };
  return [name, evaluate];
}

/** A part of the date, in UTC, of the samples' values in seconds, or of the query's time without an argument. */
function datePart(name: string, part: (date: Date) => number): [string, VectorFunction] {
  const evaluate: VectorFunction = (args, steps) => {
    const series = args.length === 0 ? [timeSeries(steps)] : vectorArgument(name, args, 0);
    return vector(
      series.map(one => mapSeries(one, value => part(new Date(value * 1000)), withoutName(one.labels))),
    );
  };
  return [name, evaluate];
}

function timeSeries(steps: Steps): StepSeries {
  const values = Float64Array.from({ length: steps.count }, (_, i) => timeAt(steps, i) / 1000);
  return { labels: new Map(), values, present: new Uint8Array(steps.count).fill(1) };
}

interface Bucket {
  readonly bound: number;
  readonly series: StepSeries;
}

/** The φ-quantile from cumulative buckets, linear within the bucket it falls into. */
function bucketQuantile(phi: number, buckets: readonly Bucket[], step: number): number | undefined {
  const present = buckets.filter(({ series }) => series.present[step] === 1);
  if (present.length < 2 || present.at(-1)!.bound !== Number.POSITIVE_INFINITY)
    return present.length === 0 ? undefined : Number.NaN;
  if (Number.isNaN(phi)) return Number.NaN;
  if (phi < 0) return Number.NEGATIVE_INFINITY;
  if (phi > 1) return Number.POSITIVE_INFINITY;
  let highest = 0;
  const counts = present.map(({ series }) => {
    highest = Math.max(highest, series.values[step]!); // scrapes are not atomic: force the counts to be monotonic
    return highest;
  });
  if (highest === 0) return Number.NaN;
  const rank = phi * highest;
  const index = Math.min(
    counts.findIndex(count => count >= rank),
    present.length - 1,
  );
  if (index === present.length - 1) return present[index - 1]!.bound;
  const upper = present[index]!.bound;
  if (index === 0 && upper <= 0) return upper;
  const lower = index === 0 ? 0 : present[index - 1]!.bound;
  const below = index === 0 ? 0 : counts[index - 1]!;
  return lower + (upper - lower) * ((rank - below) / (counts[index]! - below));
}

const histogramQuantile: VectorFunction = (args, { count }) => {
  const phi = scalarArgument('histogram_quantile', args, 0);
  const results: StepSeries[] = [];
  const bucketsOnly = vectorArgument('histogram_quantile', args, 1).filter(({ labels }) => labels.has('le'));
  const groups = Map.groupBy(bucketsOnly, ({ labels }) =>
    signature(withoutLabels(labels, ['__name__', 'le'])),
  );
  for (const group of groups.values()) {
    const buckets = group
      .map(series => ({ bound: boundOf(series.labels.get('le')!), series }))
      .filter(({ bound }) => !Number.isNaN(bound))
      .sort((a, b) => a.bound - b.bound);
    const result = emptySeries(withoutLabels(group[0]!.labels, ['__name__', 'le']), count);
    for (let i = 0; i < count; i++) {
      const value = bucketQuantile(phi[i]!, buckets, i);
      if (value === undefined) continue;
      result.values[i] = value;
      result.present[i] = 1;
    }
    results.push(result);
  }
  return vector(results);
};

const boundOf = (le: string): number => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le));

const labelReplace: VectorFunction = args => {
  const [target, replacement, source, pattern] = [1, 2, 3, 4].map(index =>
    stringArgument('label_replace', args, index),
  );
  const expression = compile(`^(?s:${pattern})$`, pattern!);
  const relabel = (labels: Labels): Labels => {
    const matcher = expression.matcher(labels.get(source!) ?? '');
    if (!matcher.find()) return labels;
    const value = replacement!.replace(/\$(?:(\d+)|\{(\w+)\}|(\w+)|\$)/g, (whole, number, braced, name) => {
      if (whole === '$$') return '$';
      const group = number ?? braced ?? name;
      return (/^\d+$/.test(group) ? matcher.group(Number(group)) : matcher.group(group)) ?? '';
    });
    return setLabel(labels, target!, value);
  };
  return vector(
    vectorArgument('label_replace', args, 0).map(one => ({ ...one, labels: relabel(one.labels) })),
  );
};

function compile(anchored: string, pattern: string): RE2JS {
  try {
    return RE2JS.compile(anchored);
  } catch (error) {
    throw new QueryError(`invalid regular expression "${pattern}": ${(error as Error).message}`);
  }
}

function setLabel(labels: Labels, name: string, value: string): Labels {
  const changed = new Map(labels);
  if (value === '') changed.delete(name);
  else changed.set(name, value);
  return changed;
}

const labelJoin: VectorFunction = args => {
  const target = stringArgument('label_join', args, 1);
  const separator = stringArgument('label_join', args, 2);
  const sources = args.slice(3).map((_, index) => stringArgument('label_join', args, index + 3));
  const joined = (labels: Labels): Labels =>
    setLabel(labels, target, sources.map(source => labels.get(source) ?? '').join(separator));
  return vector(vectorArgument('label_join', args, 0).map(one => ({ ...one, labels: joined(one.labels) })));
};

/** One series of 1 where the vector has nothing. */
const absent: VectorFunction = (args, { count }) => {
  const series = vectorArgument('absent', args, 0);
  const result = emptySeries(new Map(), count);
  for (let i = 0; i < count; i++) {
    if (series.some(one => one.present[i] === 1)) continue;
    result.values[i] = 1;
    result.present[i] = 1;
  }
  return vector(result.present.includes(1) ? [result] : []);
};

const toScalar: VectorFunction = (args, { count }) => {
  const series = vectorArgument('scalar', args, 0);
  const values = Float64Array.from({ length: count }, (_, i) => {
    const present = series.filter(one => one.present[i] === 1);
    return present.length === 1 ? present[0]!.values[i]! : Number.NaN;
  });
  return { kind: 'scalar', values };
};

const toVector: VectorFunction = (args, { count }) =>
  vector([
    { labels: new Map(), values: scalarArgument('vector', args, 0), present: new Uint8Array(count).fill(1) },
  ]);

/** Orders by the value at the last step: only instant queries show an order. */
function sorted(name: string, sign: 1 | -1): [string, VectorFunction] {
  const last = (series: StepSeries): number => series.values.at(-1) ?? Number.NaN;
  return [
    name,
    args => vector(vectorArgument(name, args, 0).toSorted((a, b) => sign * (last(a) - last(b)) || 0)),
  ];
}

const round = (value: number, [to]: number[]): number => Math.floor(value * (1 / to!) + 0.5) / (1 / to!);
const clamp = (value: number, [low, high]: number[]): number =>
  low! > high! ? Number.NaN : Math.max(low!, Math.min(high!, value));

export const vectorFunctions: ReadonlyMap<string, VectorFunction> = new Map<string, VectorFunction>([
  ['histogram_quantile', histogramQuantile],
  ['label_replace', labelReplace],
  ['label_join', labelJoin],
  ['absent', absent],
  ['scalar', toScalar],
  ['vector', toVector],
  ['time', (_, steps) => ({ kind: 'scalar', values: timeSeries(steps).values })],
  ['pi', (_, { count }) => ({ kind: 'scalar', values: new Float64Array(count).fill(Math.PI) })],
  sorted('sort', 1),
  sorted('sort_desc', -1),
  pointwise('abs', Math.abs),
  pointwise('ceil', Math.ceil),
  pointwise('floor', Math.floor),
  pointwise('exp', Math.exp),
  pointwise('ln', Math.log),
  pointwise('log2', Math.log2),
  pointwise('log10', Math.log10),
  pointwise('sqrt', Math.sqrt),
  pointwise('sgn', Math.sign),
  withScalars('round', [1], round),
  withScalars('clamp', [Number.NaN, Number.NaN], clamp),
  withScalars('clamp_min', [Number.NaN], (value, [low]) => Math.max(low!, value)),
  withScalars('clamp_max', [Number.NaN], (value, [high]) => Math.min(high!, value)),
  datePart('minute', date => date.getUTCMinutes()),
  datePart('hour', date => date.getUTCHours()),
  datePart('day_of_week', date => date.getUTCDay()),
  datePart('day_of_month', date => date.getUTCDate()),
  datePart('month', date => date.getUTCMonth() + 1),
  datePart('year', date => date.getUTCFullYear()),
]);
