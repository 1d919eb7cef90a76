// Sums and last values of synchronous instruments: one slot per series.
import type { Attributes, Context } from '@opentelemetry/api';
import type { ExemplarRecord, GaugeRecord, NumberPoint, SumRecord } from '../transport/otlp/metrics.ts';
import { type Descriptor, MeasuredAggregation, type StreamRules } from './aggregation.ts';

/** A number per series; `integer` values lose their fraction. */
export interface NumberDescriptor extends Descriptor {
  readonly integer: boolean;
}

/** Adds up: counters and up-down counters. */
export class SumAggregation extends MeasuredAggregation implements SumRecord {
  readonly type = 'sum';
  readonly integer: boolean;
  readonly monotonic: boolean;

  constructor(descriptor: NumberDescriptor, rules: StreamRules, monotonic: boolean) {
    super(descriptor, rules, 1);
    this.integer = descriptor.integer;
    this.monotonic = monotonic;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.recordIn(this.find(attributes, context), value, context);
  }

  recordIn(series: number, value: number, context: Context | undefined): void {
    const amount = this.integer ? Math.trunc(value) : value;
    this.slots[series]! += amount;
    this.exemplars.take(series, amount, context);
  }

  merge(series: number, [now]: Float64Array, [before]: Float64Array): void {
    this.slots[series]! += now! - before!;
  }

  exemplarSlot(series: number): number {
    return series;
  }

  exemplarsOf(series: number): readonly ExemplarRecord[] {
    return this.exemplars.since(series, 1);
  }

  point(index: number): NumberPoint {
    return {
      attributes: this.series.attributes[index]!,
      startTime: this.series.startTimes[index]!,
      time: this.time,
      value: this.slots[index]!,
      exemplars: this.exemplarsOf(index),
    };
  }
}

/** Slots of a gauge: its value, and when it was set, in milliseconds since the Unix epoch. */
const VALUE = 0;
const SET_AT = 1;
const GAUGE_WIDTH = 2;

/** Keeps the last value: gauges. When it was set is kept only where several threads set it. */
export class LastValueAggregation extends MeasuredAggregation implements GaugeRecord {
  readonly type = 'gauge';
  readonly integer: boolean;
  #isShared: boolean;

  constructor(descriptor: NumberDescriptor, rules: StreamRules) {
    super(descriptor, rules, GAUGE_WIDTH);
    this.integer = descriptor.integer;
    this.#isShared = rules.memory !== undefined;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.recordIn(this.find(attributes, context), value, context);
  }

  recordIn(series: number, value: number, context: Context | undefined): void {
    const first = series * GAUGE_WIDTH;
    const current = this.integer ? Math.trunc(value) : value;
    this.slots[first + VALUE] = current;
    // The clock of every thread has an anchor of its own; this one has the same for all.
    if (this.#isShared) this.slots[first + SET_AT] = performance.timeOrigin + performance.now();
    this.exemplars.take(series, current, context);
  }

  merge(series: number, now: Float64Array): void {
    this.#isShared = true;
    const first = series * GAUGE_WIDTH;
    if (now[SET_AT]! >= this.slots[first + SET_AT]!) this.slots.set(now, first);
  }

  exemplarSlot(series: number): number {
    return series;
  }

  exemplarsOf(series: number): readonly ExemplarRecord[] {
    return this.exemplars.since(series, 1);
  }

  point(index: number): NumberPoint {
    return {
      attributes: this.series.attributes[index]!,
      startTime: undefined,
      time: this.time,
      value: this.slots[index * GAUGE_WIDTH + VALUE]!,
      exemplars: this.exemplarsOf(index),
    };
  }
}
