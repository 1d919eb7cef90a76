// What is kept of the local roots that sampling left out: those that end in an error, or took long, as many as are allowed.
import type { Clock } from '../context/clock.ts';
import type { Pressure } from '../transport/otlp/record.ts';

const NANOS_PER_MS = 1e6;
const NANOS_PER_SECOND = 1e9;
/** Of the budget of recorded spans: what is kept comes on top of the sample, and must not become the larger part of it. */
const BUDGET_SHARE = 1 / 10;
/** Places that gather while none is taken, in seconds. */
const GATHERED_SECONDS = 10;

export interface KeepingOptions {
  /** Whether errors are kept. */
  readonly errors: boolean;
  /** From how many milliseconds on a local root is slow; 0: none is. */
  readonly slowMs: number;
  /** Recorded spans a second, of which a tenth may be kept beside. */
  readonly budget: number;
  readonly pressure: Pressure;
  readonly clock: Clock;
}

export class Keeping {
  readonly errors: boolean;
  /** Infinite when nothing is slow. */
  readonly slowNanos: number;
  readonly #perSecond: number;
  readonly #placesMax: number;
  readonly #pressure: Pressure;
  readonly #clock: Clock;
  #places: number;
  #countedAt: number;

  constructor({ errors, slowMs, budget, pressure, clock }: KeepingOptions) {
    this.errors = errors;
    this.slowNanos = slowMs > 0 ? slowMs * NANOS_PER_MS : Number.POSITIVE_INFINITY;
    this.#perSecond = budget * BUDGET_SHARE;
    this.#placesMax = Math.max(this.#perSecond * GATHERED_SECONDS, 1);
    this.#pressure = pressure;
    this.#clock = clock;
    this.#places = this.#placesMax;
    this.#countedAt = clock.elapsed();
  }

  /** Takes a place for a span that would be kept; false when there is none. They come more slowly while there is less room. */
  admit(): boolean {
    const now = this.#clock.elapsed();
    const come = ((now - this.#countedAt) / NANOS_PER_SECOND) * this.#perSecond * this.#pressure.room();
    this.#countedAt = now;
    this.#places = Math.min(this.#places + come, this.#placesMax);
    if (this.#places < 1) return false;
    this.#places--;
    return true;
  }
}
