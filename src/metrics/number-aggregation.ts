// Sums and last values of synchronous instruments: one slot per series.
import type { Attributes, Context } from '@opentelemetry/api';
import type { GaugeRecord, NumberPoint, SumRecord } from '../transport/otlp/metrics.ts';
import { Aggregation, type Descriptor, type Recorder, type StreamRules } from './aggregation.ts';
import { grown, moveToFront } from './slots.ts';

const SERIES_MIN = 4;

/** A number per series; `integer` values lose their fraction. */
export interface NumberDescriptor extends Descriptor {
  readonly integer: boolean;
}

export abstract class NumberAggregation extends Aggregation {
  readonly integer: boolean;
  protected values: Float64Array = new Float64Array(SERIES_MIN);

  constructor(descriptor: NumberDescriptor, rules: StreamRules) {
    super(descriptor, rules);
    this.integer = descriptor.integer;
  }

  protected override forget(count: number): void {
    moveToFront(this.values, 1, count, this.size);
    super.forget(count);
  }
}

/** Adds up: counters and up-down counters. */
export class SumAggregation extends NumberAggregation implements Recorder, SumRecord {
  readonly type = 'sum';
  readonly monotonic: boolean;

  constructor(descriptor: NumberDescriptor, rules: StreamRules, monotonic: boolean) {
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
    return {
      attributes: this.series.attributes[index]!,
      startTime: this.series.startTimes[index]!,
      time: this.time,
      value: this.values[index]!,
      exemplars: this.exemplars.since(index, 1),
    };
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
    return {
      attributes: this.series.attributes[index]!,
      startTime: undefined,
      time: this.time,
      value: this.values[index]!,
      exemplars: this.exemplars.since(index, 1),
    };
  }
}
