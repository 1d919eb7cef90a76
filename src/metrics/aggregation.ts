// What every aggregation has: its metric's description, its series, its exemplars, and the interval it is read for.
import type { Attributes, Context } from '@opentelemetry/api';
import { Labels } from '../context/labels.ts';
import { AggregationTemporality } from '../transport/otlp/metrics.ts';
import type { AttributeFilter } from './attribute-filter.ts';
import { type ExemplarRules, ExemplarSlots } from './exemplar-slots.ts';
import { measuredUnder } from './measurement-context.ts';
import { warnOfOverflow } from './overflow-warning.ts';
import { type SeriesBounds, SeriesIndex } from './series-index.ts';

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
  protected readonly series: SeriesIndex;
  /** Nanoseconds since the anchor: when the values were read. */
  protected time = 0;
  /** Nanoseconds since the anchor: when they were read before, or the instrument was made. */
  protected intervalStart: number;
  readonly #rules: StreamRules;

  constructor({ name, description, unit }: Descriptor, rules: StreamRules) {
    this.name = name;
    this.description = description;
    this.unit = unit;
    this.temporality = rules.temporality;
    this.intervalStart = rules.clock.now();
    this.#rules = rules;
    this.exemplars = new ExemplarSlots(rules.exemplars);
    this.series = new SeriesIndex(rules.bounds, {
      startTime: () => (this.isDelta ? this.intervalStart : rules.clock.now()),
      overflows: sets => warnOfOverflow(name, rules.bounds.cardinalityLimit, sets),
    });
  }

  get size(): number {
    return this.series.count;
  }

  protected get isDelta(): boolean {
    return this.temporality === AggregationTemporality.delta;
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
    this.series.forget(count);
  }
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
