// The thread at the other end of `ring`: takes messages, reads every byte of them, and reports what came and how late.
import { parentPort, workerData } from 'node:worker_threads';
import { CONTROL_BYTES } from '../../src/transport/control.ts';
import { RingConsumer } from '../../src/transport/ring.ts';
import { type ConsumerOrder, type ConsumerReport, MESSAGE_WORDS } from './ring-message.ts';
import { tenthsSince } from './thread-clock.ts';
import { countCollections } from './thread-collections.ts';

/** Buckets of the latencies, a tenth of a microsecond each; later ones count as the last. */
const BUCKETS = 1_000_000;

class Arrivals {
  received = 0;
  readonly #now: (() => number) | undefined;
  readonly #latencies = new Int32Array(BUCKETS);
  #next = 0;

  /** @param now undefined when the messages carry no time */
  constructor(now: (() => number) | undefined) {
    this.#now = now;
  }

  /** Takes the message that begins at this word. */
  take(words: Int32Array, at: number): void {
    let sum = 0;
    for (let i = 0; i < MESSAGE_WORDS - 1; i++) sum = (sum + words[at + i]!) | 0;
    if (words[at] === this.#next && words[at + MESSAGE_WORDS - 1] === sum) this.received++;
    this.#next++;
    if (this.#now === undefined) return;
    const late = this.#now() - words[at + 1]!;
    this.#latencies[Math.min(Math.max(late, 0), BUCKETS - 1)]!++;
  }

  /** Forgets the latencies and the count so far, not the order. */
  restart(): void {
    this.received = 0;
    this.#latencies.fill(0);
  }

  quantileMicros(q: number): number {
    let left = this.#latencies.reduce((sum, count) => sum + count, 0) * q;
    const bucket = this.#latencies.findIndex(count => {
      left -= count;
      return left <= 0;
    });
    return bucket / 10;
  }
}

const order = workerData as ConsumerOrder;
const now = tenthsSince(order.originNanos);
const arrivals = new Arrivals(order.timed ? now : undefined);
const port = parentPort!;

/** How often something else is looked at before an empty ring is looked at again, when only the rate counts. */
const LOOKS_AWAY = 30_000;
const elsewhere = new Int32Array(new SharedArrayBuffer(4));

/**
 * Spins when there is nothing: the hand-over is measured, and not how a thread is put to sleep and woken. To look at the
 * ring all the time would take its cache lines from the producer; the transport thread, too, leaves it alone for a while.
 */
function drain(ring: RingConsumer, words: Int32Array, count: number): void {
  const looksAway = order.timed ? 0 : LOOKS_AWAY;
  for (let taken = 0; taken < count; ) {
    for (let i = 0; i < looksAway && Atomics.load(elsewhere, 0) === 0; i++);
    while (ring.next()) {
      if (ring.kind === undefined) continue;
      arrivals.take(words, ring.start >> 2);
      taken++;
    }
    ring.release();
  }
}

async function report(collections: () => Promise<number>): Promise<void> {
  const endedTenths = now();
  const [p50Micros, p99Micros] = [arrivals.quantileMicros(0.5), arrivals.quantileMicros(0.99)];
  const { received } = arrivals;
  port.postMessage({
    ...{ received, p50Micros, p99Micros, endedTenths },
    collections: await collections(),
  } satisfies ConsumerReport);
}

async function consumeRing(memory: SharedArrayBuffer): Promise<void> {
  const ring = new RingConsumer(memory);
  const words = new Int32Array(memory, CONTROL_BYTES);
  drain(ring, words, order.warmUp);
  arrivals.restart();
  port.postMessage('warm');
  const collections = countCollections();
  drain(ring, words, order.count);
  await report(collections);
}

function consumePosts(): void {
  let posts = 0;
  let collections = async (): Promise<number> => 0;
  port.on('message', (message: Uint8Array) => {
    arrivals.take(new Int32Array(message.buffer, message.byteOffset, MESSAGE_WORDS), 0);
    posts++;
    if (posts % order.acknowledgeEvery === 0) port.postMessage('acknowledged');
    if (posts === order.warmUp) {
      arrivals.restart();
      collections = countCollections();
      port.postMessage('warm');
    }
    if (posts === order.warmUp + order.count) void report(collections).then(() => port.close());
  });
}

port.postMessage('ready');
if (order.memory === undefined) consumePosts();
else void consumeRing(order.memory);
