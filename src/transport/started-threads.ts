// The threads that this one starts: lets them know that they are served, and the transport thread what becomes of them.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type BroadcastChannel,
  getEnvironmentData,
  isMainThread,
  setEnvironmentData,
  threadId,
  type Worker,
} from 'node:worker_threads';
import { hearNow, joinThreads, type ThreadMessage } from './thread-messages.ts';

/** What a thread inherits when it is served: the ID of the one that started it. */
const PARENT = 'tricord.parent';

/** The thread that started this one, when the main thread's transport thread serves this one; else undefined. */
export function servedParent(): number | undefined {
  if (isMainThread) return undefined;
  const parent = getEnvironmentData(PARENT);
  return typeof parent === 'number' ? parent : undefined;
}

/**
 * A transport thread may not be there yet when a thread offers its loop to it, and that thread may have ended when it is.
 * So the main thread keeps a channel from before its first thread begins, and relays what it hears.
 */
export class StartedThreads {
  readonly #isOwn: () => boolean;
  readonly #relay: (message: ThreadMessage) => void;
  #channel: BroadcastChannel | undefined;

  /**
   * @param isOwn whether a thread that is being started is none of the application's
   * @param relay gets, in the main thread, all that is told between threads
   */
  constructor(isOwn: () => boolean, relay: (message: ThreadMessage) => void) {
    this.#isOwn = isOwn;
    this.#relay = isMainThread ? relay : () => {};
    setEnvironmentData(PARENT, threadId);
    subscribe('worker_threads', this.#started);
  }

  /** Whether there has been one. */
  get any(): boolean {
    return this.#channel !== undefined;
  }

  /** Relays what has been told and not been heard yet: for when the event loop does not turn any more. */
  relayNow(): void {
    if (this.#channel !== undefined) hearNow(this.#channel, this.#relay);
  }

  close(): void {
    unsubscribe('worker_threads', this.#started);
    setEnvironmentData(PARENT, undefined);
    this.#channel?.close();
    this.#channel = undefined;
  }

  readonly #started = (message: unknown): void => {
    if (this.#isOwn()) return;
    this.#channel ??= joinThreads(this.#relay);
    const { worker } = message as { readonly worker: Worker };
    const thread = worker.threadId;
    worker.once('exit', () => this.#ended(thread));
  };

  /** Behind all that the thread has told itself. */
  #ended(thread: number): void {
    this.relayNow();
    const message = { kind: 'ended', thread } as const;
    this.#relay(message);
    this.#channel?.postMessage(message);
  }
}
