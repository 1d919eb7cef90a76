// One exporter's side of the ledger: what it has in hand, and what became of everything that it had.
import type { Signal } from 'tricord/otlp';
import type { DropReason, QueuedBatch } from '../component.ts';
import type { Reader } from '../queue/queue.ts';

/** What became of the items that went one way: from a receiver through one chain of pipelines to an exporter. */
export class WayAccount {
  readonly receiver: string;
  readonly signal: Signal;
  /** Ids of the pipelines, from the first to the last; none when no pipeline takes them. */
  readonly pipelines: readonly string[];
  delivered = 0;
  /** Left out by processors, as they should. */
  filtered = 0;
  readonly dropped = new Map<DropReason, number>();

  constructor(receiver: string, signal: Signal, pipelines: readonly string[]) {
    this.receiver = receiver;
    this.signal = signal;
    this.pipelines = pipelines;
  }

  drop(reason: DropReason, items: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + items);
  }
}

interface Held {
  readonly account: WayAccount;
  items: number;
}

/*
 *   queue ──▶ in hand ──▶ delivered, filtered, dropped
 *
 * Invariant: what is in hand is what the exporter's loop is working on, whatever was said of it. A batch that leaves the hand
 * without a word of its fate is missing, and shows as a gap.
 */
export class ExporterBook {
  readonly exporter: string;
  readonly reader: Pick<Reader, 'counts'>;
  readonly ways: WayAccount[] = [];
  /** By the batch that the exporter is given, in which processors may have left out items. */
  readonly #held = new Map<QueuedBatch, Held>();

  constructor(exporter: string, reader: Pick<Reader, 'counts'>) {
    this.exporter = exporter;
    this.reader = reader;
  }

  way(receiver: string, signal: Signal, pipelines: readonly string[]): WayAccount {
    const account = new WayAccount(receiver, signal, pipelines);
    this.ways.push(account);
    return account;
  }

  hold(batch: QueuedBatch, account: WayAccount): void {
    this.#held.set(batch, { account, items: batch.items });
  }

  holds(batch: QueuedBatch): boolean {
    return this.#held.has(batch);
  }

  deliver(batch: QueuedBatch): void {
    const held = this.#take(batch);
    if (held !== undefined) held.account.delivered += held.items;
  }

  /** The batch as a whole, or what was left of it. */
  drop(batch: QueuedBatch, reason: DropReason): void {
    const held = this.#take(batch);
    held?.account.drop(reason, held.items);
  }

  /** Some of the batch's items, at most those that are left. */
  lose(batch: QueuedBatch, reason: DropReason, items: number): void {
    const held = this.#held.get(batch);
    if (held === undefined) return;
    const lost = Math.min(items, held.items);
    held.items -= lost;
    held.account.drop(reason, lost);
  }

  /** The loop goes on to other batches. */
  putDown(): void {
    this.#held.clear();
  }

  inHand(account: WayAccount): number {
    let items = 0;
    for (const held of this.#held.values()) if (held.account === account) items += held.items;
    return items;
  }

  #take(batch: QueuedBatch): Held | undefined {
    const held = this.#held.get(batch);
    this.#held.delete(batch);
    return held;
  }
}
