// A cache of bounded size: two generations, of which the older goes when the younger is full, but for what was asked for since.

/**
 *     set ─▶ young ──full──▶ old ──next time──▶ gone
 *              ▲              │
 *              └──── get ─────┘
 *
 * Invariant: no generation has more than `max` entries, so both together have at most twice as many.
 */
export class BoundedCache<Value> {
  readonly #max: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): Value | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
