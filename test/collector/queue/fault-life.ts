// A queue on a disk whose operations fail, once or until it is mended, and then lose power; and what must hold throughout.
import { type Batch, OfferError } from '../../../collector/component.ts';
import type { Queue } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { promise, promiseExactly } from './breach.ts';
import { type Fault, MemoryDisk, seededRandom } from './memory-disk.ts';
import { batchOf, instance, readAll, readerName, textOf } from './scratch.ts';

const options = { directory: '/queue', readers: [readerName], segmentBytes: 4096, hotBytesMax: 1000 };
const groups = 6;
const batchesPerGroup = 4;

export interface FaultLife {
  /** Whether the life was long enough for the fault to happen. */
  readonly hit: boolean;
  readonly acknowledged: number;
  /** Operations of the disk from the start to the end of the fault. */
  readonly operations: number;
}

/**
 * The fault at operation `from`, or at each from there on, its end, a power loss, and a look at what is left.
 * @throws Breach when something acknowledged is lost, shown twice, or the queue does not go on by itself
 */
export async function liveWithFault(
  from: number,
  fault: Fault,
  forEver: boolean,
  seed = from,
): Promise<FaultLife> {
  const disk = new MemoryDisk();
  let hit = false;
  let operations = 0;
  disk.fault = () => {
    const fails = forEver ? operations >= from : operations === from;
    operations++;
    hit ||= fails;
    return fails ? fault : undefined;
  };
  const acknowledged = new Set<string>();
  const opened = await openQueue({ ...options, disk }).catch(() => undefined); // Refused to start, that is.
  if (opened !== undefined) await offerAll(opened, 'a', acknowledged);
  const during = operations;
  disk.fault = () => undefined;
  const queue = opened ?? (await openQueue({ ...options, disk }));
  const before = acknowledged.size;
  await offerAll(queue, 'b', acknowledged);
  promise(acknowledged.size - before === groups * batchesPerGroup, 'stuck', 'offers are still refused');
  promiseExactly(await textsOf(queue), acknowledged);
  const again = await openQueue({ ...options, disk: disk.afterCrash(seededRandom(seed)) });
  promiseExactly(await textsOf(again), acknowledged);
  await again.close();
  return { hit, acknowledged: acknowledged.size, operations: during };
}

/** Offers in groups, with and without origin; a refused one with origin comes again as the next of its instance. */
async function offerAll(queue: Queue, tag: string, acknowledged: Set<string>): Promise<void> {
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
  }
}

/** All that is readable from the oldest record on. What was refused may be there too, when its fsync failed. */
async function textsOf(queue: Queue): Promise<string[]> {
  queue.reader(readerName).seek(0n);
  return (await readAll(queue)).map(textOf).filter(text => !text.startsWith('end-'));
}
