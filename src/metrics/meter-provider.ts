// The OpenTelemetry MeterProvider: owns the meters, and collects them into the sink at an interval.
import {
  createNoopMeter,
  type MeterOptions,
  type Meter as OtelMeter,
  type MeterProvider as OtelMeterProvider,
} from '@opentelemetry/api';
import { type Clock, processClock } from '../context/clock.ts';
import { warnSeldom } from '../context/message-limit.ts';
import { ObservabilityContext } from '../context/observability-context.ts';
import { limits } from '../limits.ts';
import { encodeMetric, type MetricRecord } from '../transport/otlp/metrics.ts';
import { type ScopeRecord, Signal, type Sink } from '../transport/otlp/record.ts';
import type { Writer } from '../transport/otlp/writer.ts';
import { beginWaiting } from './after-loading.ts';
import type { MeasuredAggregation } from './aggregation.ts';
import type { ExemplarFilter } from './exemplar-slots.ts';
import { Meter, type MeterRules } from './meter.ts';
import { type MetricCounters, newMetricCounters } from './metric-counters.ts';
import type { MetricProducer, ScopeMetrics } from './metric-producer.ts';
import { ObservationRound } from './observables.ts';
import type { HistogramAggregation } from './streams.ts';
import type { TemporalityPreference } from './temporality.ts';
import { ThreadMetrics } from './thread-metrics.ts';
import type { StreamNews } from './thread-news.ts';
import type { ThreadShare } from './thread-share.ts';
import type { CheckedView } from './view.ts';

export interface MeterProviderOptions {
  /** Undefined where metrics are only read. */
  readonly sink: Sink | undefined;
  readonly clock?: Clock;
  /** Series of one metric, beside the one of the overflow. */
  readonly cardinalityLimit?: number;
  /** Labels of the context that become attributes of every measurement made under it. */
  readonly labels?: readonly string[];
  readonly exemplarFilter?: ExemplarFilter;
  readonly histogramAggregation?: HistogramAggregation;
  readonly temporalityPreference?: TemporalityPreference;
  readonly views?: readonly CheckedView[];
  /** Milliseconds between two collections. */
  readonly interval?: number;
  /** Milliseconds that asynchronous callbacks and producers have to answer. */
  readonly timeout?: number;
  /** Sources of metrics beside the instruments; looked at anew at every collection. */
  readonly producers?: Iterable<MetricProducer>;
  /** Whether {@link MeterProvider.read} is called: deltas are added up then. */
  readonly isRead?: boolean;
  /** In a worker thread: leaves to the main thread what is measured, so that only what is observed is collected here. */
  readonly share?: ThreadShare | undefined;
  /** Told after each collection how long it took, in seconds. */
  readonly collected?: (seconds: number) => void;
}

const defaults = {
  cardinalityLimit: limits.cardinality_max,
  labels: [] as readonly string[],
  exemplarFilter: 'trace_based',
  histogramAggregation: 'explicit_bucket_histogram',
  temporalityPreference: 'cumulative',
  views: [] as readonly CheckedView[],
  interval: 10_000,
  timeout: 5000,
  producers: [] as readonly MetricProducer[],
} as const;

export class MeterProvider implements OtelMeterProvider {
  /** What was not taken as it came, by reason. */
  readonly counters: MetricCounters = newMetricCounters();
  readonly #sink: Sink | undefined;
  readonly #clock: Clock;
  readonly #rules: MeterRules;
  readonly #interval: number;
  readonly #timeout: number;
  readonly #producers: Iterable<MetricProducer>;
  readonly #collected: ((seconds: number) => void) | undefined;
  readonly #meters = new Map<string, Meter>();
  #threads: ThreadMetrics | undefined;
  #instruments = 0;
  #round: ObservationRound | undefined;
  #collecting: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #down = false;
  /** Grows to 1 until the next collection. */
  #due = 0;

  constructor(options: MeterProviderOptions) {
    const { interval, timeout, producers, ...rules } = { ...defaults, ...options };
    const clock = options.clock ?? processClock;
    this.#sink = options.sink;
    this.#clock = clock;
    this.#interval = interval;
    this.#timeout = timeout;
    this.#producers = producers;
    this.#collected = options.collected;
    this.#rules = {
      counters: this.counters,
      clock,
      cardinalityLimit: rules.cardinalityLimit,
      labels: [...new Set(rules.labels)],
      exemplarFilter: rules.exemplarFilter,
      histogramAggregation: rules.histogramAggregation,
      temporalityPreference: rules.temporalityPreference,
      views: rules.views,
      share: options.share,
      isRead: options.isRead ?? false,
      admit: () => this.#instruments++ < limits.instruments_max,
    };
  }

  /** The meter of this name, version and schema URL; one that keeps nothing after shutdown or beyond the limit. */
  getMeter(name: string, version?: string, options?: MeterOptions): OtelMeter {
    const scope: ScopeRecord = {
      name: text(name) ?? '',
      version: text(version),
      schemaUrl: text(options?.schemaUrl),
    };
    const key = JSON.stringify([scope.name, scope.version, scope.schemaUrl]);
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    if (this.#down || this.#meters.size >= limits.meters_max) {
      this.counters.refused++;
      return createNoopMeter();
    }
    if (scope.name === '')
      warnSeldom('A meter has no name: its metrics are sent without the name of a scope.');
    const meter = new Meter(scope, this.#rules);
    this.#meters.set(key, meter);
    return meter;
  }

  /** Adds what other threads measure. Call once. */
  gather(flush: () => Promise<boolean>, isOwn: () => boolean): void {
    this.#threads = new ThreadMetrics({ target: this, clock: this.#clock, flush, isOwn });
  }

  /** Where what another thread has measured belongs; undefined when there may be no more instruments. */
  aggregationFor(told: StreamNews): MeasuredAggregation | undefined {
    const { name, version, schemaUrl } = told.scope;
    const meter = this.getMeter(name, version, schemaUrl === undefined ? {} : { schemaUrl });
    return meter instanceof Meter ? meter.aggregationFor(told) : undefined;
  }

  /** Collects at every interval from now on, at longer ones while the sink fills; does not keep the process alive. */
  start(): void {
    if (this.#down || this.#timer !== undefined) return;
    this.#timer = ObservabilityContext.root.run(() => setInterval(() => this.#turn(), this.#interval));
    this.#timer.unref();
  }

  /** A collection holds all since the last one that was made: with room for one in n, only each n-th is made. */
  #turn(): void {
    this.#due += this.#sink?.room() ?? 1;
    if (this.#due < 1) return;
    this.#due = 0;
    void this.collect();
  }

  /**
   * Asks observables and producers, waits for the asynchronous ones no longer than the timeout, and writes every metric
   * into the sink. Without any, all is written when this returns. Never rejects; joins a collection that is under way.
   */
  collect(): Promise<void> {
    if (this.#collecting !== undefined) return this.#collecting;
    if (this.#reading !== undefined) return this.#reading.then(() => this.collect());
    const round = this.#beginRound();
    const pending = [...this.#observe(round), ...this.#prepare(round)];
    if (pending.length === 0) {
      this.#finish(round);
      return Promise.resolve();
    }
    this.#collecting = this.#settled(pending).then(() => {
      this.#collecting = undefined;
      this.#finish(round);
    });
    return this.#collecting;
  }

  /**
   * Asks observables and producers as a collection does, and lets `visit` see all metrics as they are now, cumulative and each
   * while it is there. What is exported is the same with it and without.
   */
  async read<T>(visit: (scopes: Iterable<ScopeMetrics>) => T): Promise<T> {
    while (this.#collecting ?? this.#reading) await (this.#collecting ?? this.#reading);
    const round = this.#beginRound();
    const pending = [...this.#observe(round), ...this.#prepare(round)];
    if (pending.length > 0) {
      this.#reading = this.#settled(pending).then(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    round.open = false;
    this.#threads?.add();
    return visit(this.#scopes(this.#clock.now()));
  }

  *#scopes(time: number): Iterable<ScopeMetrics> {
    for (const meter of this.#meters.values()) yield { scope: meter.scope, metrics: meter.read(time) };
    for (const producer of this.#producers) {
      try {
        yield* producer.collect(this.#clock, 'page');
      } catch {
        this.counters.failed++;
      }
    }
  }

  /**
   * Collects without waiting for anything: for the exit of the process. What asynchronous callbacks would observe is
   * missing; a collection under way is overtaken.
   */
  collectSync(): void {
    const round = this.#beginRound();
    this.#observe(round);
    this.#finish(round);
  }

  forceFlush(): Promise<void> {
    return this.#down ? Promise.resolve() : this.collect();
  }

  /** Collects once more, and then no longer. */
  async shutdown(): Promise<void> {
    if (this.#down) return;
    clearInterval(this.#timer);
    await this.collect();
    this.#down = true;
    this.#threads?.close();
  }

  #beginRound(): ObservationRound {
    beginWaiting();
    if (this.#round !== undefined) this.#round.open = false;
    this.#round = new ObservationRound(this.counters);
    return this.#round;
  }

  /** Callbacks run outside of whatever work called for the collection. */
  #observe(round: ObservationRound): Promise<void>[] {
    return ObservabilityContext.root.run(() =>
      [...this.#meters.values()].flatMap(meter => meter.observe(round)),
    );
  }

  #prepare(round: ObservationRound): Promise<void>[] {
    return ObservabilityContext.root.run(() => {
      const calls = [...this.#producers].map(producer => round.call(() => producer.prepare?.()));
      return calls.filter(call => call !== undefined);
    });
  }

  /** Resolves when all have settled, or time is up: what is late then counts as failed. */
  async #settled(pending: readonly Promise<void>[]): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<'late'>(resolve => {
      timer = setTimeout(resolve, this.#timeout, 'late');
      timer.unref();
    });
    const outcome = await Promise.race([Promise.all(pending), timeUp]);
    clearTimeout(timer);
    if (outcome !== 'late') return;
    this.counters.failed++;
    warnSeldom(`Metrics were collected without what had not answered within ${this.#timeout} ms.`);
  }

  /** Writes what there is, unless a later round has done so. */
  #finish(round: ObservationRound): void {
    if (!round.open || this.#down) return;
    round.open = false;
    this.#threads?.add();
    const time = this.#clock.now();
    for (const meter of this.#meters.values()) {
      meter.collect(time, metric => this.#write(meter.scope, metric));
    }
    for (const producer of this.#producers) {
      try {
        for (const { scope, metrics } of producer.collect(this.#clock)) {
          for (const metric of metrics) this.#write(scope, metric);
        }
      } catch {
        this.counters.failed++;
      }
    }
    this.#collected?.(round.seconds());
  }

  /**
   * One metric as a frame, or several when its points do not fit into one. Points that the sink has no room for are
   * lost to it, not to us: they come again with the next collection.
   *
   * @returns how many points, from the first on, the sink took or counted as dropped
   */
  #write(scope: ScopeRecord, metric: MetricRecord): number {
    const sink = this.#sink;
    let next = 0;
    while (sink !== undefined && next < metric.size) {
      const first = next;
      const writer = sink.begin(Signal.metrics, sink.scope(scope), false);
      if (writer === null) return first;
      next = encode(writer, metric, first);
      const fits = next > first;
      // A point that no frame holds goes to the sink as well, which counts it as dropped.
      if (!fits) next++;
      sink.commit(next - first);
      if (!fits && sink.room() < 1) return first;
    }
    return metric.size;
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** As {@link encodeMetric}; a point that a producer fails to make leaves a frame that does not count. */
function encode(writer: Writer, metric: MetricRecord, first: number): number {
  try {
    return encodeMetric(writer, metric, first);
  } catch (error) {
    warnSeldom(`The metric "${metric.name}" could not be read.`, error);
    writer.overflowed = true;
    return metric.size;
  }
}
