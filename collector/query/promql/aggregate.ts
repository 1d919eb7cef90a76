// Aggregations across series, step by step.
import type { Labels } from '../../store/store.ts';
import { type Aggregation, type Grouping, QueryError } from './ast.ts';
import { isAnywhere } from './binary.ts';
import { checkValues } from './limits.ts';
import { emptySeries, onlyLabels, type StepSeries, signature, type Value, withoutLabels } from './vector.ts';
import { quantile } from './window.ts';

/** Combines the values that a group has at one step (at least one). */
type Combine = (values: Float64Array, parameter: number) => number;

const sum: Combine = values => values.reduce((total, value) => total + value, 0);
const mean: Combine = values => sum(values, 0) / values.length;

const variance: Combine = values => {
  const average = mean(values, 0);
  return values.reduce((total, value) => total + (value - average) ** 2, 0) / values.length;
};

const combines: ReadonlyMap<string, Combine> = new Map<string, Combine>([
  ['sum', sum],
  ['avg', mean],
  ['min', values => values.reduce((best, value) => (value < best || Number.isNaN(best) ? value : best))],
  ['max', values => values.reduce((best, value) => (value > best || Number.isNaN(best) ? value : best))],
  ['count', values => values.length],
  ['group', () => 1],
  ['stdvar', variance],
  ['stddev', values => Math.sqrt(variance(values, 0))],
  ['quantile', (values, phi) => quantile(phi, values)],
]);

const parametrised = ['quantile', 'topk', 'bottomk', 'count_values'];

export function groupLabels(grouping: Grouping, labels: Labels): Labels {
  return grouping.without
    ? withoutLabels(labels, ['__name__', ...grouping.labels])
    : onlyLabels(labels, grouping.labels);
}

function groups(grouping: Grouping, series: readonly StepSeries[]): StepSeries[][] {
  return [...Map.groupBy(series, one => signature(groupLabels(grouping, one.labels))).values()];
}

/** Evaluates an aggregation. @throws QueryError for an operator that is not supported and for a wrong parameter */
export function applyAggregation(
  aggregation: Aggregation,
  series: readonly StepSeries[],
  parameter: Value | undefined,
  count: number,
): Value {
  const { op, grouping } = aggregation;
  if (parametrised.includes(op) !== (parameter !== undefined)) {
    throw new QueryError(`wrong number of arguments for aggregation ${op}`);
  }
  if (op === 'count_values')
    return { kind: 'vector', series: countValues(grouping, series, parameter, count) };
  const scalar = scalarParameter(op, parameter, count);
  const parts = groups(grouping, series);
  if (op === 'topk' || op === 'bottomk')
    return { kind: 'vector', series: parts.flatMap(part => ranked(part, scalar, op === 'topk')) };
  const combine = combines.get(op);
  if (combine === undefined) throw new QueryError(`aggregation ${op} is not supported`);
  return {
    kind: 'vector',
    series: parts.map(part => combined(part, groupLabels(grouping, part[0]!.labels), combine, scalar)),
  };
}

function scalarParameter(op: string, parameter: Value | undefined, count: number): Float64Array {
  if (parameter === undefined) return new Float64Array(count);
  if (parameter.kind !== 'scalar')
    throw new QueryError(`the parameter of ${op} must be a scalar, not a ${parameter.kind}`);
  return parameter.values;
}

function combined(
  part: readonly StepSeries[],
  labels: Labels,
  combine: Combine,
  parameter: Float64Array,
): StepSeries {
  const result = emptySeries(labels, parameter.length);
  const scratch = new Float64Array(part.length);
  for (let i = 0; i < parameter.length; i++) {
    let filled = 0;
    for (const one of part) if (one.present[i] === 1) scratch[filled++] = one.values[i]!;
    if (filled === 0) continue;
    result.values[i] = combine(scratch.subarray(0, filled), parameter[i]!);
    result.present[i] = 1;
  }
  return result;
}

/** The k highest or lowest of a group at each step, under their own labels. */
function ranked(part: readonly StepSeries[], parameter: Float64Array, highest: boolean): StepSeries[] {
  const results = part.map(one => ({ ...one, present: new Uint8Array(one.present.length) }));
  const rank = (value: number): number =>
    Number.isNaN(value) ? Number.POSITIVE_INFINITY : highest ? -value : value;
  for (let i = 0; i < parameter.length; i++) {
    const candidates = results.filter((_, index) => part[index]!.present[i] === 1);
    candidates.sort((a, b) => rank(a.values[i]!) - rank(b.values[i]!) || 0);
    for (const chosen of candidates.slice(0, Math.max(0, Math.trunc(parameter[i]!)))) chosen.present[i] = 1;
  }
  return results.filter(isAnywhere);
}

function countValues(
  grouping: Grouping,
  series: readonly StepSeries[],
  parameter: Value | undefined,
  count: number,
): StepSeries[] {
  if (parameter?.kind !== 'string')
    throw new QueryError('the parameter of count_values must be a string: the label to write to');
  const results = new Map<string, StepSeries>();
  for (const one of series) {
    const base = groupLabels(grouping, one.labels);
    for (let i = 0; i < count; i++) {
      if (one.present[i] === 0) continue;
      const labels = new Map(base).set(parameter.text, String(one.values[i]));
      const key = signature(labels);
      const result = results.get(key) ?? emptySeries(labels, count);
      results.set(key, result);
      checkValues(results.size, count);
      result.values[i]! += 1;
      result.present[i] = 1;
    }
  }
  return [...results.values()];
}
