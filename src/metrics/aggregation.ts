// What every aggregation has: its metric's description, its series, its exemplars, and the interval it is read for.
import type { Attributes, Context } from '@opentelemetry/api';
import { Labels } from '../context/labels.ts';
import { AggregationTemporality, type ExemplarRecord, type MetricRecord } from '../transport/otlp/metrics.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import type { AttributeFilter } from './attribute-filter.ts';
import { type ExemplarRules, ExemplarSlots } from './exemplar-slots.ts';
import { measuredUnder } from './measurement-context.ts';
import { warnOfOverflow } from './overflow-warning.ts';
import { type SeriesBounds, SeriesIndex } from './series-index.ts';
import { moveToFront, ownMemory, type SlotMemory } from './slots.ts';

/** How a stream presents itself on the wire. */
export interface Descriptor {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
}

/** What the aggregation of one stream goes by. */
export interface StreamRules {
  readonly bounds: SeriesBounds;
  readonly exemplars: ExemplarRules;
  readonly clock: { now(): number };
  readonly temporality: AggregationTemporality;
  /** Which attributes make a series; undefined for all. */
  readonly filter: AttributeFilter | undefined;
  /** Where the slots lie; by default in memory that only this thread sees. */
  readonly memory?: SlotMemory | undefined;
}

/**
 * Measurements are aggregated where they are made: slots of flat typed arrays, `width` of them per series, that grow by
 * doubling and are never given back.
 *
 *     cumulative: since a series' first measurement        delta: since the series' points were last written
 *     ├──────────┼──────────┼──────────▶                   ├──────────┼─ no room ┼──────────┼──▶
 *     start ─────▶                                         start ─────▶
 *     start ────────────────▶                                         start ────────────────▶
 *
 * Points are written in the order of their series, up to where the sink had no room. Under delta the first series, which were
 * written, are then forgotten, and the others keep what they have with its start: no measurement is lost or counted twice.
 */
export abstract class Aggregation {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly temporality: AggregationTemporality;
  readonly exemplars: ExemplarSlots;
  readonly series: SeriesIndex;
  protected slots: Float64Array = new Float64Array(0);
  /** Slots of a series. */
  readonly width: number;
  /** Nanoseconds since the anchor: when the values were read. */
  protected time = 0;
  /** Nanoseconds since the anchor: when they were read before, or the instrument was made. */
  protected intervalStart: number;
  readonly #rules: StreamRules;

  constructor({ name, description, unit }: Descriptor, rules: StreamRules, width: number) {
    this.width = width;
    this.name = name;
    this.description = description;
    this.unit = unit;
    this.temporality = rules.temporality;
    this.intervalStart = rules.clock.now();
    this.#rules = rules;
    this.exemplars = new ExemplarSlots(rules.exemplars);
    this.series = new SeriesIndex(rules.bounds, {
      begins: series => this.#begins(series),
      overflows: sets => warnOfOverflow(name, rules.bounds.cardinalityLimit, sets),
    });
  }

  get size(): number {
    return this.series.count;
  }

  protected get isDelta(): boolean {
    return this.temporality === AggregationTemporality.delta;
  }

  /** Makes room for a series; returns its start time. */
  #begins(series: number): number {
    const { memory = ownMemory, clock } = this.#rules;
    const end = (series + 1) * this.width;
    const before = this.slots.length;
    if (end > before) {
      this.slots = memory.grown(this.slots, end, this.width);
      this.clear(before);
    }
    memory.begins(this.series.attributes[series]!);
    return this.isDelta ? this.intervalStart : clock.now();
  }

  /** The number of the series of a measurement. May throw what a getter of `attributes` throws. */
  find(attributes: Attributes | undefined, context: Context | undefined): number {
    return this.series.find(attributes, this.labelsUnder(context));
  }

  /** The number of a series that another thread has; it began there. */
  seriesNamed(name: string, attributes: AttributeList, startTime: number): number {
    const { size } = this;
    const series = this.series.findNamed(name, attributes);
    if (series === size && !this.isDelta) this.series.startTimes[series] = startTime;
    return series;
  }

  /** The labels that the series of a measurement depends on; where none becomes an attribute, no context is looked for. */
  labelsUnder(context: Context | undefined): Labels {
    return this.#rules.bounds.labels.length === 0 ? Labels.empty : measuredUnder(context).labels;
  }

  /** Sets the time that points are read at. */
  readAt(time: number): void {
    this.time = time;
  }

  /** Ends the interval, after its first `written` points have been written. */
  advance(written: number): void {
    this.intervalStart = this.time;
    if (this.isDelta) {
      if (written === 0) return;
      this.forget(written);
    }
    this.exemplars.advance();
  }

  /** Forgets the first `count` series. */
  protected forget(count: number): void {
    this.clear(moveToFront(this.slots, this.width, count, this.size));
    this.series.forget(count);
  }

  /** Forgets everything, the memory included. */
  restart(): void {
    this.series.forget(this.size);
    this.slots = new Float64Array(0);
  }

  /** Gives slots, which are 0 from `_from` on, the values that they have before the first measurement. */
  protected clear(_from: number): void {}
}

/** An aggregation that measurements are added to one by one. May throw what a getter of `attributes` throws. */
export interface Recorder {
  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void;
}

/** A recorder whose series may be looked up beforehand. */
export interface SeriesRecorder extends Recorder {
  labelsUnder(context: Context | undefined): Labels;
  /** The series that these attributes have outside of any labels; -1 while there is none of their own. */
  seriesOf(attributes: Attributes): number;
  recordIn(series: number, value: number, context: Context | undefined): void;
}

/** An aggregation of measurements: of this thread, and of others, which have aggregated theirs in the same way. */
export abstract class MeasuredAggregation extends Aggregation implements SeriesRecorder {
  abstract record(value: number, attributes: Attributes | undefined, context: Context | undefined): void;
  abstract recordIn(series: number, value: number, context: Context | undefined): void;
  /**
   * Adds what another thread has measured.
   *
   * @param now the slots of the series there
   * @param before what of them has been added already
   */
  abstract merge(series: number, now: Float64Array, before: Float64Array): void;
  /** Which of the exemplars' slots a measurement belongs to. */
  abstract exemplarSlot(series: number, value: number): number;
  /** Those of the interval. */
  abstract exemplarsOf(series: number): readonly ExemplarRecord[];

  /** Valid until the next measurement. */
  slotsOf(series: number): Float64Array {
    return this.slots.subarray(series * this.width, (series + 1) * this.width);
  }

  seriesOf(attributes: Attributes): number {
    return this.series.known(attributes, Labels.empty);
  }
}

export type MeasuredMetric = MeasuredAggregation & MetricRecord;
