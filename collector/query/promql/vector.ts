// The engine's values: one number per step and series, and the label arithmetic between series.
import type { Labels } from '../../store/store.ts';

/** The instants of a query, milliseconds: `start`, `start + step`, … ; an instant query has one. */
export interface Steps {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

export const timeAt = (steps: Steps, index: number): number => steps.start + index * steps.step;

/** One series over all steps; `values[i]` counts only where `present[i]` is 1, since NaN is a value like any other. */
export interface StepSeries {
  readonly labels: Labels;
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

export type Value =
  | { readonly kind: 'scalar'; readonly values: Float64Array }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'vector'; readonly series: readonly StepSeries[] };

export function emptySeries(labels: Labels, count: number): StepSeries {
  return { labels, values: new Float64Array(count), present: new Uint8Array(count) };
}

/** The series with every present value mapped, under other labels if given. */
export function mapSeries(
  series: StepSeries,
  map: (value: number, index: number) => number,
  labels: Labels = series.labels,
): StepSeries {
  const values = series.values.map((value, index) => (series.present[index] === 1 ? map(value, index) : 0));
  return { labels, values, present: series.present };
}

export function withoutLabels(labels: Labels, names: readonly string[]): Labels {
  if (!names.some(name => labels.has(name))) return labels;
  const kept = new Map(labels);
  for (const name of names) kept.delete(name);
  return kept;
}

export function onlyLabels(labels: Labels, names: readonly string[]): Labels {
  const kept = new Map<string, string>();
  for (const name of names) {
    const value = labels.get(name);
    if (value !== undefined) kept.set(name, value);
  }
  return kept;
}

const NAME = ['__name__'] as const;

/** What arithmetic and functions do to labels: the result is another metric. */
export const withoutName = (labels: Labels): Labels => withoutLabels(labels, NAME);

/** A key that two label sets share exactly when they are equal: sorted, each part prefixed by its length. */
export function signature(labels: Labels): string {
  let key = '';
  for (const [name, value] of [...labels].sort(([a], [b]) => (a < b ? -1 : 1))) {
    key += `${name.length}:${name}${value.length}:${value}`;
  }
  return key;
}
