// How many items lie in which segment, and how many of them each reader has still to get.
import type { Position, QueuedBatch } from '../component.ts';
import { segmentOf } from './position.ts';
import type { Loss, ReaderCounts } from './queue.ts';
import { Tally } from './tally.ts';

/*
 *   segments:    7: 40 items | 8: 60 items       | 9: 25 items, growing
 *   a reader:                   35 passed ▲
 *                waiting = 60 − 35 + 25
 *
 * Invariant: a segment's count grows when a record is found at the start or becomes durable, a reader's when it gets a record; neither is
 * made from the other. So what a reader leaves behind in a segment without having got it was lost on the disk, or dropped with it.
 */

interface Stock {
  readonly items: Tally;
  /** It was there at the start; such a segment never grows. */
  readonly found: boolean;
  /** What it is to a reader that has left the segment without having got all of it. */
  loss: Loss;
}

export class Inventory {
  readonly #stocks = new Map<number, Stock>();
  readonly #accounts: ReaderAccount[] = [];

  /** A record was found at the start. */
  found(position: Position, source: string | undefined, signal: QueuedBatch['signal'], items: number): void {
    this.#stockOf(segmentOf(position), true).items.add(source, signal, items);
  }

  /** A record has become durable. */
  appended({ position, source, signal, items }: QueuedBatch): void {
    if (this.#accounts.length > 0) this.#stockOf(segmentOf(position), false).items.add(source, signal, items);
  }

  /** A segment was deleted before every reader had got all of it. */
  dropped(segment: number, loss: Loss): void {
    const stock = this.#stocks.get(segment);
    if (stock !== undefined) stock.loss = loss;
  }

  account(): ReaderAccount {
    const account = new ReaderAccount(this);
    this.#accounts.push(account);
    return account;
  }

  itemsIn(segment: number): Tally {
    return this.#stocks.get(segment)?.items ?? new Tally();
  }

  /** The segments from one on and before another, with what has become of each. */
  *losses(from: number, before: number): Generator<readonly [Loss, Tally]> {
    for (const [number, { loss, items }] of this.#stocks) {
      if (number >= from && number < before) yield [loss, items];
    }
  }

  lossOf(segment: number): Loss {
    return this.#stocks.get(segment)?.loss ?? 'damaged';
  }

  /** The sum of the segments from one on and before another, as far as they fit the condition. */
  sum(from: number, before: number, fits: (stock: Stock) => boolean = () => true): Tally {
    const sum = new Tally();
    for (const [number, stock] of this.#stocks) {
      if (number >= from && number < before && fits(stock)) sum.merge(stock.items);
    }
    return sum;
  }

  /** Forgets segments that every reader has left. */
  prune(): void {
    const least = Math.min(...this.#accounts.map(account => account.segment));
    for (const number of this.#stocks.keys()) if (number < least) this.#stocks.delete(number);
  }

  #stockOf(segment: number, found: boolean): Stock {
    let stock = this.#stocks.get(segment);
    if (stock === undefined) {
      stock = { items: new Tally(), found, loss: 'damaged' };
      this.#stocks.set(segment, stock);
    }
    return stock;
  }
}

/** One reader's way through the segments, in items. */
export class ReaderAccount {
  readonly #inventory: Inventory;
  readonly #found = new Tally();
  readonly #lost = new Map<Loss, Tally>();
  /** Of the segment that the reader is in: what it got, or had got before the start. */
  #passed = new Tally();
  #segment = 0;
  #open = false;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Where the reader is; what lies before it no longer matters to it. */
  get segment(): number {
    return this.#segment;
  }

  /** The reader begins in this segment, of which so much is behind its cursor. */
  open(segment: number, left: Tally): void {
    this.#open = true;
    this.#segment = segment;
    this.#passed = new Tally().merge(this.#inventory.itemsIn(segment)).merge(left, -1);
    const later = this.#inventory.sum(segment + 1, Number.POSITIVE_INFINITY, stock => stock.found);
    this.#found.merge(left).merge(later);
  }

  /** The reader has got a batch. */
  pass({ position, source, signal, items }: QueuedBatch): void {
    this.enter(segmentOf(position));
    this.#passed.add(source, signal, items);
  }

  /** The reader is in this segment now; what it did not get of those before is lost to it. */
  enter(segment: number): void {
    if (segment <= this.#segment) return;
    for (const [loss, items] of this.#inventory.losses(this.#segment, segment)) this.#lose(loss, items);
    this.#lose(this.#inventory.lossOf(this.#segment), this.#passed, -1);
    this.#passed = new Tally();
    this.#segment = segment;
    this.#inventory.prune();
  }

  #lose(loss: Loss, items: Tally, factor: 1 | -1 = 1): void {
    const lost = this.#lost.get(loss) ?? new Tally();
    this.#lost.set(loss, lost.merge(items, factor));
  }

  counts(): ReaderCounts {
    const end = Number.POSITIVE_INFINITY;
    const waiting = this.#open
      ? this.#inventory.sum(this.#segment, end).merge(this.#passed, -1)
      : this.#inventory.sum(0, end, stock => !stock.found);
    return { found: this.#found, waiting, lost: this.#lost };
  }
}
