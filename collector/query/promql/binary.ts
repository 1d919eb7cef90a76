// Operators between scalars and vectors: arithmetic, comparison, set operations, and the matching of series.
import type { Labels } from '../../store/store.ts';
import { type Binary, QueryError, type VectorMatching } from './ast.ts';
import {
  emptySeries,
  onlyLabels,
  type StepSeries,
  signature,
  type Value,
  withoutLabels,
  withoutName,
} from './vector.ts';

type Operator = (a: number, b: number) => number;

const arithmetic: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
  ['^', (a, b) => a ** b],
  ['atan2', Math.atan2],
]);

const comparisons: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ['==', (a: number, b: number) => a === b],
  ['!=', (a: number, b: number) => a !== b],
  ['>', (a: number, b: number) => a > b],
  ['<', (a: number, b: number) => a < b],
  ['>=', (a: number, b: number) => a >= b],
  ['<=', (a: number, b: number) => a <= b],
]);

/** What one pair of values gives: a value, or undefined where a comparison filters it out. `a` is what a filter keeps. */
function pairOperator({ op, bool }: Binary): (a: number, b: number) => number | undefined {
  const compute = arithmetic.get(op);
  if (compute !== undefined) return compute;
  const compare = comparisons.get(op)!;
  if (bool) return (a, b) => (compare(a, b) ? 1 : 0);
  return (a, b) => (compare(a, b) ? a : undefined);
}

/** Evaluates an operator over two values. @throws QueryError for vectors that do not match one to one where they must */
export function applyBinary(binary: Binary, left: Value, right: Value, count: number): Value {
  if (left.kind === 'string' || right.kind === 'string')
    throw new QueryError(`operator ${binary.op} does not take strings`);
  if (left.kind === 'scalar' && right.kind === 'scalar') return scalars(binary, left.values, right.values);
  if (left.kind === 'vector' && right.kind === 'vector')
    return vectors(binary, left.series, right.series, count);
  if (left.kind === 'vector')
    return withScalar(binary, left.series, (right as { values: Float64Array }).values, false);
  return withScalar(
    binary,
    (right as { series: readonly StepSeries[] }).series,
    (left as { values: Float64Array }).values,
    true,
  );
}

function scalars(binary: Binary, left: Float64Array, right: Float64Array): Value {
  if (comparisons.has(binary.op) && !binary.bool)
    throw new QueryError('comparisons between scalars must use BOOL modifier');
  const operate = pairOperator(binary);
  return { kind: 'scalar', values: left.map((value, index) => operate(value, right[index]!)!) };
}

const keepsName = (binary: Binary): boolean => comparisons.has(binary.op) && !binary.bool;

function withScalar(
  binary: Binary,
  series: readonly StepSeries[],
  scalar: Float64Array,
  scalarIsLeft: boolean,
): Value {
  const operate = pairOperator(binary);
  const filters = keepsName(binary);
  const results = series.map(one => {
    const result = emptySeries(filters ? one.labels : withoutName(one.labels), one.values.length);
    for (let i = 0; i < scalar.length; i++) {
      if (one.present[i] === 0) continue;
      const value = scalarIsLeft ? operate(scalar[i]!, one.values[i]!) : operate(one.values[i]!, scalar[i]!);
      if (value === undefined) continue;
      result.values[i] = filters ? one.values[i]! : value;
      result.present[i] = 1;
    }
    return result;
  });
  return { kind: 'vector', series: results.filter(isAnywhere) };
}

export const isAnywhere = (series: StepSeries): boolean => series.present.includes(1);

function matchingLabels(matching: VectorMatching, labels: Labels): Labels {
  return matching.on
    ? onlyLabels(labels, matching.labels)
    : withoutLabels(labels, ['__name__', ...matching.labels]);
}

function vectors(
  binary: Binary,
  left: readonly StepSeries[],
  right: readonly StepSeries[],
  count: number,
): Value {
  if (['and', 'or', 'unless'].includes(binary.op))
    return { kind: 'vector', series: sets(binary, left, right, count) };
  return { kind: 'vector', series: joined(binary, left, right, count) };
}

/** Set operations, step by step: what is on the other side at that step decides. */
function sets(
  binary: Binary,
  left: readonly StepSeries[],
  right: readonly StepSeries[],
  count: number,
): StepSeries[] {
  const key = (series: StepSeries): string => signature(matchingLabels(binary.matching, series.labels));
  const presence = (all: readonly StepSeries[]): Map<string, Uint8Array> => {
    const found = new Map<string, Uint8Array>();
    for (const series of all) {
      const union = found.get(key(series)) ?? new Uint8Array(count);
      for (let i = 0; i < count; i++) union[i]! |= series.present[i]!;
      found.set(key(series), union);
    }
    return found;
  };
  const filtered = (
    all: readonly StepSeries[],
    other: Map<string, Uint8Array>,
    wanted: 0 | 1,
  ): StepSeries[] =>
    all
      .map(series => {
        const there = other.get(key(series));
        const present = series.present.map((is, i) => (is === 1 && (there?.[i] ?? 0) === wanted ? 1 : 0));
        return { ...series, present };
      })
      .filter(isAnywhere);
  if (binary.op === 'and') return filtered(left, presence(right), 1);
  if (binary.op === 'unless') return filtered(left, presence(right), 0);
  return [...left, ...filtered(right, presence(left), 0)];
}

/** One-to-one and many-to-one joins. */
function joined(
  binary: Binary,
  left: readonly StepSeries[],
  right: readonly StepSeries[],
  count: number,
): StepSeries[] {
  const { matching } = binary;
  const manyIsLeft = matching.group !== 'right';
  const [many, one] = manyIsLeft ? [left, right] : [right, left];
  const key = (series: StepSeries): string => signature(matchingLabels(matching, series.labels));
  const ones = Map.groupBy(one, key);
  const operate = pairOperator(binary);
  const filters = keepsName(binary);
  const results = new Map<string, StepSeries>();
  for (const series of many) {
    for (const partner of ones.get(key(series)) ?? []) {
      const labels = resultLabels(binary, series, partner);
      const resultKey = signature(labels);
      const result = results.get(resultKey) ?? emptySeries(labels, count);
      results.set(resultKey, result);
      for (let i = 0; i < count; i++) {
        if (series.present[i] === 0 || partner.present[i] === 0) continue;
        const [a, b] = manyIsLeft
          ? [series.values[i]!, partner.values[i]!]
          : [partner.values[i]!, series.values[i]!];
        if (result.present[i] === 1) throw ambiguous(matching, series);
        const value = operate(a, b);
        if (value === undefined) continue;
        result.values[i] = filters ? a : value;
        result.present[i] = 1;
      }
    }
  }
  return [...results.values()].filter(isAnywhere);
}

function resultLabels({ matching, op, bool }: Binary, many: StepSeries, one: StepSeries): Labels {
  const base = comparisons.has(op) && !bool ? many.labels : withoutName(many.labels);
  if (matching.group === undefined)
    return matching.on ? onlyLabels(base, matching.labels) : withoutLabels(base, matching.labels);
  if (matching.include.length === 0) return base;
  const labels = new Map(base);
  for (const name of matching.include) {
    const value = one.labels.get(name);
    if (value === undefined || value === '') labels.delete(name);
    else labels.set(name, value);
  }
  return labels;
}

function ambiguous(matching: VectorMatching, series: StepSeries): QueryError {
  const group = JSON.stringify(Object.fromEntries(matchingLabels(matching, series.labels)));
  return new QueryError(
    matching.group === undefined
      ? `multiple matches for labels ${group}: many-to-one matching must be explicit (group_left/group_right)`
      : `multiple matches for labels ${group}: grouping labels must ensure unique matches`,
  );
}
