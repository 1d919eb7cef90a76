// The loops of other threads, which the transport thread of the main thread runs beside its own.
import { type BroadcastChannel, threadId } from 'node:worker_threads';
import { Control, NOBODY, Word } from './control.ts';
import { type DeliveryNews, openDelivery } from './delivery.ts';
import { askFlush, flushed } from './flush.ts';
import type { TransportThread } from './thread.ts';
import { hearNow, joinThreads, type LoopOffer, type ThreadMessage } from './thread-messages.ts';

/** The part of a flush's time for which a thread that is busy may keep it waiting for its metrics. */
const COLLECT_SHARE = 1 / 4;
const CLOSE_MS = 1000;

interface Hosted {
  readonly offer: LoopOffer;
  readonly control: Control;
  readonly loop: TransportThread;
  /** Its thread needs it no longer: it ends when all is delivered, or cannot be. */
  leaving: Promise<boolean> | undefined;
}

export class LoopHost {
  readonly #channel: BroadcastChannel;
  readonly #tell: (news: DeliveryNews) => void;
  readonly #loops = new Set<Hosted>();

  constructor(tell: (news: DeliveryNews) => void) {
    this.#tell = tell;
    this.#channel = joinThreads(message => this.receive(message));
    this.#channel.postMessage({ kind: 'open', host: threadId });
  }

  /** Of what is told twice, the second is ignored. */
  receive(message: ThreadMessage): void {
    if (message.kind === 'offer') this.#take(message);
    else if (message.kind === 'left') this.#left(message.thread);
    else if (message.kind === 'ended') this.#ended(message.thread);
  }

  /** Has every thread put its metrics into its ring, and delivers what lies in all of them; false when it could not. */
  async flush(): Promise<boolean> {
    hearNow(this.#channel, message => this.receive(message));
    await this.#collect();
    const answers = await Promise.all([...this.#loops].map(hosted => hosted.leaving ?? deliver(hosted)));
    return answers.every(Boolean);
  }

  /** Ends all loops; what is not delivered stays so. */
  async close(withinMs: number): Promise<void> {
    this.#channel.close();
    await Promise.all([...this.#loops].map(({ loop }) => loop.stop(withinMs)));
  }

  #take(offer: LoopOffer): void {
    const control = new Control(offer.options.memory);
    if (Atomics.compareExchange(control.words, Word.owner, NOBODY, threadId) !== NOBODY) return;
    const loop = openDelivery(offer.options, this.#tell);
    this.#loops.add({ offer, control, loop, leaving: undefined });
    void loop.run();
  }

  #left(thread: number): void {
    for (const hosted of this.#loops) if (hosted.offer.thread === thread) void this.#retire(hosted);
  }

  #ended(thread: number): void {
    this.#left(thread);
    for (const { offer } of this.#loops) if (offer.parent === thread) this.#ended(offer.thread);
  }

  async #retire(hosted: Hosted): Promise<void> {
    if (hosted.leaving !== undefined) return;
    hosted.leaving = deliver(hosted);
    await hosted.leaving;
    await hosted.loop.stop(CLOSE_MS);
    this.#loops.delete(hosted);
  }

  async #collect(): Promise<void> {
    const waits = [...this.#loops]
      .filter(({ leaving }) => leaving === undefined)
      .map(({ control: { words }, offer: { flushTimeoutMs } }) => {
        const collections = Atomics.load(words, Word.collections);
        return Atomics.waitAsync(words, Word.collections, collections, flushTimeoutMs * COLLECT_SHARE);
      });
    if (waits.length === 0) return;
    this.#channel.postMessage({ kind: 'collect' });
    await Promise.all(waits.map(({ value }) => value));
  }
}

const deliver = ({ control, offer }: Hosted): Promise<boolean> =>
  flushed(control, askFlush(control), offer.flushTimeoutMs);
