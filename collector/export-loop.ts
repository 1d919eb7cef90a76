// One exporter's loop: read the queue, process, export, try again or give up, move the cursor.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type DropReason,
  type Exporter,
  type ExportReport,
  OfferError,
  type Position,
  type QueuedBatch,
  type RetryPolicy,
} from './component.ts';
import type { ComponentContext } from './factory.ts';
import type { Reader } from './queue/queue.ts';
import type { Routes, Way } from './routes.ts';
import type { Counter } from './self-telemetry.ts';
import { itemNames } from './signals.ts';

const EXPORT_BYTES_MAX = 4 * 1024 * 1024;

/** Data waits in the queue for as long as the queue has room: giving up is for those who ask for it. */
const defaultRetry: RetryPolicy = {
  initialMs: 1000,
  maxMs: 30_000,
  multiplier: 1.5,
  randomization: 0.5,
  giveUpAfterMs: 0,
};

/** Failures that are no {@link OfferError} are bugs, or a disk's: tried again so often, then treated as lasting. */
const UNEXPECTED_ATTEMPTS_MAX = 10;

export class ExportLoop {
  readonly #exporter: Exporter;
  readonly #reader: Reader;
  readonly #routes: Routes;
  readonly #context: ComponentContext;
  readonly #retry: RetryPolicy;
  readonly #retries: Counter;
  /** Ends a wait for new batches. */
  readonly #idle = new AbortController();
  /** Ends everything. */
  readonly #abort = new AbortController();
  readonly #report: ExportReport = {
    delivered: batch => {
      if (!this.#routes.book.holds(batch)) return;
      this.#routes.book.deliver(batch);
      this.#count('sent', batch);
    },
    lost: (batch, reason, items) => this.#routes.book.lose(batch, reason, items),
  };
  #state: 'ok' | 'retrying' | 'stopped' = 'ok';
  #draining = false;
  #running: Promise<void> = Promise.resolve();
  /** Arrival of the oldest batch that is being exported, in milliseconds since the Unix epoch. */
  #oldest: number | undefined;
  #lastRead: Position = 0n;
  /** Of the batches that are not settled yet; 0n: all are. */
  #lastExported: Position = 0n;

  constructor(exporter: Exporter, reader: Reader, routes: Routes, context: ComponentContext) {
    this.#exporter = exporter;
    this.#reader = reader;
    this.#routes = routes;
    this.#context = context;
    this.#retry = exporter.retry ?? defaultRetry;
    const { id, telemetry } = context;
    const labels = { exporter: id };
    this.#retries = telemetry.counter('tricord_exporter_retries_total', 'Exports tried again.', labels);
    const lag = 'Age of the oldest batch that is being exported.';
    telemetry.observe('tricord_exporter_lag_seconds', lag, () => [{ labels, value: this.#lagSeconds() }]);
  }

  get state(): 'ok' | 'retrying' | 'stopped' {
    return this.#state;
  }

  /** Begins where the exporter left off. */
  start(): void {
    const { settlement } = this.#exporter;
    settlement?.onSettled(position => this.#settled(position));
    if (settlement?.start !== undefined) this.#reader.seek(settlement.start);
    this.#running = this.#run().catch(error => {
      this.#state = 'stopped';
      this.#context.log.error('the exporter has stopped', { reason: error });
    });
  }

  /** Resolves when all that was in the queue is exported. Nothing may be offered any more. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#idle.abort(); // Reading gives what there is from now on: what is damaged will not come, however long it waits.
    await this.#running;
  }

  /** What is not exported stays in the queue. */
  abort(): void {
    this.#abort.abort();
    this.#idle.abort();
  }

  #lagSeconds(): number {
    return this.#oldest === undefined ? 0 : Math.max(0, Date.now() - this.#oldest) / 1000;
  }

  async #run(): Promise<void> {
    const bytesMax = this.#exporter.exportBytesMax ?? EXPORT_BYTES_MAX;
    while (!this.#abort.signal.aborted && !(this.#draining && this.#reader.idle())) {
      const batches = await this.#reader.read(bytesMax, this.#idle.signal);
      const last = batches.at(-1);
      if (last === undefined) return;
      this.#oldest = batches[0]!.receivedAt;
      const outgoing = batches.flatMap(batch => this.#process(batch));
      this.#passing(last.position, outgoing.at(-1)?.position);
      if (outgoing.length > 0 && !(await this.#deliver(outgoing))) return;
      this.#oldest = undefined;
      this.#routes.book.putDown();
      if (this.#exporter.settlement === undefined) this.#reader.done(last.position);
    }
  }

  /** What is to be exported of this batch. A processor that throws costs the batch, not the exporter. */
  #process(batch: QueuedBatch): QueuedBatch[] {
    const { source, signal } = batch;
    const ways = this.#routes.of(source, signal);
    if (ways.length === 0) this.#routes.unrouted(source, signal)?.drop('unrouted', batch.items);
    // Each way has an object of its own, by which it is told what became of it.
    return ways.flatMap(way => this.#processOn(way, ways.length === 1 ? batch : { ...batch }));
  }

  #processOn({ steps, account }: Way, batch: QueuedBatch): QueuedBatch[] {
    const { book } = this.#routes;
    try {
      let current: QueuedBatch | null = batch;
      for (const processor of steps) current = current && processor.process(current);
      account.filtered += batch.items - (current?.items ?? 0);
      if (current === null) return [];
      book.hold(current, account);
      return [current];
    } catch (error) {
      account.drop('processor', batch.items);
      this.#countDrop(batch, 'processor', error);
      return [];
    }
  }

  /** Resolves with true when the batches are delivered or dropped; false: stopped before that. */
  async #deliver(all: readonly QueuedBatch[]): Promise<boolean> {
    const since = performance.now();
    for (let attempt = 1; !this.#abort.signal.aborted; attempt++) {
      const batches = all.filter(batch => this.#routes.book.holds(batch));
      try {
        await this.#exporter.export(batches, this.#report);
        for (const batch of batches) this.#report.delivered(batch);
        this.#state = 'ok';
        if (attempt > 1) this.#context.log.info('exports work again', { attempts: attempt });
        return true;
      } catch (error) {
        if (this.#abort.signal.aborted) return false;
        if (isLasting(error, attempt)) return await this.#isolate(batches, error);
        if (this.#givesUp(since)) return this.#dropAll(all, 'gave_up', error);
        if (attempt === 1) this.#context.log.warn('export failed, trying again', { reason: error });
        this.#state = 'retrying';
        this.#retries.add(1);
        await delay(this.#pauseMs(attempt, error), undefined, { signal: this.#abort.signal }).catch(
          () => undefined,
        );
      }
    }
    return false;
  }

  /** A refusal for good may be one batch's fault: each is tried alone, so that only that one is lost. */
  async #isolate(batches: readonly QueuedBatch[], error: unknown): Promise<boolean> {
    if (batches.length === 1) return this.#dropAll(batches, 'rejected', error);
    for (const batch of batches.filter(each => this.#routes.book.holds(each))) {
      if (!(await this.#deliver([batch]))) return false;
    }
    return true;
  }

  #givesUp(since: number): boolean {
    const { giveUpAfterMs } = this.#retry;
    return giveUpAfterMs > 0 && performance.now() - since > giveUpAfterMs;
  }

  #pauseMs(attempt: number, error: unknown): number {
    const { initialMs, maxMs, multiplier, randomization } = this.#retry;
    const plain = Math.min(maxMs, initialMs * multiplier ** (attempt - 1));
    const spread = plain * (1 + randomization * (2 * Math.random() - 1));
    return Math.max(spread, error instanceof OfferError ? error.retryAfterMs : 0);
  }

  /** All that were not delivered before. */
  #dropAll(batches: readonly QueuedBatch[], reason: DropReason, error: unknown): true {
    const { book } = this.#routes;
    for (const batch of batches) {
      if (!book.holds(batch)) continue;
      book.drop(batch, reason);
      this.#countDrop(batch, reason, error);
    }
    return true;
  }

  #countDrop(batch: QueuedBatch, reason: DropReason, error: unknown): void {
    this.#count('send_failed', batch, { reason });
    const { items, position } = batch;
    this.#context.log.error('batch dropped', { why: reason, reason: error, items, position });
  }

  #count(
    what: 'sent' | 'send_failed',
    batch: QueuedBatch,
    labels: Readonly<Record<string, string>> = {},
  ): void {
    const { id, telemetry } = this.#context;
    const help = what === 'sent' ? 'Items exported.' : 'Items dropped by the exporter, by reason.';
    const name = `otelcol_exporter_${what}_${itemNames[batch.signal]}_total`;
    telemetry.counter(name, help, { exporter: id, ...labels }).add(batch.items);
  }

  /** For an exporter with a settlement: batches that it never sees pass together with those that it does. */
  #passing(read: Position, exported: Position | undefined): void {
    if (this.#exporter.settlement === undefined) return;
    this.#lastRead = read;
    if (exported !== undefined) this.#lastExported = exported;
    else if (this.#lastExported === 0n) this.#reader.done(read);
  }

  #settled(position: Position): void {
    const all = position >= this.#lastExported;
    if (all) this.#lastExported = 0n;
    this.#reader.done(all && this.#lastRead > position ? this.#lastRead : position);
  }
}

function isLasting(error: unknown, attempt: number): boolean {
  return error instanceof OfferError ? !error.retryable : attempt >= UNEXPECTED_ATTEMPTS_MAX;
}
