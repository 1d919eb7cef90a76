// Flushes when the process ends, in whatever way it ends, and leaves exit code, signal and output as they are.

/** Signals that end a process which does not listen for them; their default action emits no `exit`. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * Calls `flushSync` once when the process exits: at its natural end, by `process.exit()`, by an uncaught exception or an
 * unhandled rejection (all of which emit `exit`), or by a signal that nobody else listens for. Such a signal is raised
 * again after the flush, so that its default action ends the process with the status that it always has.
 *
 * While the application, or another library, listens for a signal, the listener of this module is not there: what
 * counts listeners to decide whether to exit counts right, and what the application does about the signal is its own
 * affair.
 *
 * @param flushSync blocks at most `timeoutMs`; an exception from it is swallowed
 * @returns takes all listeners off again
 */
export function flushAtExit(flushSync: (timeoutMs: number) => void, timeoutMs: number): () => void {
  let flushed = false;
  const flush = (): void => {
    if (flushed) return;
    flushed = true;
    try {
      flushSync(timeoutMs);
    } catch {
      // The process is ending; its own outcome is the only one that counts.
    }
  };
  const watches = SIGNALS.map(signal => new SignalWatch(signal, flush));
  process.on('exit', flush);
  return () => {
    process.off('exit', flush);
    for (const watch of watches) watch.dispose();
  };
}

/** Listens for one signal while nobody else does. */
class SignalWatch {
  readonly #signal: Signal;
  readonly #flush: () => void;
  #disposed = false;

  constructor(signal: Signal, flush: () => void) {
    this.#signal = signal;
    this.#flush = flush;
    process.on('newListener', this.#changed);
    process.on('removeListener', this.#changed);
    this.#reconcile();
  }

  dispose(): void {
    this.#disposed = true;
    process.off('newListener', this.#changed);
    process.off('removeListener', this.#changed);
    process.off(this.#signal, this.#receive);
  }

  /**
   * Others came or went. Looked at after the present tick: `newListener` tells of a listener before it is there, and to
   * take off the only one meanwhile would make Node stop listening to the signal for good.
   */
  readonly #changed = (event: string | symbol, listener: unknown): void => {
    if (event === this.#signal && listener !== this.#receive) process.nextTick(this.#reconcile);
  };

  readonly #reconcile = (): void => {
    if (this.#disposed) return;
    const mine = process.listenerCount(this.#signal, this.#receive);
    const others = process.listenerCount(this.#signal) - mine;
    if (others > 0) process.off(this.#signal, this.#receive);
    else if (mine === 0) process.on(this.#signal, this.#receive);
  };

  readonly #receive = (): void => {
    // A listener that was added in this very tick decides; the process stays as it would without us.
    if (process.listenerCount(this.#signal) > 1) return;
    this.#flush();
    this.dispose();
    process.kill(process.pid, this.#signal);
  };
}
