// The streams that an instrument's measurements go to: one, or one for each view that selects it.
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import { diag } from '@opentelemetry/api';
import { AggregationTemporality } from '../transport/otlp/metrics.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';
import type { MeasuredMetric, Recorder, SeriesRecorder, StreamRules } from './aggregation.ts';
import type { InstrumentDescriptor, InstrumentKind } from './descriptor.ts';
import type { ExemplarFilter } from './exemplar-slots.ts';
import { defaultBounds, ExplicitHistogram } from './explicit-histogram.ts';
import type { MetricCounters } from './metric-counters.ts';
import { LastValueAggregation, type NumberDescriptor, SumAggregation } from './number-aggregation.ts';
import { ObservedAggregation } from './observed-aggregation.ts';
import { FilteredRecorder } from './recorders.ts';
import type { SharedStream } from './shared-stream.ts';
import { type TemporalityPreference, temporalityOf } from './temporality.ts';
import type { StreamNews } from './thread-news.ts';
import type { ThreadShare } from './thread-share.ts';
import { Totals } from './totals.ts';
import type { CheckedView, ViewAggregation } from './view.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** How histograms aggregate (`OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`). */
export type HistogramAggregation = 'explicit_bucket_histogram' | 'base2_exponential_bucket_histogram';

/** What the streams of one provider have in common. */
export interface ProviderRules {
  readonly counters: MetricCounters;
  readonly clock: { now(): number };
  readonly cardinalityLimit: number;
  /** Labels of the context that become attributes. */
  readonly labels: readonly string[];
  readonly exemplarFilter: ExemplarFilter;
  readonly histogramAggregation: HistogramAggregation;
  readonly temporalityPreference: TemporalityPreference;
  readonly views: readonly CheckedView[];
  /** In a thread that leaves what it measures to the main thread. */
  readonly share: ThreadShare | undefined;
  /** Whether totals are read beside what is exported. */
  readonly isRead: boolean;
}

type Resolved =
  | Exclude<ViewAggregation, { readonly type: 'default' | 'drop' | 'sum' | 'last_value' }>
  | {
      readonly type: 'sum' | 'last_value';
    };

/** A metric to be, as the instrument or a view of it says. */
export interface StreamPlan extends NumberDescriptor {
  readonly instrument: InstrumentDescriptor;
  /** Undefined without a view. */
  readonly view: CheckedView | undefined;
  readonly aggregation: Resolved;
}

/** What the meter reads, and what a synchronous instrument records with. */
export interface Stream {
  readonly aggregation: MeasuredMetric;
  readonly recorder: Recorder;
  /** For histograms whose series stay the same. */
  readonly series: SeriesRecorder | undefined;
  /** Where the main thread reads the aggregation. */
  readonly shared: SharedStream | undefined;
  /** What deltas add up to, where that is read. */
  readonly totals: Totals | undefined;
}

const monotonicKinds: readonly InstrumentKind[] = ['counter', 'histogram', 'observable_counter'];

/** By metrics SDK specification, "Measurement processing": views are not merged, and one that cannot be applied does not count. */
export function plansFor(
  instrument: InstrumentDescriptor,
  scope: ScopeRecord,
  rules: ProviderRules,
): StreamPlan[] {
  const views = rules.views.filter(view => view.selects(instrument, scope) && isApplicable(view, instrument));
  const plans = (views.length === 0 ? [undefined] : views).map(view => planOf(instrument, view, rules));
  return plans.filter(plan => plan !== undefined);
}

function isApplicable({ stream }: CheckedView, instrument: InstrumentDescriptor): boolean {
  const type = stream.aggregation?.type;
  const isObservable = instrument.kind.startsWith('observable_');
  const isSigned = !monotonicKinds.includes(instrument.kind);
  const fails =
    (type === 'explicit_bucket_histogram' && isObservable) ||
    (type === 'base2_exponential_bucket_histogram' && (isObservable || isSigned));
  if (fails)
    diag.warn(
      `A view asks for the aggregation ${type} of ${instrument}: it cannot have that, and the view is left out.`,
    );
  return !fails;
}

/** Undefined for what is dropped. */
function planOf(
  instrument: InstrumentDescriptor,
  view: CheckedView | undefined,
  rules: ProviderRules,
): StreamPlan | undefined {
  const { name, description, aggregation = { type: 'default' } } = view?.stream ?? {};
  if (aggregation.type === 'drop') return undefined;
  return {
    instrument,
    view,
    name: name ?? instrument.name,
    description: description ?? instrument.description,
    unit: instrument.unit,
    integer: instrument.integer,
    aggregation: aggregation.type === 'default' ? defaultOf(instrument, rules) : (aggregation as Resolved),
  };
}

/** By metrics SDK specification, "Default Aggregation". */
function defaultOf({ kind, advisedBounds }: InstrumentDescriptor, rules: ProviderRules): Resolved {
  if (kind.endsWith('gauge')) return { type: 'last_value' };
  if (kind !== 'histogram') return { type: 'sum' };
  if (rules.histogramAggregation === 'base2_exponential_bucket_histogram')
    return { type: 'base2_exponential_bucket_histogram' };
  return { type: 'explicit_bucket_histogram', boundaries: advisedBounds ?? defaultBounds };
}

function rulesOf({ view, instrument }: StreamPlan, rules: ProviderRules): StreamRules {
  const { counters, clock, exemplarFilter } = rules;
  const filter = view?.filter;
  const labels = filter === undefined ? rules.labels : rules.labels.filter(label => filter.keeps(label));
  const cardinalityLimit = view?.stream.cardinalityLimit ?? rules.cardinalityLimit;
  return {
    bounds: { cardinalityLimit, labels, counters },
    exemplars: {
      filter: exemplarFilter,
      rest: filter && (attributes => filter.rest(attributes, counters)),
      labels,
      clock,
    },
    clock,
    temporality: temporalityOf(instrument.kind, rules.temporalityPreference),
    filter,
  };
}

/** @param index the stream's place among those of its instrument */
export function newStream(
  plan: StreamPlan,
  scope: ScopeRecord,
  index: number,
  providerRules: ProviderRules,
): Stream {
  const { share } = providerRules;
  const memory = share?.memoryFor(scope, told(plan, index));
  const rules: StreamRules = { ...rulesOf(plan, providerRules), memory };
  const aggregation = newAggregation(plan, rules);
  const shared = memory && share?.stream(aggregation, memory, rules.bounds.cardinalityLimit);
  const recorder = shared ?? aggregation;
  const { filter } = rules;
  const isLasting = rules.temporality === AggregationTemporality.cumulative;
  const totals = providerRules.isRead && !isLasting ? totalsOf(aggregation, plan, rules) : undefined;
  if (filter !== undefined) {
    const filtered = new FilteredRecorder(recorder, aggregation.exemplars, filter);
    return { aggregation, recorder: filtered, series: undefined, shared, totals };
  }
  return { aggregation, recorder, series: isLasting ? recorder : undefined, shared, totals };
}

function totalsOf(deltas: MeasuredMetric, plan: StreamPlan, rules: StreamRules): Totals {
  return new Totals(
    deltas,
    newAggregation(plan, { ...rules, temporality: AggregationTemporality.cumulative }),
  );
}

function newAggregation(plan: StreamPlan, rules: StreamRules): MeasuredMetric {
  const { aggregation, instrument } = plan;
  const isMonotonic = monotonicKinds.includes(instrument.kind);
  switch (aggregation.type) {
    case 'sum':
      return new SumAggregation(plan, rules, isMonotonic);
    case 'last_value':
      return new LastValueAggregation(plan, rules);
    case 'explicit_bucket_histogram': {
      const { boundaries = defaultBounds, recordMinMax: minMax = true } = aggregation;
      return new ExplicitHistogram(plan, rules, boundaries, { sum: isMonotonic, minMax });
    }
    case 'base2_exponential_bucket_histogram': {
      const { defaultShape, ExponentialHistogram } =
        require('./exponential-histogram.ts') as typeof import('./exponential-histogram.ts');
      const { recordMinMax: minMax = true, ...sizes } = aggregation;
      return new ExponentialHistogram(plan, rules, { ...defaultShape, ...sizes, minMax });
    }
  }
}

type Told = Pick<StreamNews, 'instrument' | 'metric'>;

/** A plan as the main thread is told of it. */
function told({ instrument, name, description, aggregation }: StreamPlan, index: number): Told {
  const { kind, unit, integer, advisedBounds } = instrument;
  return {
    instrument: {
      kind,
      name: instrument.name,
      description: instrument.description,
      unit,
      integer,
      advisedBounds,
    },
    metric: { index, name, description, aggregation },
  };
}

/** Whether what is told is what `plan` makes, so that both can be added up. */
export function isPlan({ metric: { name, aggregation } }: Told, plan: StreamPlan): boolean {
  return plan.name === name && isDeepStrictEqual(plan.aggregation, aggregation);
}

/** The plan of what is told, where no view of this thread makes one like it. */
export function planOfTold({ metric }: Told, instrument: InstrumentDescriptor): StreamPlan {
  const { name, description } = metric;
  const { unit, integer } = instrument;
  const aggregation = metric.aggregation as Resolved;
  return { instrument, view: undefined, name, description, unit, integer, aggregation };
}

export function newObservedStream(plan: StreamPlan, rules: ProviderRules): ObservedAggregation {
  const type = plan.aggregation.type === 'sum' ? 'sum' : 'gauge';
  const isMonotonic = monotonicKinds.includes(plan.instrument.kind);
  return new ObservedAggregation(plan, rulesOf(plan, rules), type, isMonotonic);
}
