// The ways of one exporter: which processors a batch passes, by the receiver that took it and its signal.
import type { Signal } from 'tricord/otlp';
import type { Processor } from './component.ts';
import type { ExporterBook, WayAccount } from './ledger/exporter-book.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Path } from './routing.ts';

export interface Way {
  readonly steps: readonly Processor[];
  readonly account: WayAccount;
}

const none: readonly Way[] = [];

export class Routes {
  readonly book: ExporterBook;
  readonly #ledger: Ledger;
  readonly #ways = new Map<string, Way[]>();

  /** @param paths those that lead to the exporter */
  constructor(
    paths: readonly Path[],
    steps: ReadonlyMap<string, Processor>,
    ledger: Ledger,
    book: ExporterBook,
  ) {
    this.#ledger = ledger;
    this.book = book;
    for (const { receiver, signal, pipelines, steps: ids } of paths) {
      const way = { steps: ids.map(id => steps.get(id)!), account: book.way(receiver, signal, pipelines) };
      const key = keyOf(receiver, signal);
      this.#ways.set(key, [...(this.#ways.get(key) ?? []), way]);
    }
  }

  /** Empty when none leads to this exporter. */
  of(source: string | undefined, signal: Signal): readonly Way[] {
    return this.#ways.get(keyOf(source, signal)) ?? none;
  }

  /** The account of what no pipeline takes, if this exporter answers for it. */
  unrouted(source: string | undefined, signal: Signal): WayAccount | undefined {
    return this.#ledger.unrouted(this.book, source ?? '', signal);
  }
}

function keyOf(source: string | undefined, signal: Signal): string {
  return `${signal} ${source ?? ''}`;
}
