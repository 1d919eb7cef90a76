// A queue on a disk whose operations fail, once or until it is mended, and then lose power; and what must hold throughout.
import { type Batch, OfferError, type QueuedBatch } from '../../../collector/component.ts';
import type { Queue } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { promise, promiseExactly } from './breach.ts';
import { type Fault, MemoryDisk, seededRandom } from './memory-disk.ts';
import { batchOf, instance, readAll, readerName, textOf } from './scratch.ts';

const options = { directory: '/queue', readers: [readerName], segmentBytes: 4096, hotBytesMax: 1000 };
/** Enough for a file that is used again. */
const groups = 9;
const batchesPerGroup = 4;

export interface FaultLife {
  /** Whether the life was long enough for the fault to happen. */
  readonly hit: boolean;
  readonly acknowledged: number;
  /** Operations of the disk from the start to the end of the fault. */
  readonly operations: number;
}

export interface FaultWay {
  readonly fault: Fault;
  readonly forEver: boolean;
  /** Whether readers settle what they read: only then are cursors saved and segments deleted, and only else is all kept. */
  readonly settles: boolean;
}

/** Every way in which an operation may fail here. */
export const faultWays: readonly FaultWay[] = (
  ['EIO', 'ENOSPC', 'EFBIG', 'EMFILE', 'short'] as const
).flatMap(fault =>
  [false, true].flatMap(forEver => [false, true].map(settles => ({ fault, forEver, settles }))),
);

/** What the life was told, and what it has said. */
interface Told {
  readonly acknowledged: Set<string>;
  /** Read, and not settled yet. */
  readonly unsettled: QueuedBatch[];
  readonly settled: Set<string>;
}

/**
 * The fault at operation `from`, or at each from there on, its end, a power loss, and a look at what is left.
 * @throws Breach when something acknowledged is lost, shown twice, or the queue does not go on by itself
 */
export async function liveWithFault(from: number, way: FaultWay, seed = from): Promise<FaultLife> {
  const { fault, forEver, settles } = way;
  const disk = new MemoryDisk();
  let hit = false;
  let operations = 0;
  disk.fault = () => {
    const fails = forEver ? operations >= from : operations === from;
    operations++;
    hit ||= fails;
    return fails ? fault : undefined;
  };
  const told: Told = { acknowledged: new Set(), unsettled: [], settled: new Set() };
  const { acknowledged, settled } = told;
  const wanted = (): string[] => [...acknowledged].filter(text => !settled.has(text));
  const opened = await openQueue({ ...options, disk }).catch(() => undefined); // Refused to start, that is.
  if (opened !== undefined) await offerAll(opened, 'a', settles, told);
  const during = operations;
  disk.fault = () => undefined;
  const queue = opened ?? (await openQueue({ ...options, disk }));
  const before = acknowledged.size;
  await offerAll(queue, 'b', settles, told);
  promise(acknowledged.size - before === groups * batchesPerGroup, 'stuck', 'offers are still refused');
  promiseExactly(await textsOf(queue), wanted());
  const again = await openQueue({ ...options, disk: disk.afterCrash(seededRandom(seed)) });
  promiseExactly(await textsOf(again), wanted());
  await again.close();
  return { hit, acknowledged: acknowledged.size, operations: during };
}

/**
 * Offers in groups, with and without origin; a refused one with origin comes again as the next of its instance. Reads
 * what there is, and may settle the older half.
 */
async function offerAll(
  queue: Queue,
  tag: string,
  settles: boolean,
  { acknowledged, unsettled, settled }: Told,
): Promise<void> {
  const reader = queue.reader(readerName);
  const offer = async (batch: Batch): Promise<void> => {
    try {
      await queue.offer(batch);
      acknowledged.add(Buffer.from(batch.payload).toString());
    } catch (error) {
      const retryable = error instanceof OfferError && error.retryable && error.retryAfterMs > 0;
      promise(retryable, 'stuck', `an offer that is refused for good: ${error}`);
    }
  };
  for (let group = 0; group < groups; group++) {
    const plain = Array.from({ length: batchesPerGroup - 1 }, (_, index) =>
      batchOf(`${tag}${group}.${index}`.padEnd(500)),
    );
    const origin = { instance: instance(1), sequence: queue.durableSequence(instance(1)) + 1n };
    await Promise.all([...plain, batchOf(`${tag}${group}.s`, { origin })].map(offer));
    if (!settles) continue;
    unsettled.push(...(await reader.read(1 << 20, AbortSignal.abort())));
    const done = unsettled.splice(0, unsettled.length >> 1);
    for (const batch of done) settled.add(textOf(batch));
    if (done.length > 0) reader.done(done.at(-1)!.position);
  }
}

/** All that is readable from the oldest record on. What was refused may be there too, when its fsync failed. */
async function textsOf(queue: Queue): Promise<string[]> {
  queue.reader(readerName).seek(0n);
  return (await readAll(queue)).map(textOf).filter(text => !text.startsWith('end-'));
}
