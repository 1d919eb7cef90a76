// What a worker thread measures is left to the main thread, so that the process has one series of it.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  getEnvironmentData,
  isMainThread,
  setEnvironmentData,
  threadId,
  type Worker,
} from 'node:worker_threads';
import { type Clock, processClock } from '../context/clock.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';
import type { MeasuredMetric } from './aggregation.ts';
import { SharedMemory } from './shared-memory.ts';
import { SharedStream } from './shared-stream.ts';
import { type StreamNews, tell } from './thread-news.ts';

/** What a thread inherits where the main thread adds up: the ID of the one that started it. */
const PARENT = 'tricord.metrics';

/** Lets the threads that this one starts know that the main thread adds up, and tells `ended` of each that has ended. */
export class SharingThreads {
  readonly #ended: (thread: number) => void;
  readonly #isOwn: () => boolean;
  readonly #begins: () => void;

  /**
   * @param isOwn whether a thread that is being started is none of the application's
   * @param begins called when one is started
   */
  constructor(
    ended: (thread: number) => void,
    isOwn: () => boolean = () => false,
    begins: () => void = () => {},
  ) {
    this.#ended = ended;
    this.#isOwn = isOwn;
    this.#begins = begins;
    setEnvironmentData(PARENT, threadId);
    subscribe('worker_threads', this.#started);
  }

  readonly #started = (message: unknown): void => {
    if (this.#isOwn()) return;
    this.#begins();
    const { worker } = message as { readonly worker: Worker };
    const thread = worker.threadId;
    worker.once('exit', () => this.#ended(thread));
  };

  close(): void {
    unsubscribe('worker_threads', this.#started);
    setEnvironmentData(PARENT, undefined);
  }
}

/** The end of a worker thread. */
export class ThreadShare {
  readonly #parent: number;
  readonly #clock: Clock;
  readonly #threads: SharingThreads;

  constructor(parent: number, clock: Clock = processClock) {
    this.#parent = parent;
    this.#clock = clock;
    this.#threads = new SharingThreads(thread => tell({ kind: 'ended', thread }));
  }

  /** Undefined in the main thread, and where that does not add up. */
  static find(): ThreadShare | undefined {
    const parent = isMainThread ? undefined : getEnvironmentData(PARENT);
    return typeof parent === 'number' ? new ThreadShare(parent) : undefined;
  }

  memoryFor(scope: ScopeRecord, told: Pick<StreamNews, 'instrument' | 'metric'>): SharedMemory {
    return new SharedMemory({ thread: threadId, parent: this.#parent, scope, ...told }, this.#clock);
  }

  stream(aggregation: MeasuredMetric, memory: SharedMemory, cardinalityLimit: number): SharedStream {
    return new SharedStream(aggregation, memory, this.#clock, cardinalityLimit);
  }

  /** Has the main thread deliver all that was measured; false when it could not within the time. Keeps the thread alive meanwhile. */
  async flush(timeoutMs: number): Promise<boolean> {
    const answer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const word = new Int32Array(answer);
    tell({ kind: 'flush', answer });
    const alive = setTimeout(() => {}, timeoutMs);
    await Atomics.waitAsync(word, 0, 0, timeoutMs).value;
    clearTimeout(alive);
    return Atomics.load(word, 0) === 1;
  }

  close(): void {
    this.#threads.close();
  }
}
