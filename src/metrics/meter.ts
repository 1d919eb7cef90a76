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
} from '@opentelemetry/api';
import { limits } from '../limits.ts';
import type { MetricRecord } from '../transport/otlp/metrics.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';
import type { Aggregation, AggregationRules } from './aggregation.ts';
import {
  boundsFor,
  InstrumentDescriptor,
  type InstrumentKind,
  isValidName,
  noInstrument,
} from './descriptor.ts';
import { ExplicitHistogram } from './explicit-histogram.ts';
import { ExponentialHistogram } from './exponential-histogram.ts';
import type { MetricCounters } from './metric-counters.ts';
import { LastValueAggregation, ObservedAggregation, SumAggregation } from './number-aggregation.ts';
import { BatchObservation, ObservableInstrument, type ObservationRound } from './observables.ts';
import { BucketHistogram, LastValueGauge, SumCounter, SumUpDownCounter } from './sync-instruments.ts';

/** How histograms aggregate (`OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`). */
export type HistogramAggregation = 'explicit_bucket_histogram' | 'base2_exponential_bucket_histogram';

/** What the meters of one provider share. */
export interface MeterRules extends AggregationRules {
  readonly counters: MetricCounters;
  readonly histogramAggregation: HistogramAggregation;
  /** By instrument name, where it differs from the default. */
  readonly histogramAggregations: ReadonlyMap<string, HistogramAggregation>;
  /** Whether one more instrument may be made. */
  admit(): boolean;
}

type Instrument = SumCounter | SumUpDownCounter | LastValueGauge | BucketHistogram | ObservableInstrument;

interface Registration {
  readonly descriptor: InstrumentDescriptor;
  readonly instrument: Instrument;
}

/** Refused instruments that are named in a warning; all are counted. */
const WARNINGS_MAX = 100;

export class Meter implements OtelMeter {
  readonly scope: ScopeRecord;
  readonly #rules: MeterRules;
  /** By name in lower case: instruments that have a name in common are in conflict, and all of them work. */
  readonly #registrations = new Map<string, Registration[]>();
  readonly #aggregations: (Aggregation & MetricRecord)[] = [];
  readonly #observables: ObservableInstrument[] = [];
  readonly #batches: BatchObservation[] = [];

  constructor(scope: ScopeRecord, rules: MeterRules) {
    this.scope = scope;
    this.#rules = rules;
  }

  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#instrument('counter', name, options, descriptor => {
      const sum = this.#keep(new SumAggregation(descriptor, this.#rules, true));
      return new SumCounter(sum, this.#rules.counters);
    });
  }

  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return this.#instrument('up-down counter', name, options, descriptor => {
      const sum = this.#keep(new SumAggregation(descriptor, this.#rules, false));
      return new SumUpDownCounter(sum, this.#rules.counters);
    });
  }

  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#instrument('gauge', name, options, descriptor => {
      const last = this.#keep(new LastValueAggregation(descriptor, this.#rules));
      return new LastValueGauge(last, this.#rules.counters);
    });
  }

  createHistogram(name: string, options?: MetricOptions): Histogram {
    return this.#instrument('histogram', name, options, descriptor => {
      const { histogramAggregation, histogramAggregations, counters } = this.#rules;
      const aggregation = histogramAggregations.get(name) ?? histogramAggregation;
      const histogram =
        aggregation === 'base2_exponential_bucket_histogram'
          ? this.#keep(new ExponentialHistogram(descriptor, this.#rules))
          : this.#keep(new ExplicitHistogram(descriptor, this.#rules, boundsFor(name, options)));
      return new BucketHistogram(histogram, counters);
    });
  }

  createObservableCounter(name: string, options?: MetricOptions): ObservableCounter {
    return this.#observable('observable counter', name, options, 'sum', true);
  }

  createObservableUpDownCounter(name: string, options?: MetricOptions): ObservableUpDownCounter {
    return this.#observable('observable up-down counter', name, options, 'sum', false);
  }

  createObservableGauge(name: string, options?: MetricOptions): ObservableGauge {
    return this.#observable('observable gauge', name, options, 'gauge', false);
  }

  #observable(
    kind: InstrumentKind,
    name: string,
    options: MetricOptions | undefined,
    type: 'sum' | 'gauge',
    monotonic: boolean,
  ): Observable {
    return this.#instrument(kind, name, options, descriptor => {
      const observed = new ObservedAggregation(descriptor, this.#rules, type, monotonic);
      const instrument = new ObservableInstrument(this.#keep(observed));
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
    make: (descriptor: InstrumentDescriptor) => T,
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
    make: (descriptor: InstrumentDescriptor) => T,
  ): T {
    if (!isValidName(name)) return this.#refused(`${kind}: its name is not valid`, name);
    const namesakes = this.#registrations.get(name.toLowerCase()) ?? [];
    const descriptor = new InstrumentDescriptor(kind, namesakes[0]?.descriptor.name ?? name, options);
    const same = namesakes.find(each => each.descriptor.equals(descriptor));
    if (same !== undefined) {
      same.descriptor.meets(descriptor);
      return same.instrument as T;
    }
    if (!this.#rules.admit())
      return this.#refused(`${kind}: there are ${limits.instruments_max} instruments`, name);
    namesakes[0]?.descriptor.meets(descriptor);
    const instrument = make(descriptor);
    this.#registrations.set(name.toLowerCase(), [...namesakes, { descriptor, instrument }]);
    return instrument;
  }

  #refused<T extends Instrument>(reason: string, name: unknown): T {
    if (this.#rules.counters.refused++ < WARNINGS_MAX) {
      const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 300)) : `A ${typeof name}`;
      diag.warn(`${shown} measures nothing. No ${reason}.`);
    }
    return noInstrument as unknown as T;
  }

  #keep<A extends Aggregation & MetricRecord>(aggregation: A): A {
    this.#aggregations.push(aggregation);
    return aggregation;
  }

  /** Calls all callbacks for a new round; returns what is still under way. */
  observe(round: ObservationRound): Promise<void>[] {
    for (const { aggregation } of this.#observables) aggregation.beginRound();
    const pending = [
      ...this.#observables.flatMap(instrument => instrument.observe(round)),
      ...this.#batches.map(batch => batch.observe(round)),
    ];
    return pending.filter(each => each !== undefined);
  }

  /** Hands every metric that has points to `write`, as they are at `time`, and begins the next interval. */
  collect(time: number, write: (metric: MetricRecord) => void): void {
    for (const aggregation of this.#aggregations) {
      if (aggregation.size === 0) continue;
      aggregation.readAt(time);
      write(aggregation);
      aggregation.advance();
    }
  }
}
