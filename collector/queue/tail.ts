// The newest records, kept in memory so that a reader that keeps up never touches the disk.
import type { Position, QueuedBatch } from '../component.ts';

/*
 *   batches:  [ empty slots | kept: every readable record at or behind `from` ]
 *                           ▲ head                                            ▲ end of the log
 *
 * Invariant: every record that readers may see and whose position is at least `from` is here, in order.
 */

/** Empty slots are cut off when there are this many of them, and more than kept ones. */
const slack = 1024;

/** What the objects of one batch take beside its payload, about. */
const batchOverheadBytes = 256;

export class Tail {
  readonly #bytesMax: number;
  #batches: (QueuedBatch | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #from: Position;

  constructor(bytesMax: number, from: Position) {
    this.#bytesMax = bytesMax;
    this.#from = from;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(batch: QueuedBatch): void {
    this.#batches.push(batch);
    this.#bytes += costOf(batch);
    while (this.#bytes > this.#bytesMax) this.#drop();
  }

  /** Forgets the records before the position: all readers have read them. */
  forget(position: Position): void {
    while (this.#head < this.#batches.length && this.#batches[this.#head]!.position < position) this.#drop();
  }

  /** Batches at or behind the position, at least one and up to both bounds; undefined: they must come from disk. */
  from(position: Position, bytesMax: number, countMax: number): QueuedBatch[] | undefined {
    if (position < this.#from) return undefined;
    const start = this.#firstFrom(position);
    let end = start;
    let bytes = 0;
    const last = Math.min(this.#batches.length, start + countMax);
    while (end < last) {
      bytes += this.#batches[end]!.payload.length;
      if (bytes > bytesMax && end > start) break;
      end++;
    }
    return this.#batches.slice(start, end) as QueuedBatch[];
  }

  #firstFrom(position: Position): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #drop(): void {
    const batch = this.#batches[this.#head]!;
    this.#bytes -= costOf(batch);
    this.#from = batch.position + 1n;
    this.#batches[this.#head] = undefined; // Or a thousand of them, of half a mebibyte each, would stay in memory.
    this.#head++;
    if (this.#head >= slack && this.#head * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
  }
}

function costOf(batch: QueuedBatch): number {
  return batch.payload.length + batchOverheadBytes;
}
