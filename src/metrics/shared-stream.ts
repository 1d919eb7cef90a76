// A stream of a thread whose values the main thread reads, and adds to those of its own.
import type { Attributes, Context } from '@opentelemetry/api';
import type { Clock } from '../context/clock.ts';
import type { Labels } from '../context/labels.ts';
import { AggregationTemporality, type ExemplarRecord } from '../transport/otlp/metrics.ts';
import type { MeasuredMetric, SeriesRecorder } from './aggregation.ts';
import type { SharedMemory } from './shared-memory.ts';
import { type ToldExemplar, tell } from './thread-news.ts';

/** Records with a version of the series that is odd meanwhile. */
export class SharedStream implements SeriesRecorder {
  readonly #aggregation: MeasuredMetric;
  readonly #memory: SharedMemory;
  readonly #clock: Clock;
  /** Series from which on the others are left to the main thread; infinite for none. */
  readonly #seriesMax: number;

  constructor(aggregation: MeasuredMetric, memory: SharedMemory, clock: Clock, cardinalityLimit: number) {
    this.#aggregation = aggregation;
    this.#memory = memory;
    this.#clock = clock;
    const isDelta = aggregation.temporality === AggregationTemporality.delta;
    this.#seriesMax = isDelta ? cardinalityLimit / 2 : Number.POSITIVE_INFINITY;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.recordIn(this.#aggregation.find(attributes, context), value, context);
  }

  recordIn(series: number, value: number, context: Context | undefined): void {
    const { versions } = this.#memory;
    Atomics.add(versions, series, 1);
    this.#aggregation.recordIn(series, value, context);
    Atomics.add(versions, series, 1);
  }

  seriesOf(attributes: Attributes): number {
    return this.#aggregation.seriesOf(attributes);
  }

  labelsUnder(context: Context | undefined): Labels {
    return this.#aggregation.labelsUnder(context);
  }

  /** Ends an interval: tells the exemplars; where no series is for ever, begins with none again when there are many. */
  advance(): void {
    const aggregation = this.#aggregation;
    if (!aggregation.exemplars.isEmpty) this.#tellExemplars();
    aggregation.exemplars.advance();
    if (aggregation.size <= this.#seriesMax) return;
    this.#memory.renew();
    aggregation.restart();
  }

  #tellExemplars(): void {
    const aggregation = this.#aggregation;
    const told = (series: number): ToldExemplar[] =>
      aggregation.exemplarsOf(series).map(each => this.#told(series, each));
    const exemplars = Array.from({ length: aggregation.size }, (_, series) => told(series)).flat();
    tell({ kind: 'exemplars', stream: this.#memory.stream, exemplars });
  }

  #told(series: number, { value, time, identity, filteredAttributes }: ExemplarRecord): ToldExemplar {
    const unixMs = this.#clock.toUnixMillis(time);
    if (identity === undefined) return { series, value, unixMs, filteredAttributes };
    // What is more than words may not be fit to be told.
    const { t0, t1, t2, t3, s0, s1 } = identity;
    return { series, value, unixMs, filteredAttributes, identity: { t0, t1, t2, t3, s0, s1 } };
  }
}
