// Items counted by the receiver that took them and their signal.
import type { Signal } from 'tricord/otlp';

export interface TallyEntry {
  /** Component id of the receiver; empty when it is not known. */
  readonly source: string;
  readonly signal: Signal;
  readonly items: number;
}

export class Tally {
  /** By the source, then at the signal's number. */
  readonly #counts = new Map<string, number[]>();

  add(source: string | undefined, signal: Signal, items: number): void {
    const key = source ?? '';
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      counts = [0, 0, 0, 0];
      this.#counts.set(key, counts);
    }
    counts[signal]! += items;
  }

  of(source: string | undefined, signal: Signal): number {
    return this.#counts.get(source ?? '')?.[signal] ?? 0;
  }

  /** Adds all of another one, or takes it away with -1. */
  merge(other: Tally, factor: 1 | -1 = 1): this {
    for (const { source, signal, items } of other.entries()) this.add(source, signal, factor * items);
    return this;
  }

  /** What has ever been counted, zeros included. */
  *entries(): Generator<TallyEntry> {
    for (const [source, counts] of this.#counts) {
      for (const [signal, items] of counts.entries()) {
        if (signal > 0) yield { source, signal: signal as Signal, items };
      }
    }
  }
}
