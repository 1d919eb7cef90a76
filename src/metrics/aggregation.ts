// What every aggregation has: its metric's description, its series, its exemplars, and the time it is read at.
import type { Attributes, Context } from '@opentelemetry/api';
import { Labels } from '../context/labels.ts';
import { AggregationTemporality } from '../transport/otlp/metrics.ts';
import { type ExemplarRules, ExemplarSlots } from './exemplar-slots.ts';
import { measuredUnder } from './measurement-context.ts';
import { type SeriesBounds, SeriesIndex } from './series-index.ts';

/** How an instrument presents itself on the wire. */
export interface Descriptor {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
}

/** What the aggregations of one provider share. */
export interface AggregationRules {
  readonly bounds: SeriesBounds;
  readonly exemplars: ExemplarRules;
  readonly clock: { now(): number };
}

/**
 * Measurements are aggregated where they are made: slots of flat typed arrays, `width` of them per series, that grow by
 * doubling and are never given back. Values are cumulative since `startTime`.
 */
export abstract class Aggregation {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly temporality: AggregationTemporality = AggregationTemporality.cumulative;
  protected readonly exemplars: ExemplarSlots;
  protected readonly startTime: number;
  protected series: SeriesIndex;
  /** Nanoseconds since the anchor: when the values were read. */
  protected time = 0;
  readonly #rules: AggregationRules;

  constructor(descriptor: Descriptor, rules: AggregationRules) {
    this.name = descriptor.name;
    this.description = descriptor.description;
    this.unit = descriptor.unit;
    this.#rules = rules;
    this.startTime = rules.clock.now();
    this.series = new SeriesIndex(rules.bounds);
    this.exemplars = new ExemplarSlots(rules.exemplars);
  }

  get size(): number {
    return this.series.count;
  }

  /** The labels that the series of a measurement depends on; where none becomes an attribute, no context is looked for. */
  labelsUnder(context: Context | undefined): Labels {
    return this.#rules.bounds.labels.length === 0 ? Labels.empty : measuredUnder(context).labels;
  }

  /** Sets the time that points are read at. */
  readAt(time: number): void {
    this.time = time;
  }

  /** Ends the interval, after its points have been written. */
  advance(): void {
    this.exemplars.advance();
  }

  /** Forgets all series. */
  protected clear(): void {
    this.series = new SeriesIndex(this.#rules.bounds);
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
