// The instruments whose values callbacks observe, once per collection.
import type {
  Attributes,
  BatchObservableCallback,
  BatchObservableResult,
  Observable,
  ObservableCallback,
  ObservableResult,
} from '@opentelemetry/api';
import type { MetricCounters } from './metric-counters.ts';
import type { ObservedAggregation } from './observed-aggregation.ts';

/** One collection's observations. When it has been read, what a late callback still observes is ignored. */
export class ObservationRound {
  open = true;
  readonly #began: number = performance.now();
  readonly #counters: MetricCounters;

  constructor(counters: MetricCounters) {
    this.#counters = counters;
  }

  /** Since it began. */
  seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** Takes one observation; never throws. */
  take(instrument: ObservableInstrument, value: number, attributes: Attributes | undefined): void {
    if (!this.open) return;
    if (!Number.isFinite(value)) {
      this.#counters.invalid++;
      return;
    }
    try {
      for (const aggregation of instrument.aggregations) aggregation.observe(value, attributes);
    } catch {
      this.#counters.rejected++;
    }
  }

  /** Calls back; resolves or rejects like the callback, or is undefined when that is done already. Counts what fails. */
  call(callback: () => void | Promise<void>): Promise<void> | undefined {
    try {
      const result: unknown = callback();
      if (typeof (result as Promise<void> | undefined)?.then !== 'function') return undefined;
      return Promise.resolve(result as Promise<void>).catch(() => {
        this.#counters.failed++;
      });
    } catch {
      this.#counters.failed++;
      return undefined;
    }
  }
}

/** An observable counter, up-down counter or gauge: the aggregations, of which views may make none or several, say which. */
export class ObservableInstrument implements Observable {
  readonly aggregations: readonly ObservedAggregation[];
  readonly #callbacks = new Set<ObservableCallback>();

  constructor(aggregations: readonly ObservedAggregation[]) {
    this.aggregations = aggregations;
  }

  addCallback(callback: ObservableCallback): void {
    if (typeof callback === 'function') this.#callbacks.add(callback);
  }

  removeCallback(callback: ObservableCallback): void {
    this.#callbacks.delete(callback);
  }

  beginRound(): void {
    for (const aggregation of this.aggregations) aggregation.beginRound();
  }

  /** Whether anybody takes what is observed. */
  get isUsed(): boolean {
    return this.aggregations.length > 0;
  }

  /** Calls every callback, if what they observe is used; returns what is still under way. */
  observe(round: ObservationRound): (Promise<void> | undefined)[] {
    if (!this.isUsed) return [];
    const result: ObservableResult = {
      observe: (value, attributes) => round.take(this, value, attributes),
    };
    return [...this.#callbacks].map(callback => round.call(() => callback(result)));
  }
}

/** A callback that observes several instruments of one meter. */
export class BatchObservation {
  readonly callback: BatchObservableCallback;
  readonly instruments: ReadonlySet<Observable>;

  constructor(callback: BatchObservableCallback, instruments: readonly Observable[]) {
    this.callback = callback;
    this.instruments = new Set(instruments);
  }

  /** The same callback for the same instruments, in whatever order. */
  matches(callback: BatchObservableCallback, instruments: readonly Observable[]): boolean {
    const { size } = new Set(instruments);
    return (
      this.callback === callback &&
      size === this.instruments.size &&
      instruments.every(instrument => this.instruments.has(instrument))
    );
  }

  /** Observations of instruments that the callback was not registered for are ignored. */
  observe(round: ObservationRound): Promise<void> | undefined {
    if (![...this.instruments].some(each => each instanceof ObservableInstrument && each.isUsed))
      return undefined;
    const result: BatchObservableResult = {
      observe: (instrument, value, attributes) => {
        const known = instrument instanceof ObservableInstrument && this.instruments.has(instrument);
        if (known) round.take(instrument, value, attributes);
      },
    };
    return round.call(() => this.callback(result));
  }
}
