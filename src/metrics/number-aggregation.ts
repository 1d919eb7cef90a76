// Sums and last values: one slot per series.
import type { Attributes, Context } from '@opentelemetry/api';
import { Labels } from '../context/labels.ts';
import type { GaugeRecord, NumberPoint, SumRecord } from '../transport/otlp/metrics.ts';
import { Aggregation, type AggregationRules, type Descriptor, type Recorder } from './aggregation.ts';
import { grown } from './slots.ts';

const SERIES_MIN = 4;

/** A number per series; `integer` values lose their fraction. */
export interface NumberDescriptor extends Descriptor {
  readonly integer: boolean;
}

abstract class NumberAggregation extends Aggregation {
  readonly integer: boolean;
  protected values: Float64Array = new Float64Array(SERIES_MIN);

  constructor(descriptor: NumberDescriptor, rules: AggregationRules) {
    super(descriptor, rules);
    this.integer = descriptor.integer;
  }

  protected pointOf(series: number, startTime: number | undefined): NumberPoint {
    return {
      attributes: this.series.attributes[series]!,
      startTime,
      time: this.time,
      value: this.values[series]!,
      exemplars: this.exemplars.since(series, 1),
    };
  }
}

/** Adds up: counters and up-down counters. */
export class SumAggregation extends NumberAggregation implements Recorder, SumRecord {
  readonly type = 'sum';
  readonly monotonic: boolean;

  constructor(descriptor: NumberDescriptor, rules: AggregationRules, monotonic: boolean) {
    super(descriptor, rules);
    this.monotonic = monotonic;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    const series = this.series.find(attributes, this.labelsUnder(context));
    if (series >= this.values.length) this.values = grown(this.values, series + 1);
    const amount = this.integer ? Math.trunc(value) : value;
    this.values[series]! += amount;
    this.exemplars.take(series, amount, context);
  }

  point(index: number): NumberPoint {
    return this.pointOf(index, this.startTime);
  }
}

/** Keeps the last value: gauges. */
export class LastValueAggregation extends NumberAggregation implements Recorder, GaugeRecord {
  readonly type = 'gauge';

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    const series = this.series.find(attributes, this.labelsUnder(context));
    if (series >= this.values.length) this.values = grown(this.values, series + 1);
    const current = this.integer ? Math.trunc(value) : value;
    this.values[series] = current;
    this.exemplars.take(series, current, context);
  }

  point(index: number): NumberPoint {
    return this.pointOf(index, undefined);
  }
}

/**
 * Values that callbacks observe: only the series of the last round are reported, and an observation replaces an earlier
 * one of the same round.
 */
export class ObservedAggregation extends NumberAggregation {
  readonly type: 'sum' | 'gauge';
  readonly monotonic: boolean;

  constructor(
    descriptor: NumberDescriptor,
    rules: AggregationRules,
    type: 'sum' | 'gauge',
    monotonic: boolean,
  ) {
    super(descriptor, rules);
    this.type = type;
    this.monotonic = monotonic;
  }

  /** Starts a round: series that nobody observes any longer make room for others. */
  beginRound(): void {
    this.clear();
  }

  observe(value: number, attributes: Attributes | undefined): void {
    // Observations are made outside of any work: no labels, no span.
    const series = this.series.find(attributes, Labels.empty);
    if (series >= this.values.length) this.values = grown(this.values, series + 1);
    this.values[series] = this.integer ? Math.trunc(value) : value;
  }

  point(index: number): NumberPoint {
    return this.pointOf(index, this.type === 'sum' ? this.startTime : undefined);
  }
}
