// The pages of several processes as one: what can be added up is, the rest says which process it is of.
import { coarser } from './buckets.ts';
import {
  type ExponentialValue,
  type Exposed,
  type Family,
  type HistogramValue,
  keyOf,
  type Label,
  type NumberValue,
  type Series,
  type Value,
} from './families.ts';

/** A page, and the label that tells its process from others; undefined for the process that answers for all. */
export interface PageOf {
  readonly page: Exposed;
  readonly process: Label | undefined;
}

/**
 * The first page with what the others add. Of what cannot be brought together, as it is of another type or has other
 * buckets, the first is there.
 */
export function merged(first: Exposed, others: readonly PageOf[]): Exposed {
  const families = new Map<string, Family>();
  const conflicts = new Set<string>();
  for (const { page, process } of [{ page: first, process: undefined }, ...others]) {
    for (const name of page.conflicts) conflicts.add(name);
    for (const family of page.families) {
      const known = families.get(family.name) ?? { ...family, series: new Map() };
      families.set(family.name, known);
      if (known.kind === family.kind) mergeSeries(known.series, family.series.values(), process);
      else conflicts.add(family.name);
    }
  }
  return { target: first.target, families: [...families.values()], conflicts: [...conflicts] };
}

function mergeSeries(into: Map<string, Series>, series: Iterable<Series>, process: Label | undefined): void {
  for (const each of series) {
    const isOwn = process !== undefined && !each.isAdditive;
    const labels = isOwn ? [...each.labels, process] : each.labels;
    const key = keyOf(labels);
    const known = into.get(key);
    if (known === undefined) into.set(key, { ...each, labels });
    else if (each.isAdditive) into.set(key, { ...known, value: added(known.value, each.value) });
  }
}

/** What of a page stays when its process has ended: what only grows. */
export function lasting(page: Exposed): Exposed {
  const families = page.families.filter(({ kind }) => kind === 'counter' || kind === 'histogram');
  return { ...page, families };
}

function added(a: Value, b: Value): Value {
  if (a.type === 'number' && b.type === 'number') return addedNumbers(a, b);
  if (a.type === 'histogram' && b.type === 'histogram') return addedHistograms(a, b);
  if (a.type === 'exponential' && b.type === 'exponential') return addedExponentials(a, b);
  return a;
}

function addedNumbers(a: NumberValue, b: NumberValue): NumberValue {
  const [older, newer] = [a.exemplar, b.exemplar].toSorted((x, y) => (x?.unixMs ?? 0) - (y?.unixMs ?? 0));
  return { type: 'number', value: a.value + b.value, exemplar: newer ?? older };
}

function addedHistograms(a: HistogramValue, b: HistogramValue): HistogramValue {
  if (String(a.bounds) !== String(b.bounds)) return a;
  return {
    type: 'histogram',
    count: a.count + b.count,
    sum: a.sum === undefined || b.sum === undefined ? undefined : a.sum + b.sum,
    bounds: a.bounds,
    counts: a.counts.map((count, i) => count + b.counts[i]!),
    exemplars: [...a.exemplars, ...b.exemplars],
  };
}

function addedExponentials(a: ExponentialValue, b: ExponentialValue): ExponentialValue {
  const scale = Math.min(a.scale, b.scale);
  const parts = [coarser(a, scale), coarser(b, scale)].filter(({ counts }) => counts.length > 0);
  const offset = Math.min(...parts.map(part => part.offset));
  const end = Math.max(...parts.map(part => part.offset + part.counts.length));
  const counts = new Array<number>(Math.max(0, end - offset)).fill(0);
  for (const part of parts)
    for (const [i, count] of part.counts.entries()) counts[part.offset - offset + i]! += count;
  return {
    type: 'exponential',
    count: a.count + b.count,
    sum: a.sum + b.sum,
    scale,
    zeroCount: a.zeroCount + b.zeroCount,
    offset: parts.length === 0 ? 0 : offset,
    counts,
    exemplars: [...a.exemplars, ...b.exemplars],
  };
}
