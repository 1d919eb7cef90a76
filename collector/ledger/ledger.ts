// The ledger: what became of every item that was accepted, for each way that it had to go.
import type { Signal, SignalName } from 'tricord/otlp';
import type { Batch, DropReason, Offered } from '../component.ts';
import type { Intake } from '../factory.ts';
import type { Reader, ReaderCounts } from '../queue/queue.ts';
import { Tally } from '../queue/tally.ts';
import { signalNames } from '../signals.ts';
import { ExporterBook, type WayAccount } from './exporter-book.ts';

/*
 *   recovered + accepted = delivered + filtered + dropped (by reason) + queued
 *
 *   recovered   found in the queue at the start, and not settled by this exporter before
 *   accepted    acknowledged to a client since; resent batches that were there already are not accepted again
 *   delivered   the exporter has handed them over: forwarded, or stored
 *   filtered    processors left them out: sampling is one of them
 *   dropped     given up, for a reason that is counted
 *   queued      not read from the queue yet, or in the exporter's hand
 *
 * Items are spans, data points and log records. There is a row for each signal, receiver and way to an exporter: an exporter that two
 * pipelines lead to owes the items twice. Each column is counted where it happens, none is made from the others, so that a
 * batch that is lost or counted twice anywhere shows as a gap.
 */
export interface LedgerRow {
  readonly signal: SignalName;
  readonly receiver: string;
  readonly exporter: string;
  readonly pipelines: readonly string[];
  readonly recovered: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  readonly queued: number;
  /** Left minus right; anything but 0 is a bug. */
  readonly gap: number;
}

/** What one receiver was offered of a signal. */
export interface IntakeRow {
  readonly signal: SignalName;
  readonly receiver: string;
  readonly accepted: number;
  /** Resent, and there already. */
  readonly duplicates: number;
  /** Well-formed, and told to come again, or that they never will be taken. */
  readonly refused: number;
}

export class Ledger {
  readonly #accepted = new Tally();
  readonly #duplicates = new Tally();
  readonly #refused = new Tally();
  readonly #books: ExporterBook[] = [];

  /** The intake that receivers are given: it counts what they are told. */
  counting(intake: Intake): Intake {
    return {
      offer: batch => this.#offer(intake, batch),
      durableSequence: instance => intake.durableSequence(instance),
      bytesFree: () => intake.bytesFree(),
    };
  }

  /** The book of an exporter. The first one is answerable for what no pipeline takes. */
  book(exporter: string, reader: Pick<Reader, 'counts'>): ExporterBook {
    const book = new ExporterBook(exporter, reader);
    this.#books.push(book);
    return book;
  }

  /** The way of what no pipeline takes; undefined when one does, or when another exporter answers for it. */
  unrouted(book: ExporterBook, receiver: string, signal: Signal): WayAccount | undefined {
    if (book !== this.#books[0]) return undefined;
    const isIt = (way: WayAccount): boolean => way.receiver === receiver && way.signal === signal;
    const known = this.#books.flatMap(({ ways }) => ways).find(isIt);
    if (known === undefined) return book.way(receiver, signal, []);
    return known.pipelines.length === 0 ? known : undefined;
  }

  rows(): LedgerRow[] {
    return this.#books.flatMap(book => {
      const counts = book.reader.counts();
      this.#addUnrouted(book, counts);
      return book.ways.map(way => this.#row(book, way, counts));
    });
  }

  intake(): IntakeRow[] {
    const offered = new Tally().merge(this.#accepted).merge(this.#duplicates).merge(this.#refused);
    const seen = [...offered.entries()].filter(({ items }) => items > 0);
    return seen.map(({ source, signal }) => ({
      signal: signalNames[signal],
      receiver: source,
      accepted: this.#accepted.of(source, signal),
      duplicates: this.#duplicates.of(source, signal),
      refused: this.#refused.of(source, signal),
    }));
  }

  #offer(intake: Intake, batch: Batch): Promise<Offered> {
    const { source, signal, items } = batch;
    return intake.offer(batch).then(
      offered => {
        (offered === 'new' ? this.#accepted : this.#duplicates).add(source, signal, items);
        return offered;
      },
      error => {
        this.#refused.add(source, signal, items);
        throw error;
      },
    );
  }

  /** A way for what no pipeline takes, so that it has a row from its acceptance on. */
  #addUnrouted(book: ExporterBook, { found }: ReaderCounts): void {
    if (book !== this.#books[0]) return;
    const all = new Tally().merge(found).merge(this.#accepted);
    for (const { source, signal, items } of all.entries()) {
      if (items > 0) this.unrouted(book, source, signal);
    }
  }

  #row(book: ExporterBook, way: WayAccount, { found, waiting, lost }: ReaderCounts): LedgerRow {
    const { receiver, signal, pipelines, delivered, filtered } = way;
    const dropped = new Map(way.dropped);
    for (const [loss, items] of lost) {
      if (items.of(receiver, signal) !== 0) dropped.set(loss, items.of(receiver, signal));
    }
    const recovered = found.of(receiver, signal);
    const accepted = this.#accepted.of(receiver, signal);
    const queued = waiting.of(receiver, signal) + book.inHand(way);
    const droppedSum = [...dropped.values()].reduce((sum, items) => sum + items, 0);
    return {
      signal: signalNames[signal],
      receiver,
      exporter: book.exporter,
      pipelines,
      recovered,
      accepted,
      delivered,
      filtered,
      dropped: Object.fromEntries(dropped),
      queued,
      gap: recovered + accepted - (delivered + filtered + droppedSum + queued),
    };
  }
}
