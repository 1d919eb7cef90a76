// Keeps, per slot, one measurement of the interval as an exemplar: each that may serve with the same chance.
import type { Attributes, Context } from '@opentelemetry/api';
import { randomWord } from '../context/identity.ts';
import { Labels } from '../context/labels.ts';
import type { ObservabilityContext } from '../context/observability-context.ts';
import type { ExemplarRecord } from '../transport/otlp/metrics.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import type { IdWords } from '../transport/otlp/trace.ts';
import { measuredUnder } from './measurement-context.ts';
import { grown } from './slots.ts';

/** Which measurements may become exemplars (`OTEL_METRICS_EXEMPLAR_FILTER`). */
export type ExemplarFilter = 'trace_based' | 'always_on' | 'always_off';

/** Reused in place; it keeps an identity and labels, both small and immutable, and never a context or a span. */
class Slot implements ExemplarRecord {
  value = 0;
  time = 0;
  identity: IdWords | undefined;
  labels: Labels = Labels.empty;
  /** Attributes of the measurement that a view left out. */
  rest: AttributeList | undefined;
  filteredAttributes: AttributeList | undefined;
}

const none: readonly ExemplarRecord[] = [];

/** What the slots of one stream have in common. */
export interface ExemplarRules {
  readonly filter: ExemplarFilter;
  /** What of a measurement's attributes its series does not say. */
  readonly rest?: ((attributes: Attributes) => AttributeList) | undefined;
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
 * All measurements are counted, and only of one that is due the context is looked at: when it may not serve, its turn passes to
 * the next one that may, so that a slot is empty only when none may. Where the order says nothing of who may serve, as of who is
 * sampled, the chances of those who may stay the same but for the first and the last of an interval.
 *
 * Invariant: where `next` is 0 the slot is empty; the next one to be kept is due when `seen` has reached `next`.
 */
export class ExemplarSlots {
  /** All attributes of the measurement under way, where a view leaves out some. */
  measured: Attributes | undefined;
  /** Whether slots show what they had before the interval, too, while nothing is in its place. */
  lasting = false;
  readonly #rules: ExemplarRules;
  readonly #slots: (Slot | undefined)[] = [];
  #seen = new Float64Array(SLOTS_MIN);
  #next = new Float64Array(SLOTS_MIN);
  #empty = true;

  constructor(rules: ExemplarRules) {
    this.#rules = rules;
  }

  /** @param context of the measurement; undefined for the active one */
  take(index: number, value: number, context: Context | undefined): void {
    if (this.#rules.filter === 'always_off') return;
    if (index >= this.#seen.length) this.#grow(index);
    const seen = this.#seen[index]! + 1;
    this.#seen[index] = seen;
    if (seen >= this.#next[index]!) this.#offer(index, seen, value, measuredUnder(context));
  }

  #offer(index: number, seen: number, value: number, context: ObservabilityContext): void {
    if (this.#rules.filter === 'trace_based' && context.identity?.sampled !== true) return;
    const slot = this.#slotFor(index, seen);
    slot.value = value;
    slot.time = this.#rules.clock.now();
    slot.identity = context.identity;
    slot.labels = context.labels;
    slot.rest = this.measured && this.#rules.rest?.(this.measured);
  }

  /** Takes what another thread has kept; where there is one already, either stays. */
  put(index: number, { value, time, identity, filteredAttributes }: ExemplarRecord): void {
    if (this.#rules.filter === 'always_off') return;
    if (index >= this.#seen.length) this.#grow(index);
    const seen = this.#seen[index]! + 1;
    this.#seen[index] = seen;
    if (this.#next[index] !== 0 && randomWord() < 0) return;
    const slot = this.#slotFor(index, seen);
    slot.value = value;
    slot.time = time;
    slot.identity = identity;
    slot.labels = Labels.empty;
    slot.rest = filteredAttributes;
  }

  /** Whether there is none in this interval. */
  get isEmpty(): boolean {
    return this.#empty;
  }

  /** The slot, to keep the measurement that is the `seen`-th; draws which one will be the next. */
  #slotFor(index: number, seen: number): Slot {
    // The chance that none of those up to the n-th is kept is seen / n.
    this.#next[index] = Math.floor((seen * TWO_32) / ((randomWord() >>> 0) + 1)) + 1;
    this.#empty = false;
    return this.#slots[index] ?? this.#newSlot(index);
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

  /** The exemplars that there are in `count` slots from `first` on. */
  since(first: number, count: number): readonly ExemplarRecord[] {
    if (this.#empty && !this.lasting) return none;
    const found: Slot[] = [];
    for (let index = first; index < first + count; index++) {
      const slot = this.#slots[index];
      if (slot === undefined || (this.#next[index] === 0 && !this.lasting)) continue;
      slot.filteredAttributes = this.#filtered(slot);
      found.push(slot);
    }
    return found;
  }

  /** The labels and attributes that are not among those of the series; an attribute wins over a label of the same key. */
  #filtered({ labels, rest }: Slot): AttributeList | undefined {
    if (labels.count === 0) return rest;
    const { labels: allowed } = this.#rules;
    const ownKeys = rest?.keys ?? [];
    const keys = labels.keys.filter(key => !allowed.includes(key) && !ownKeys.includes(key));
    const values = [...keys.map(key => labels.get(key)), ...(rest?.values ?? [])];
    return { keys: [...keys, ...ownKeys], values, count: values.length };
  }

  /** Begins the next interval: exemplars are reported once. */
  advance(): void {
    this.#seen.fill(0);
    this.#next.fill(0);
    this.#empty = true;
  }
}
