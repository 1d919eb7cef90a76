// Keeps, per slot, the last measurement of the interval that may serve as an exemplar.
import type { SpanIdentity } from '../context/identity.ts';
import { Labels } from '../context/labels.ts';
import type { ObservabilityContext } from '../context/observability-context.ts';
import type { ExemplarRecord } from '../transport/otlp/metrics.ts';
import type { AttributeList } from '../transport/otlp/record.ts';

/** Which measurements may become exemplars (`OTEL_METRICS_EXEMPLAR_FILTER`). */
export type ExemplarFilter = 'trace_based' | 'always_on' | 'always_off';

/** Reused in place; it keeps an identity and labels, both small and immutable, and never a context or a span. */
class Slot implements ExemplarRecord {
  interval = -1;
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

/** Slots are numbered by the aggregation: one per series, or one per bucket of each series. */
export class ExemplarSlots {
  readonly #rules: ExemplarRules;
  readonly #slots: (Slot | undefined)[] = [];
  #interval = 0;
  #taken = 0;

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
    const slot = this.#slots[index] ?? this.#newSlot(index);
    slot.interval = this.#interval;
    slot.value = value;
    slot.time = this.#rules.clock.now();
    slot.identity = context.identity;
    slot.labels = context.labels;
    this.#taken++;
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
    if (this.#taken === 0) return none;
    const found: Slot[] = [];
    for (let index = first; index < first + count; index++) {
      const slot = this.#slots[index];
      if (slot === undefined || slot.interval !== this.#interval) continue;
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
    this.#interval++;
    this.#taken = 0;
  }
}
