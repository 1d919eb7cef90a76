// What a process does with a queue until it is killed, and what must be there of it afterwards.
import { OfferError, type QueuedBatch } from '../../../collector/component.ts';
import type { Queue, QueueOptions } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { Breach, promise, promiseExactly, shortened } from '../../collector/queue/breach.ts';
import type { Change, Sample } from '../../collector/queue/sample-log.ts';
import { batchOf, instance, readAll, readerName, textOf } from '../../collector/queue/scratch.ts';

/** `settling` is said before it is done: afterwards the batch may be gone. */
export type Tell = (event: 'acknowledged' | 'settling', text: string) => void;

const queueOptions = { readers: [readerName], segmentBytes: 4096, hotBytesMax: 2000 } as const;

const stream = instance(2);
const payloadBytes = 600;
const unsettledMax = 2;

/**
 * Opens the queue and offers groups, each of new batches of the stream, of what the stream's sender may not know to be
 * durable, and of batches without an origin; reads, and settles a part, so that cursors are saved and segments are deleted.
 * @param run makes the batches without origin distinguishable from those of another process
 */
export async function work(
  options: Pick<QueueOptions, 'directory' | 'disk'>,
  run: string,
  groups: number,
  tell: Tell,
): Promise<void> {
  const queue = await openQueue({ ...queueOptions, ...options });
  const reader = queue.reader(readerName);
  const unsettled: QueuedBatch[] = [];
  for (let group = 0; group < groups; group++) {
    await Promise.all(
      [...streamTexts(queue), ...plainTexts(run, group)].map(text => offer(queue, text, tell)),
    );
    unsettled.push(...(await reader.read(1 << 20, AbortSignal.abort())));
    const settled = unsettled.splice(0, Math.max(0, unsettled.length - unsettledMax));
    for (const batch of settled) tell('settling', textOf(batch));
    if (settled.length > 0) reader.done(settled.at(-1)!.position);
  }
  await queue.close();
}

/** Two that are durable already, where there are, and two new ones. */
function streamTexts(queue: Queue): string[] {
  const durable = Number(queue.durableSequence(stream));
  const first = Math.max(1, durable - 1);
  return Array.from({ length: durable + 3 - first }, (_, index) => `stream ${first + index}`);
}

function plainTexts(run: string, group: number): string[] {
  return [0, 1].map(index => `plain ${run}.${group}.${index}`);
}

async function offer(queue: Queue, name: string, tell: Tell): Promise<void> {
  const text = name.padEnd(payloadBytes, '.');
  const sequence = /^stream (\d+)/.exec(name)?.[1];
  const origin = sequence === undefined ? undefined : { instance: stream, sequence: BigInt(sequence) };
  try {
    await queue.offer(batchOf(text, { origin }));
    tell('acknowledged', text);
  } catch (error) {
    promise(error instanceof OfferError && error.retryable, 'stuck', `refused for good: ${error}`);
  }
}

/** The sample as a power loss might have left it: with a torn tail, so that a start has something to cut off. */
export function tornTail({ files, segments }: Sample): Change {
  const newest = segments.at(-1)!;
  return new Map([[newest, Buffer.concat([files.get(newest)!, Buffer.alloc(100, 0x5a)])]]);
}

/** Who hears what processes say before they die. */
export class Witness {
  readonly #acknowledged: Set<string>;
  readonly #settling: Set<string>;

  constructor(acknowledged: Iterable<string>, settling: Iterable<string> = []) {
    this.#acknowledged = new Set(acknowledged);
    this.#settling = new Set(settling);
  }

  get acknowledged(): readonly string[] {
    return [...this.#acknowledged];
  }

  readonly hear: Tell = (event, text) => {
    (event === 'settling' ? this.#settling : this.#acknowledged).add(text);
  };

  /** As a process prints it. */
  hearLine(line: string): void {
    const space = line.indexOf(' ');
    this.hear(line.slice(0, space) as Parameters<Tell>[0], line.slice(space + 1));
  }

  copy(): Witness {
    return new Witness(this.#acknowledged, this.#settling);
  }

  /** Starts the queue once more and reads it; gives how many items were looked for. @throws Breach */
  async check(options: Pick<QueueOptions, 'directory' | 'disk'>): Promise<number> {
    const queue = await restarted(options);
    const texts = (await readAll(queue)).map(textOf);
    await queue.close();
    const unsettled = [...this.#acknowledged].filter(text => !this.#settling.has(text));
    promiseExactly(texts, unsettled);
    promise(queue.stats().damaged === 0n, 'invented', `damage after ${shortened(texts.at(-1) ?? 'nothing')}`);
    return this.#acknowledged.size;
  }
}

/** @throws Breach when it needs somebody's hand */
export async function restarted(options: Pick<QueueOptions, 'directory' | 'disk'>): Promise<Queue> {
  return await openQueue({ ...queueOptions, ...options }).catch(error => {
    throw new Breach('stuck', `does not start: ${(error as Error).message}`);
  });
}
