// Long computations in short stretches: what else the process serves has its turn in between.
import { setImmediate } from 'node:timers/promises';

/** Units of work of one stretch, a unit being about one sample or one character: a few milliseconds. */
const STRETCH = 500_000;

export class Turns {
  readonly #signal: AbortSignal | undefined;
  #work = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Adds work that was done; true when it is time to {@link pass}. */
  spent(units: number): boolean {
    this.#work += units;
    return this.#work >= STRETCH;
  }

  /** Resolves when everything else had its turn. Rejects with the signal's reason when it aborted. */
  async pass(): Promise<void> {
    this.#work = 0;
    await setImmediate();
    this.#signal?.throwIfAborted();
  }
}
