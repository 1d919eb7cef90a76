// Flushes when the process ends, in whatever way it ends, and leaves exit code, signal and output as they are.
import { isMainThread } from 'node:worker_threads';

/** Signals that end a process which does not listen for them; their default action emits no `exit`. No thread but the main one gets any. */
const SIGNALS = isMainThread ? (['SIGTERM', 'SIGINT', 'SIGHUP'] as const) : [];
type Signal = (typeof SIGNALS)[number];

/**
 * Calls `flushSync` when the process exits: at its natural end, by `process.exit()`, by an uncaught exception or an
 * unhandled rejection (all of which emit `exit`), or by a signal that nobody else listens for. Such a signal is raised
 * again after the flush, so that its default action ends the process with the status that it always has. In a worker
 * thread it is the end of the thread.
 *
 * While the application, or another library, listens for a signal, the listener of this module is not there: what
 * counts listeners to decide whether to exit counts right, and what the application does about the signal is its own
 * affair.
 *
 * @param flushSync blocks at most so many milliseconds; an exception from it is swallowed
 * @param timeoutMs of all its calls together
 * @returns takes all listeners off again
 */
export function flushAtExit(flushSync: (timeoutMs: number) => void, timeoutMs: number): () => void {
  let leftMs = timeoutMs;
  const flush = (): void => {
    const begun = performance.now();
    try {
      flushSync(leftMs);
    } catch {
      // The process is ending; its own outcome is the only one that counts.
    }
    leftMs = Math.max(0, leftMs - (performance.now() - begun));
  };
  const watches = SIGNALS.map(signal => new SignalWatch(signal, flush));
  const exit = new ExitWatch(flush);
  return () => {
    exit.dispose();
    for (const watch of watches) watch.dispose();
  };
}

type ReallyExit = (code?: number) => void;

/**
 * Flushes behind the last listener of `exit`, for what the listeners make is to be delivered too, such as a last line of log.
 * Any of them may end the process there and then, by `process.exit()` or an exception: then that is the last moment.
 */
class ExitWatch {
  readonly #flush: () => void;
  #disposed = false;
  /** Nobody's listener follows any more. */
  #isOver = false;

  constructor(flush: () => void) {
    this.#flush = flush;
    process.on('exit', this.#before);
    process.on('newListener', this.#added);
  }

  dispose(): void {
    this.#disposed = true;
    process.off('newListener', this.#added);
    process.off('exit', this.#before);
    process.off('exit', this.#behind);
  }

  readonly #before = (): void => {
    if (process.listeners('exit').at(-1) === this.#before) return this.#flush();
    process.on('uncaughtExceptionMonitor', this.#flushUnlessOver);
    this.#flushBeforeReallyExit();
  };

  readonly #behind = (): void => {
    this.#flush();
    this.#isOver = process.listeners('exit').at(-1) === this.#behind;
  };

  readonly #flushUnlessOver = (): void => {
    if (!this.#isOver) this.#flush();
  };

  /** Looked at after the present tick, when the listener is there. */
  readonly #added = (event: string | symbol, listener: unknown): void => {
    if (event === 'exit' && listener !== this.#behind) process.nextTick(this.#moveBehind);
  };

  readonly #moveBehind = (): void => {
    if (this.#disposed) return;
    process.off('exit', this.#behind);
    process.on('exit', this.#behind);
  };

  /** `process.exit()` ends with a call of that, whichever listener it comes from. */
  #flushBeforeReallyExit(): void {
    const target = process as unknown as { reallyExit: ReallyExit };
    const { reallyExit } = target;
    target.reallyExit = code => {
      this.#flushUnlessOver();
      reallyExit.call(process, code);
    };
  }
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
