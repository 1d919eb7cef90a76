// Seeded lives of a queue on a disk that loses power: offers, reads, crashes, restarts; and what must hold after them.
import { OfferError, type Origin, type QueuedBatch } from '../../../collector/component.ts';
import type { Queue, Reader } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { promise, shortened } from './breach.ts';
import { MemoryDisk, type Operation, type Random, seededRandom } from './memory-disk.ts';
import { textOf } from './scratch.ts';

const directory = '/queue';
const readers = ['a', 'b'];
const rounds = 4;
/** Operations that fail in some lives. A failed read is tried again after a second: too slow for here. */
const fallible: ReadonlySet<Operation> = new Set([
  'write',
  'sync',
  'syncDirectory',
  'truncate',
  'rename',
  'unlink',
  'stat',
]);

interface Item {
  readonly text: string;
  readonly origin: Origin | undefined;
  acknowledged: boolean;
}

/**
 * Runs one life, on a disk that may lie about syncs; gives how many items it was told are durable.
 * @throws Breach when something acknowledged is lost, or anything is shown twice
 */
export async function liveThrough(seed: number, lies = false): Promise<number> {
  return await new Life(seed, lies).run();
}

class Life {
  readonly #random: Random;
  readonly #lies: boolean;
  readonly #items = new Map<string, Item>();
  /** By instance, in order of their sequences from 1. */
  readonly #streams: Item[][] = [[], [], []];
  /** What each reader has settled. */
  readonly #settled = new Map(readers.map(name => [name, new Set<string>()]));
  #disk = new MemoryDisk();
  #failure: unknown;

  constructor(seed: number, lies: boolean) {
    this.#random = seededRandom(seed);
    this.#lies = lies;
  }

  async run(): Promise<number> {
    for (let round = 0; round < rounds; round++) {
      this.#disk.lies = this.#lies;
      this.#crashAfter(this.#below(round === 0 ? 120 : 60));
      await Promise.race([this.#live().catch(error => this.#fail(error)), this.#disk.crashed]);
      if (this.#failure !== undefined) throw this.#failure;
      this.#disk = this.#below(4) === 0 ? this.#disk.afterKill() : this.#disk.afterCrash(this.#random);
    }
    const queue = await this.#open();
    await this.#resend(queue);
    for (const name of readers) await this.#check(queue, name);
    await queue.close();
    return this.#items.values().reduce((count, item) => count + Number(item.acknowledged), 0);
  }

  /** Kept, because the crash may come before anybody waits for what has failed. */
  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** The crash, and in some processes an operation that fails now and then. */
  #crashAfter(operations: number): void {
    let left = operations;
    const failing = this.#below(3) === 0;
    this.#disk.fault = operation => {
      if (left-- === 0) return 'crash';
      if (!failing || !fallible.has(operation) || this.#below(25) > 0) return undefined;
      return (['EIO', 'ENOSPC', 'short'] as const)[this.#below(3)];
    };
  }

  async #open(): Promise<Queue> {
    return await openQueue({ directory, readers, segmentBytes: 4096, hotBytesMax: 2000, disk: this.#disk });
  }

  /** One process, from its start on; the crash comes at any point of it. */
  async #live(): Promise<void> {
    const queue = await this.#open().catch(() => undefined);
    if (queue === undefined) return; // The disk fails: refused to start.
    const end = new AbortController();
    const reading = readers.map(name =>
      this.#read(queue.reader(name), name, end.signal).catch(error => this.#fail(error)),
    );
    await this.#resend(queue);
    for (let step = 0; step < 25; step++) {
      const items = Array.from({ length: 1 + this.#below(5) }, () => this.#newItem());
      await Promise.all(items.map(item => this.#offer(queue, item)));
      if (items.some(item => !item.acknowledged)) await this.#resend(queue);
    }
    end.abort();
    await Promise.all(reading);
    if (this.#below(3) > 0) await queue.close();
    await queue.offer({ signal: 1, payload: Buffer.from(''), items: 0 }).catch(() => undefined);
  }

  #newItem(): Item {
    const id = this.#items.size;
    const text = `${id}:${String(id % 10).repeat(this.#below(this.#below(8) === 0 ? 5000 : 300))}`;
    const stream = this.#streams[this.#below(6)];
    const origin =
      stream === undefined
        ? undefined
        : { instance: Buffer.alloc(16, this.#streams.indexOf(stream)), sequence: BigInt(stream.length + 1) };
    const item = { text, origin, acknowledged: false };
    this.#items.set(text, item);
    stream?.push(item);
    return item;
  }

  async #offer(queue: Queue, item: Item): Promise<void> {
    try {
      await queue.offer({ signal: 2, payload: Buffer.from(item.text), items: 1, origin: item.origin });
      item.acknowledged = true;
    } catch (error) {
      promise(error instanceof OfferError && error.retryable, 'stuck', String(error));
    }
  }

  /**
   * What an agent does after a reconnect or a refusal: everything again, in order, that it has no ack for, and now and then
   * something that it has.
   */
  async #resend(queue: Queue): Promise<void> {
    for (const stream of this.#streams) {
      const unsure = stream.findIndex(item => !item.acknowledged);
      const from = unsure < 0 ? stream.length : unsure;
      for (const item of stream.slice(Math.max(0, from - this.#below(3)))) {
        while (!item.acknowledged) await this.#offer(queue, item);
        await this.#offer(queue, item);
      }
    }
  }

  async #read(reader: Reader, name: string, end: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    const settled = this.#settled.get(name)!;
    const unsettled: QueuedBatch[] = [];
    while (!end.aborted) {
      const batches = await reader.read(1000, end);
      for (const batch of batches) this.#see(seen, batch);
      unsettled.push(...batches);
      const settle = unsettled.splice(0, this.#below(unsettled.length + 1));
      const last = settle.at(-1);
      if (last === undefined) continue;
      reader.done(last.position);
      for (const batch of settle) settled.add(textOf(batch));
    }
  }

  #see(seen: Set<string>, batch: QueuedBatch): void {
    const text = textOf(batch);
    if (text === '') return;
    promise(this.#items.has(text), 'invented', shortened(text));
    promise(!seen.has(text), 'twice', shortened(text));
    seen.add(text);
  }

  async #check(queue: Queue, name: string): Promise<void> {
    const seen = new Set<string>();
    await queue.offer({ signal: 3, payload: Buffer.from('end'), items: 0 });
    for (let ended = false; !ended; ) {
      const batches = await queue.reader(name).read(1 << 20, AbortSignal.timeout(10_000));
      promise(batches.length > 0, 'stuck', 'the end did not come');
      const data = batches.filter(batch => batch.signal !== 3);
      ended = textOf(batches.at(-1)!) === 'end' && batches.length > 0 && data.length < batches.length;
      for (const batch of data) this.#see(seen, batch);
    }
    const settled = this.#settled.get(name)!;
    for (const { text, acknowledged } of this.#items.values()) {
      if (acknowledged && !settled.has(text)) promise(seen.has(text), 'lost', shortened(text));
    }
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
