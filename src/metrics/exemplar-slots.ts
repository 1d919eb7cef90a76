// Keeps, per slot, one measurement of the interval as an exemplar: each that may serve with the same chance.
import { randomWord, type SpanIdentity } from '../context/identity.ts';
import { Labels } from '../context/labels.ts';
import type { ObservabilityContext } from '../context/observability-context.ts';
import type { ExemplarRecord } from '../transport/otlp/metrics.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import { grown } from './slots.ts';

/** Which measurements may become exemplars (`OTEL_METRICS_EXEMPLAR_FILTER`). */
export type ExemplarFilter = 'trace_based' | 'always_on' | 'always_off';

/** Reused in place; it keeps an identity and labels, both small and immutable, and never a context or a span. */
class Slot implements ExemplarRecord {
  value = 0;
  time = 0;
  identity: SpanIdentity | undefined;
  labels: Labels = Labels.empty;
  filteredAttributes: AttributeList | undefined;
}

const none: readonly ExemplarRecord[] = [];

/** What the slots of one provider have in common. */
export interface ExemplarRules {
  readonly filter: ExemplarFilter;
  /** Labels that are attributes of the series already, and so do not appear in its exemplars. */
  readonly labels: readonly string[];
  readonly clock: { now(): number };
}

const TWO_32 = 2 ** 32;
const SLOTS_MIN = 16;

/**
 * Slots are numbered by the aggregation: one per series, or one per bucket of each series. Each is a reservoir of one: of n
 * measurements the slot keeps the k-th with probability 1 / n, and draws beforehand which one will be the next to stay, so
 * that the others cost a count (metrics SDK specification, "SimpleFixedSizeExemplarReservoir"; Vitter's algorithm R).
 *
 * Invariant: where `seen` is 0 the slot is empty; the next measurement to be kept is the one that `seen` counts `next`.
 */
export class ExemplarSlots {
  readonly #rules: ExemplarRules;
  readonly #slots: (Slot | undefined)[] = [];
  #seen = new Float64Array(SLOTS_MIN);
  #next = new Float64Array(SLOTS_MIN);
  #empty = true;

  constructor(rules: ExemplarRules) {
    this.#rules = rules;
  }

  /** Whether a measurement under `context` may become an exemplar. */
  wants(context: ObservabilityContext): boolean {
    const { filter } = this.#rules;
    if (filter === 'trace_based') return context.identity?.sampled === true;
    return filter === 'always_on';
  }

  take(index: number, value: number, context: ObservabilityContext): void {
    if (index >= this.#seen.length) this.#grow(index);
    const seen = this.#seen[index]! + 1;
    this.#seen[index] = seen;
    if (seen >= this.#next[index]!) this.#keep(index, seen, value, context);
  }

  #keep(index: number, seen: number, value: number, context: ObservabilityContext): void {
    const slot = this.#slots[index] ?? this.#newSlot(index);
    slot.value = value;
    slot.time = this.#rules.clock.now();
    slot.identity = context.identity;
    slot.labels = context.labels;
    // The chance that none of those up to the n-th is kept is seen / n.
    this.#next[index] = Math.floor((seen * TWO_32) / ((randomWord() >>> 0) + 1)) + 1;
    this.#empty = false;
  }

  #grow(index: number): void {
    this.#seen = grown(this.#seen, index + 1);
    this.#next = grown(this.#next, index + 1);
  }

  /** Fills up to `index`, so that the array stays dense. */
  #newSlot(index: number): Slot {
    while (this.#slots.length < index) this.#slots.push(undefined);
    const slot = new Slot();
    this.#slots[index] = slot;
    return slot;
  }

  /** The exemplars that the interval has in `count` slots from `first` on. */
  since(first: number, count: number): readonly ExemplarRecord[] {
    if (this.#empty) return none;
    const found: Slot[] = [];
    for (let index = first; index < first + count; index++) {
      const slot = this.#slots[index];
      if (slot === undefined || this.#seen[index] === 0) continue;
      slot.filteredAttributes = this.#filtered(slot.labels);
      found.push(slot);
    }
    return found;
  }

  #filtered(labels: Labels): AttributeList | undefined {
    if (labels.count === 0) return undefined;
    const { labels: allowed } = this.#rules;
    const keys = labels.keys.filter(key => !allowed.includes(key));
    return { keys, values: keys.map(key => labels.get(key)), count: keys.length };
  }

  /** Begins the next interval: exemplars are reported once. */
  advance(): void {
    this.#seen.fill(0);
    this.#next.fill(0);
    this.#empty = true;
  }
}
