// The OpenTelemetry Meter: makes instruments, one for every identity, and keeps what they aggregate.
import {
  type BatchObservableCallback,
  type Counter,
  diag,
  type Gauge,
  type Histogram,
  type MetricOptions,
  type Observable,
  type ObservableCounter,
  type ObservableGauge,
  type ObservableUpDownCounter,
  type Meter as OtelMeter,
  type UpDownCounter,
  ValueType,
} from '@opentelemetry/api';
import { limits } from '../limits.ts';
import type { MetricRecord } from '../transport/otlp/metrics.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';
import type { Aggregation, MeasuredMetric, Recorder } from './aggregation.ts';
import { InstrumentDescriptor, type InstrumentKind, isValidName, noInstrument } from './descriptor.ts';
import { BatchObservation, ObservableInstrument, type ObservationRound } from './observables.ts';
import { ObservedAggregation } from './observed-aggregation.ts';
import { combined } from './recorders.ts';
import type { SharedStream } from './shared-stream.ts';
import { StreamNames } from './stream-names.ts';
import {
  isPlan,
  newObservedStream,
  newStream,
  type ProviderRules,
  planOfTold,
  plansFor,
  type Stream,
  type StreamPlan,
} from './streams.ts';
import { BucketHistogram, LastValueGauge, SumCounter, SumUpDownCounter } from './sync-instruments.ts';
import type { StreamNews, ToldInstrument } from './thread-news.ts';
import type { Totals } from './totals.ts';

/** What the meters of one provider share. */
export interface MeterRules extends ProviderRules {
  /** Whether one more instrument may be made. */
  admit(): boolean;
}

type Instrument = SumCounter | SumUpDownCounter | LastValueGauge | BucketHistogram | ObservableInstrument;

interface Registration {
  readonly descriptor: InstrumentDescriptor;
  readonly plans: readonly StreamPlan[];
  readonly instrument: Instrument;
}

/** Refused instruments that are named in a warning; all are counted. */
const WARNINGS_MAX = 100;

export class Meter implements OtelMeter {
  readonly scope: ScopeRecord;
  readonly #rules: MeterRules;
  /** By name in lower case: instruments that have a name in common are in conflict, and all of them work. */
  readonly #registrations = new Map<string, Registration[]>();
  readonly #names = new StreamNames();
  readonly #aggregations: (Aggregation & MetricRecord)[] = [];
  /** Of those that are deltas, where totals are read. */
  readonly #totals = new Map<Aggregation, Totals>();
  /** Of instruments that measurements are made with. */
  readonly #measured = new Map<StreamPlan, MeasuredMetric>();
  /** Of those, what the main thread sends. */
  readonly #shared: SharedStream[] = [];
  /** What only other threads have, by what they have told of it. */
  readonly #foreign = new Map<string, MeasuredMetric>();
  readonly #observables: ObservableInstrument[] = [];
  readonly #batches: BatchObservation[] = [];

  constructor(scope: ScopeRecord, rules: MeterRules) {
    this.scope = scope;
    this.#rules = rules;
  }

  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#instrument('counter', name, options, plans => {
      return new SumCounter(recorderOf(this.#streams(plans)), this.#rules.counters);
    });
  }

  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return this.#instrument('up_down_counter', name, options, plans => {
      return new SumUpDownCounter(recorderOf(this.#streams(plans)), this.#rules.counters);
    });
  }

  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#instrument('gauge', name, options, plans => {
      return new LastValueGauge(recorderOf(this.#streams(plans)), this.#rules.counters);
    });
  }

  createHistogram(name: string, options?: MetricOptions): Histogram {
    return this.#instrument('histogram', name, options, plans => {
      const streams = this.#streams(plans);
      const series = streams.length === 1 ? streams[0]!.series : undefined;
      return new BucketHistogram(recorderOf(streams), this.#rules.counters, series);
    });
  }

  createObservableCounter(name: string, options?: MetricOptions): ObservableCounter {
    return this.#observable('observable_counter', name, options);
  }

  createObservableUpDownCounter(name: string, options?: MetricOptions): ObservableUpDownCounter {
    return this.#observable('observable_up_down_counter', name, options);
  }

  createObservableGauge(name: string, options?: MetricOptions): ObservableGauge {
    return this.#observable('observable_gauge', name, options);
  }

  #streams(plans: readonly StreamPlan[]): Stream[] {
    return plans.map((plan, index) => {
      const stream = newStream(plan, this.scope, index, this.#rules);
      this.#measured.set(plan, stream.aggregation);
      if (stream.totals !== undefined) this.#totals.set(stream.aggregation, stream.totals);
      if (stream.shared === undefined) this.#aggregations.push(stream.aggregation);
      else this.#shared.push(stream.shared);
      return stream;
    });
  }

  /** Where what another thread has measured belongs: it is as if an instrument of this meter had measured it. */
  aggregationFor(told: StreamNews): MeasuredMetric | undefined {
    this.#make(told.instrument);
    const namesakes = this.#registrations.get(told.instrument.name.toLowerCase()) ?? [];
    const same = namesakes.find(({ descriptor }) => descriptor.equals(told.instrument));
    const plan = same?.plans[told.metric.index];
    if (plan !== undefined && isPlan(told, plan)) return this.#measured.get(plan);
    return same && this.#foreignFor(told, same.descriptor);
  }

  #make({ kind, name, description, unit, integer, advisedBounds }: ToldInstrument): void {
    const valueType = integer ? ValueType.INT : ValueType.DOUBLE;
    const advice = advisedBounds === undefined ? {} : { explicitBucketBoundaries: [...advisedBounds] };
    const options = { description, unit, valueType, advice };
    if (kind === 'counter') this.createCounter(name, options);
    else if (kind === 'up_down_counter') this.createUpDownCounter(name, options);
    else if (kind === 'gauge') this.createGauge(name, options);
    else this.createHistogram(name, options);
  }

  /** By itself, where the views of that thread are not those of this one. */
  #foreignFor(told: StreamNews, instrument: InstrumentDescriptor): MeasuredMetric {
    const key = JSON.stringify([told.instrument, told.metric]);
    const known = this.#foreign.get(key);
    if (known !== undefined) return known;
    const [stream] = this.#streams([planOfTold(told, instrument)]);
    this.#foreign.set(key, stream!.aggregation);
    return stream!.aggregation;
  }

  #observable(kind: InstrumentKind, name: string, options: MetricOptions | undefined): Observable {
    return this.#instrument(kind, name, options, plans => {
      const aggregations = plans.map(plan => newObservedStream(plan, this.#rules));
      const instrument = new ObservableInstrument(aggregations);
      this.#aggregations.push(...aggregations);
      this.#observables.push(instrument);
      return instrument;
    });
  }

  addBatchObservableCallback(callback: BatchObservableCallback, observables: Observable[]): void {
    if (typeof callback !== 'function' || !Array.isArray(observables)) return;
    if (!this.#batches.some(batch => batch.matches(callback, observables))) {
      this.#batches.push(new BatchObservation(callback, observables));
    }
  }

  removeBatchObservableCallback(callback: BatchObservableCallback, observables: Observable[]): void {
    const at = this.#batches.findIndex(batch => batch.matches(callback, observables));
    if (at >= 0) this.#batches.splice(at, 1);
  }

  /**
   * The instrument of this identity: kind, name (case-insensitive), unit and value type. What shares the name with
   * another but not the identity works, and is warned of (metrics SDK specification, "Duplicate instrument registration").
   */
  #instrument<T extends Instrument>(
    kind: InstrumentKind,
    name: string,
    options: MetricOptions | undefined,
    make: (plans: readonly StreamPlan[]) => T,
  ): T {
    try {
      return this.#register(kind, name, options, make);
    } catch {
      return this.#refused(`${kind}: its options cannot be read`, name);
    }
  }

  #register<T extends Instrument>(
    kind: InstrumentKind,
    name: string,
    options: MetricOptions | undefined,
    make: (plans: readonly StreamPlan[]) => T,
  ): T {
    if (!isValidName(name)) return this.#refused(`${kind}: its name is not valid`, name);
    const namesakes = this.#registrations.get(name.toLowerCase()) ?? [];
    const descriptor = new InstrumentDescriptor(kind, namesakes[0]?.descriptor.name ?? name, options);
    const same = namesakes.find(each => each.descriptor.equals(descriptor));
    if (same !== undefined) {
      this.#names.repeat(same.descriptor, same.plans, descriptor, name);
      return same.instrument as T;
    }
    if (!this.#rules.admit())
      return this.#refused(`${kind}: there are ${limits.instruments_max} instruments`, name);
    const plans = plansFor(descriptor, this.scope, this.#rules);
    const instrument = make(plans);
    this.#registrations.set(name.toLowerCase(), [...namesakes, { descriptor, plans, instrument }]);
    this.#names.add(plans);
    return instrument;
  }

  #refused<T extends Instrument>(reason: string, name: unknown): T {
    if (this.#rules.counters.refused++ < WARNINGS_MAX) {
      const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 300)) : `A ${typeof name}`;
      diag.warn(`${shown} measures nothing. No ${reason}.`);
    }
    return noInstrument as unknown as T;
  }

  /** Calls all callbacks for a new round; returns what is still under way. */
  observe(round: ObservationRound): Promise<void>[] {
    for (const instrument of this.#observables) instrument.beginRound();
    const pending = [
      ...this.#observables.flatMap(instrument => instrument.observe(round)),
      ...this.#batches.map(batch => batch.observe(round)),
    ];
    return pending.filter(each => each !== undefined);
  }

  /**
   * Hands every metric that has points to `write`, as they are at `time`, and begins the next interval.
   *
   * @param write says how many of the points, from the first on, it need not be given again
   */
  collect(time: number, write: (metric: MetricRecord) => number): void {
    for (const shared of this.#shared) shared.advance();
    for (const aggregation of this.#aggregations) {
      aggregation.readAt(time);
      const written = aggregation.size === 0 ? 0 : write(aggregation);
      this.#totals.get(aggregation)?.advance(written);
      aggregation.advance(written);
    }
  }

  /** Every metric that has points, cumulative and as it is at `time`; no interval ends by that. Each is valid until the next one. */
  *read(time: number): Iterable<MetricRecord> {
    for (const aggregation of this.#aggregations) {
      aggregation.readAt(time);
      const totals = this.#totals.get(aggregation);
      totals?.add();
      const read = totals?.aggregation ?? aggregation;
      read.readAt(time);
      if (read.size === 0) continue;
      read.exemplars.lasting = true;
      try {
        yield read instanceof ObservedAggregation ? read.totals() : read;
      } finally {
        read.exemplars.lasting = false;
      }
    }
  }
}

const recorderOf = (streams: readonly Stream[]): Recorder =>
  combined(streams.map(({ recorder }) => recorder));
