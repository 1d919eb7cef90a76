// Evaluates PromQL: every expression once, over all steps of the query together.
import { LimitError, type MetricStore, type Series } from '../../store/store.ts';
import { Turns } from '../turns.ts';
import { applyAggregation } from './aggregate.ts';
import {
  type Call,
  type Expression,
  kindOf,
  type MatrixSelector,
  QueryError,
  type Subquery,
  type TimeShift,
  type VectorSelector,
} from './ast.ts';
import { applyBinary, isAnywhere } from './binary.ts';
import { scalarArgument, vectorFunctions } from './functions.ts';
import { checkValues, queryLimits } from './limits.ts';
import {
  emptySeries,
  mapSeries,
  type StepSeries,
  type Steps,
  signature,
  timeAt,
  type Value,
  withoutName,
} from './vector.ts';
import { type Window, type WindowFunction, windowFunctions } from './window.ts';

/** How far back an instant selector looks for a sample, milliseconds; Prometheus's default. */
const LOOKBACK_MS = 300_000;
const SUBQUERY_STEP_MS = 60_000;
const WORK_YIELDED = 50_000;

/** A series of samples at their own times: what a range selector or a subquery gives. */
type Samples = Series;

/** What the engine asks of a store: series by matchers. */
type SampleSource = Pick<MetricStore, 'select'>;

export interface Evaluation {
  readonly value: Value;
  /** Samples that the selectors loaded. */
  readonly samples: number;
}

/**
 * Evaluates an expression at `steps`.
 * @throws QueryError when the query is wrong, LimitError when it asks for too much
 */
export async function evaluate(
  expression: Expression,
  steps: Steps,
  store: SampleSource,
  signal?: AbortSignal,
): Promise<Evaluation> {
  if (steps.count > queryLimits.steps_max) {
    throw new LimitError(
      `the query has ${steps.count} steps, more than the limit of ${queryLimits.steps_max}; choose a larger step`,
    );
  }
  const evaluator = new Evaluator(store, steps, signal);
  const value = await evaluator.evaluate(expression, steps);
  return { value, samples: evaluator.samples };
}

class Evaluator {
  samples = 0;
  readonly #store: SampleSource;
  readonly #query: Steps;
  readonly #signal: AbortSignal | undefined;
  readonly #turns: Turns;

  constructor(store: SampleSource, query: Steps, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#query = query;
    this.#signal = signal;
    this.#turns = new Turns(signal);
  }

  async evaluate(expression: Expression, steps: Steps): Promise<Value> {
    switch (expression.type) {
      case 'number':
        return { kind: 'scalar', values: new Float64Array(steps.count).fill(expression.value) };
      case 'string':
        return { kind: 'string', text: expression.value };
      case 'vector':
        return { kind: 'vector', series: await this.#instant(expression, steps) };
      case 'call':
        return this.#call(expression, steps);
      case 'negation':
        return negate(await this.evaluate(expression.inner, steps));
      case 'binary': {
        const left = await this.evaluate(expression.left, steps);
        return applyBinary(expression, left, await this.evaluate(expression.right, steps), steps.count);
      }
      case 'aggregation': {
        const inner = await this.#vector(expression.inner, steps, expression.op);
        const parameter =
          expression.parameter === undefined ? undefined : await this.evaluate(expression.parameter, steps);
        return applyAggregation(expression, inner, parameter, steps.count);
      }
      default:
        throw new QueryError('a range vector cannot stand alone: give it to a function such as rate()');
    }
  }

  async #vector(expression: Expression, steps: Steps, name: string): Promise<readonly StepSeries[]> {
    const value = await this.evaluate(expression, steps);
    if (value.kind !== 'vector') throw new QueryError(`${name} takes an instant vector, not a ${value.kind}`);
    return value.series;
  }

  async #call(call: Call, steps: Steps): Promise<Value> {
    const window = windowFunctions.get(call.name);
    if (window !== undefined) return { kind: 'vector', series: await this.#overWindows(call, window, steps) };
    if (call.name === 'timestamp') return { kind: 'vector', series: await this.#timestamps(call, steps) };
    const apply = vectorFunctions.get(call.name);
    if (apply === undefined) throw new QueryError(`function ${call.name} is not supported`);
    const args: Value[] = [];
    for (const arg of call.args) args.push(await this.evaluate(arg, steps));
    return apply(args, steps);
  }

  /** The instants that a selector looks at, one per step: shifted by `offset`, all the same with `@`. */
  #instants(shift: TimeShift, steps: Steps): Steps {
    const { start, step, count } = this.#query;
    const at = shift.at === 'start' ? start : shift.at === 'end' ? start + step * (count - 1) : shift.at;
    return at === undefined
      ? { ...steps, start: steps.start - shift.offset }
      : { start: at - shift.offset, step: 0, count: steps.count };
  }

  async #load(selector: VectorSelector, instants: Steps, back: number): Promise<Series[]> {
    const range = { start: instants.start - back, end: timeAt(instants, instants.count - 1) };
    const options = { signal: this.#signal, samplesMax: queryLimits.samples_max - this.samples };
    const series = await this.#store.select(selector.matchers, range, options);
    for (const one of series) this.samples += one.times.length;
    return series;
  }

  /** The latest sample within the lookback at every step. */
  async #instant(selector: VectorSelector, steps: Steps): Promise<StepSeries[]> {
    const instants = this.#instants(selector, steps);
    const loaded = await this.#load(selector, instants, LOOKBACK_MS);
    const latest: WindowFunction = ({ values, to, from }) => (to === from ? undefined : values[to - 1]);
    return this.#overAll(loaded, instants, LOOKBACK_MS, latest);
  }

  async #timestamps(call: Call, steps: Steps): Promise<StepSeries[]> {
    const [selector] = call.args;
    if (selector?.type !== 'vector') throw new QueryError('timestamp() takes a series selector');
    const instants = this.#instants(selector, steps);
    const loaded = await this.#load(selector, instants, LOOKBACK_MS);
    const latest: WindowFunction = ({ times, to, from }) => (to === from ? undefined : times[to - 1]! / 1000);
    return this.#overAll(loaded.map(nameless), instants, LOOKBACK_MS, latest);
  }

  async #overWindows({ name, args }: Call, apply: WindowFunction, steps: Steps): Promise<StepSeries[]> {
    const range = args.find((arg): arg is MatrixSelector | Subquery => kindOf(arg) === 'matrix');
    if (range === undefined) throw new QueryError(`${name} takes a range vector, such as x[5m]`);
    const scalar = args.find(arg => arg !== range);
    const takesScalar = name === 'quantile_over_time' || name === 'predict_linear';
    if (takesScalar !== (scalar !== undefined) || args.length > 2)
      throw new QueryError(`wrong number of arguments for ${name}`);
    const parameter =
      scalar === undefined
        ? new Float64Array(steps.count)
        : scalarArgument(name, [await this.evaluate(scalar, steps)], 0);
    const instants = this.#instants(range.type === 'matrix' ? range.vector : range, steps);
    const samples =
      range.type === 'matrix'
        ? await this.#load(range.vector, instants, range.range)
        : await this.#subquery(range, instants);
    const named = name === 'last_over_time' ? samples : samples.map(nameless);
    return this.#overAll(named, instants, range.range, apply, parameter);
  }

  /** Slides a window over each series; series without a value at any step are left out. */
  async #overAll(
    all: readonly Samples[],
    instants: Steps,
    range: number,
    apply: WindowFunction,
    parameter: Float64Array = new Float64Array(instants.count),
  ): Promise<StepSeries[]> {
    const results: StepSeries[] = [];
    for (const samples of all) {
      checkValues(results.length + 1, instants.count);
      const result = emptySeries(samples.labels, instants.count);
      for (const work of overWindow(samples, instants, range, apply, parameter, result)) {
        if (this.#turns.spent(work)) await this.#turns.pass();
      }
      if (isAnywhere(result)) results.push(result);
    }
    return results;
  }

  /** Evaluates the inner expression on a grid of its own, aligned to multiples of its step. */
  async #subquery({ inner, range, step }: Subquery, instants: Steps): Promise<Samples[]> {
    const interval = step ?? (this.#query.step > 0 ? this.#query.step : SUBQUERY_STEP_MS);
    if (!(interval > 0)) throw new QueryError('the step of a subquery must be positive');
    const start = Math.floor((instants.start - range) / interval) * interval + interval;
    const count = Math.floor((timeAt(instants, instants.count - 1) - start) / interval) + 1;
    if (count > queryLimits.steps_max) {
      throw new LimitError(
        `the subquery has ${count} steps, more than the limit of ${queryLimits.steps_max}`,
      );
    }
    const grid: Steps = { start, step: interval, count: Math.max(0, count) };
    const series = await this.#vector(inner, grid, 'a subquery');
    return series.map(one => ({
      labels: one.labels,
      times: Float64Array.from({ length: grid.count }, (_, i) => timeAt(grid, i)).filter(
        (_, i) => one.present[i] === 1,
      ),
      values: one.values.filter((_, i) => one.present[i] === 1),
    }));
  }
}

function negate(value: Value): Value {
  if (value.kind === 'string') throw new QueryError('unary minus does not take a string');
  if (value.kind === 'scalar') return { kind: 'scalar', values: value.values.map(number => -number) };
  return {
    kind: 'vector',
    series: value.series.map(one => mapSeries(one, number => -number, withoutName(one.labels))),
  };
}

const nameless = (one: Samples): Samples => ({ ...one, labels: withoutName(one.labels) });

/**
 * Slides the window `(instant − range, instant]` over the samples, both ends only ever moving forward, into `result`.
 * Yields, now and then, how many samples were in the windows since.
 */
function* overWindow(
  samples: Samples,
  instants: Steps,
  range: number,
  apply: WindowFunction,
  parameter: Float64Array,
  result: StepSeries,
): Generator<number> {
  const { times, values } = samples;
  let work = 0;
  const window: Window = { times, values, from: 0, to: 0, start: 0, end: 0 };
  for (let i = 0; i < instants.count; i++) {
    window.end = timeAt(instants, i);
    window.start = window.end - range;
    while (window.to < times.length && times[window.to]! <= window.end) window.to++;
    while (window.from < window.to && times[window.from]! <= window.start) window.from++;
    const value = apply(window, parameter[i]!);
    if (value !== undefined) {
      result.values[i] = value;
      result.present[i] = 1;
    }
    work += 1 + window.to - window.from;
    if (work < WORK_YIELDED) continue;
    yield work;
    work = 0;
  }
  yield work;
}

/** Refuses a result in which two series have the same labels. @throws QueryError */
export function requireDistinct(series: readonly StepSeries[]): void {
  const seen = new Set(series.map(one => signature(one.labels)));
  if (seen.size < series.length) throw new QueryError('vector cannot contain metrics with the same labelset');
}
