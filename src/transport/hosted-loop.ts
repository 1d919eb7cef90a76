// The loop of a thread that has no transport thread of its own: offered to that of the main thread, which runs it.
import { type BroadcastChannel, threadId } from 'node:worker_threads';
import { type Control, NOBODY, Word } from './control.ts';
import type { DeliveryOptions } from './delivery.ts';
import { joinThreads, type ThreadMessage } from './thread-messages.ts';

export interface HostedLoopOptions {
  readonly control: Control;
  readonly parent: number;
  readonly flushTimeoutMs: number;
  /** What the loop needs, as things are now. */
  delivery(): DeliveryOptions;
  /** The thread that ran the loop is gone, and what it held with it; another one is there. */
  lost(): void;
  /** Puts into the ring what is gathered elsewhere. */
  collect(): void;
}

/**
 * The word `owner` decides who runs the loop: whoever changes it from {@link NOBODY} does. What lies in the ring outlives
 * the thread that put it there, however that ends.
 */
export class HostedLoop {
  readonly #options: HostedLoopOptions;
  readonly #channel: BroadcastChannel;

  constructor(options: HostedLoopOptions) {
    this.#options = options;
    this.#channel = joinThreads(message => this.#receive(message));
    this.#offer();
  }

  /** This thread needs it no longer; what is in the ring is delivered. */
  leave(): void {
    this.#tell({ kind: 'left', thread: threadId });
    this.#channel.close();
  }

  #receive(message: ThreadMessage): void {
    if (message.kind === 'collect') this.#collect();
    if (message.kind !== 'open') return;
    const { words } = this.#options.control;
    const owner = Atomics.load(words, Word.owner);
    if (owner === message.host) return;
    if (owner !== NOBODY) {
      this.#options.lost();
      Atomics.store(words, Word.owner, NOBODY);
    }
    this.#offer();
  }

  #collect(): void {
    this.#options.collect();
    const { words } = this.#options.control;
    Atomics.add(words, Word.collections, 1);
    Atomics.notify(words, Word.collections);
  }

  #offer(): void {
    const { parent, flushTimeoutMs, delivery } = this.#options;
    this.#tell({ kind: 'offer', thread: threadId, parent, flushTimeoutMs, options: delivery() });
  }

  #tell(message: ThreadMessage): void {
    this.#channel.postMessage(message);
  }
}
