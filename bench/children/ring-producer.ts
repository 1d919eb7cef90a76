// Hands 128-byte messages to another thread, through the agent's ring or by postMessage, and reports how that went.
import { once } from 'node:events';
import { hrtime } from 'node:process';
import { Worker } from 'node:worker_threads';
import { limits } from '../../src/limits.ts';
import { Control, SignalCounter } from '../../src/transport/control.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { allocateRing, RingProducer } from '../../src/transport/ring.ts';
import { report, settings } from '../parent.ts';
import { type ConsumerOrder, type ConsumerReport, Message } from './ring-message.ts';
import { tenthsSince } from './thread-clock.ts';
import { countCollections } from './thread-collections.ts';

export interface RingReport extends ConsumerReport {
  readonly sent: number;
  /** Messages that found the ring full and were given up. */
  readonly dropped: number;
  readonly seconds: number;
}

const WARM_UP = 200_000;
/** How full the ring may be before the producer waits, and after how many messages it looks. */
const LEVEL_MAX = 0.5;
const LOOK_EVERY = 256;
/** Posted messages that may be on their way, and how often they are acknowledged. */
const POSTED_MAX = 40_000;
const ACKNOWLEDGE_EVERY = 10_000;

export interface RingSettings {
  readonly by: 'ring' | 'postMessage';
  readonly count: number;
  /** Messages per second; 0 is as fast as they are taken. */
  readonly perSecond: number;
}

const { by, count, perSecond } = settings<RingSettings>();
const originNanos = hrtime.bigint();
const now = tenthsSince(originNanos);
const message = new Message();

/** Waits by spinning: who sleeps is late. */
function produce(ring: RingProducer, scope: number, from: number, to: number): void {
  const startedAt = now();
  const interval = perSecond === 0 ? 0 : 1e7 / perSecond;
  for (let i = from; i < to; i++) {
    if (i % LOOK_EVERY === 0) while (ring.level() > LEVEL_MAX);
    if (interval > 0) while (now() - startedAt < (i - from) * interval);
    message.fill(i, interval > 0 ? now() : 0);
    const writer = ring.begin(Signal.traces, scope, false);
    if (writer === null) continue;
    writer.raw(message.bytes);
    ring.commit(1);
  }
}

async function startConsumer(memory: SharedArrayBuffer | undefined): Promise<Worker> {
  const order: ConsumerOrder = {
    ...{ memory, count, originNanos },
    timed: perSecond > 0,
    warmUp: WARM_UP,
    acknowledgeEvery: ACKNOWLEDGE_EVERY,
  };
  const worker = new Worker(new URL('./ring-consumer.ts', import.meta.url), { workerData: order });
  await once(worker, 'message');
  return worker;
}

type Sent = Pick<RingReport, 'dropped'>;

/** Sends a warm-up and then the measured messages. */
async function measure(
  worker: Worker,
  send: (from: number, to: number) => Promise<Sent>,
): Promise<RingReport> {
  const warm = once(worker, 'message');
  await send(0, WARM_UP);
  await warm;
  const collections = countCollections();
  const startedTenths = now();
  const reported = new Promise<ConsumerReport>(resolve => {
    worker.on('message', (message: ConsumerReport | string) => {
      if (typeof message === 'object') resolve(message);
    });
  });
  const { dropped } = await send(WARM_UP, WARM_UP + count);
  const own = await collections();
  const theirs = await reported;
  return {
    ...theirs,
    collections: theirs.collections + own,
    sent: count,
    dropped,
    seconds: (theirs.endedTenths - startedTenths) / 1e7,
  };
}

async function byRing(): Promise<RingReport> {
  const memory = allocateRing(limits.ring_bytes_default);
  const ring = new RingProducer(memory, 0n);
  const scope = ring.scope({ name: 'ring' });
  const control = new Control(memory);
  return measure(await startConsumer(memory), async (from, to) => {
    produce(ring, scope, from, to);
    return { dropped: control.counted(SignalCounter.droppedFull, Signal.traces) };
  });
}

async function byPostMessage(): Promise<RingReport> {
  const worker = await startConsumer(undefined);
  let underWay = 0;
  let acknowledged = Promise.withResolvers<void>();
  worker.on('message', (text: unknown) => {
    if (text !== 'acknowledged') return;
    underWay -= ACKNOWLEDGE_EVERY;
    acknowledged.resolve();
    acknowledged = Promise.withResolvers<void>();
  });
  return measure(worker, async (from, to) => {
    for (let i = from; i < to; i++) {
      while (underWay >= POSTED_MAX) await acknowledged.promise;
      message.fill(i, 0);
      worker.postMessage(message.bytes);
      underWay++;
    }
    return { dropped: 0 };
  });
}

report({ ...(await (by === 'ring' ? byRing() : byPostMessage())) });
