// Delays between attempts: exponential with jitter, and short while somebody waits.
const HURRIED_MS = 100;
const HURRIED_ATTEMPTS = 2;

export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #attempts = 0;
  #hurried = 0;

  /** @param firstMs upper bound of the first delay; each further one doubles it up to `maxMs` */
  constructor(firstMs = 500, maxMs = 30_000) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Milliseconds until the next attempt. Jitter spreads agents that lost the same collector. */
  nextMs(): number {
    const ceiling = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempts++, 30));
    if (this.#hurried > 0) {
      this.#hurried--;
      return HURRIED_MS;
    }
    return ceiling / 2 + (Math.random() * ceiling) / 2;
  }

  /** The next delays are short, as often as a flush bears failures. */
  hurry(): void {
    this.#hurried = HURRIED_ATTEMPTS;
  }

  /** The peer answered: the next failure is the first one again. */
  reset(): void {
    this.#attempts = 0;
  }
}
