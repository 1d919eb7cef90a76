// Values that callbacks observe: totals, which delta turns into differences, or values of the moment.
import type { Attributes } from '@opentelemetry/api';
import { Labels } from '../context/labels.ts';
import { AggregationTemporality, type MetricRecord, type NumberPoint } from '../transport/otlp/metrics.ts';
import { Aggregation, type StreamRules } from './aggregation.ts';
import type { NumberDescriptor } from './number-aggregation.ts';

/** What is known of a series from earlier rounds: where its next point begins. */
interface Reported {
  readonly total: number;
  /** Nanoseconds since the anchor. */
  readonly startTime: number;
}

/**
 * Only the series of the last round are reported, and an observation replaces an earlier one of the same round. A series that
 * nobody observes for a while, as its callback failed, goes on where it was; who has been away for longest is forgotten
 * when there are more than the cardinality limit.
 */
export class ObservedAggregation extends Aggregation {
  readonly type: 'sum' | 'gauge';
  readonly integer: boolean;
  readonly monotonic: boolean;
  readonly #rules: StreamRules;
  /** By the name of the series, those that were reported last at the end. */
  readonly #reported = new Map<string, Reported>();
  /** The same by number, for the round that is read. */
  #before: readonly Reported[] = [];

  constructor(descriptor: NumberDescriptor, rules: StreamRules, type: 'sum' | 'gauge', monotonic: boolean) {
    super(descriptor, rules, 1);
    this.integer = descriptor.integer;
    this.type = type;
    this.monotonic = monotonic;
    this.#rules = rules;
  }

  /** Starts a round: series that nobody observes any longer make room for others. */
  beginRound(): void {
    this.forget(this.size);
  }

  observe(value: number, attributes: Attributes | undefined): void {
    const { filter } = this.#rules;
    const kept = filter === undefined ? attributes : filter.kept(attributes);
    // Observations are made outside of any work: no labels, no span.
    const series = this.series.find(kept, Labels.empty);
    const current = this.integer ? Math.trunc(value) : value;
    const isShared = filter !== undefined || series === this.series.overflow;
    if (isShared && this.type === 'sum') this.slots[series]! += current;
    else this.slots[series] = current;
  }

  override readAt(time: number): void {
    super.readAt(time);
    if (this.type === 'gauge') return;
    const fresh: Reported = { total: 0, startTime: this.intervalStart };
    this.#before = this.series.names().map(name => this.#reported.get(name) ?? fresh);
  }

  point(index: number): NumberPoint {
    return {
      attributes: this.series.attributes[index]!,
      startTime: this.type === 'sum' ? this.#before[index]!.startTime : undefined,
      time: this.time,
      value: this.isDelta ? this.#difference(index) : this.slots[index]!,
      exemplars: [],
    };
  }

  /** The totals themselves, whatever is exported of them. */
  totals(): MetricRecord {
    const { name, description, unit, type, integer, monotonic, size } = this;
    const point = (index: number): NumberPoint => ({ ...this.point(index), value: this.slots[index]! });
    const temporality = AggregationTemporality.cumulative;
    return { name, description, unit, type, integer, monotonic, temporality, size, point };
  }

  /** A total that falls has begun again from 0. */
  #difference(index: number): number {
    const total = this.slots[index]!;
    const { total: before } = this.#before[index]!;
    return this.monotonic && total < before ? total : total - before;
  }

  override advance(written: number): void {
    if (this.type === 'sum') this.#remember(written);
    this.intervalStart = this.time;
  }

  #remember(written: number): void {
    for (const [index, name] of this.series.names().entries()) {
      const isBehind = this.isDelta && index < written;
      this.#reported.delete(name);
      this.#reported.set(
        name,
        isBehind ? { total: this.slots[index]!, startTime: this.time } : this.#before[index]!,
      );
    }
    const excess = this.#reported.size - this.#rules.bounds.cardinalityLimit - 1;
    for (const name of [...this.#reported.keys()].slice(0, Math.max(excess, 0))) this.#reported.delete(name);
  }
}
