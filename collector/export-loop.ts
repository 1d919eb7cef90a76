// One exporter's loop: read the queue, process, export, try again or give up, move the cursor.
import { setTimeout as delay } from 'node:timers/promises';
import type { Signal } from 'tricord/otlp';
import {
  type Exporter,
  OfferError,
  type Position,
  type Processor,
  type QueuedBatch,
  type RetryPolicy,
} from './component.ts';
import type { ComponentContext } from './factory.ts';
import type { Reader } from './queue/queue.ts';
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

/** The chains of processors on the ways from a receiver and a signal; empty: none leads to this exporter. */
export type ChainsOf = (source: string | undefined, signal: Signal) => readonly (readonly Processor[])[];

export class ExportLoop {
  readonly #exporter: Exporter;
  readonly #reader: Reader;
  readonly #chainsOf: ChainsOf;
  readonly #context: ComponentContext;
  readonly #retry: RetryPolicy;
  readonly #retries: Counter;
  /** Ends a wait for new batches. */
  readonly #idle = new AbortController();
  /** Ends everything. */
  readonly #abort = new AbortController();
  #state: 'ok' | 'retrying' | 'stopped' = 'ok';
  #draining = false;
  #running: Promise<void> = Promise.resolve();
  /** Arrival of the oldest batch that is being exported, in milliseconds since the Unix epoch. */
  #oldest: number | undefined;
  #lastRead: Position = 0n;
  /** Of the batches that are not settled yet; 0n: all are. */
  #lastExported: Position = 0n;

  constructor(exporter: Exporter, reader: Reader, chainsOf: ChainsOf, context: ComponentContext) {
    this.#exporter = exporter;
    this.#reader = reader;
    this.#chainsOf = chainsOf;
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
    if (this.#reader.idle()) this.#idle.abort();
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
      if (this.#exporter.settlement === undefined) this.#reader.done(last.position);
    }
  }

  /** What is to be exported of this batch. A processor that throws costs the batch, not the exporter. */
  #process(batch: QueuedBatch): QueuedBatch[] {
    const outgoing: QueuedBatch[] = [];
    for (const chain of this.#chainsOf(batch.source, batch.signal)) {
      try {
        let current: QueuedBatch | null = batch;
        for (const processor of chain) current = current && processor.process(current);
        if (current !== null) outgoing.push(current);
      } catch (error) {
        this.#drop(batch, 'processor', error);
      }
    }
    return outgoing;
  }

  /** Resolves with true when the batches are delivered or dropped; false: stopped before that. */
  async #deliver(batches: readonly QueuedBatch[]): Promise<boolean> {
    const since = performance.now();
    for (let attempt = 1; !this.#abort.signal.aborted; attempt++) {
      try {
        await this.#exporter.export(batches);
        for (const batch of batches) this.#count('sent', batch);
        this.#state = 'ok';
        if (attempt > 1) this.#context.log.info('exports work again', { attempts: attempt });
        return true;
      } catch (error) {
        if (this.#abort.signal.aborted) return false;
        if (isLasting(error, attempt)) return await this.#isolate(batches, error);
        if (this.#givesUp(since)) return this.#dropAll(batches, 'gave_up', error);
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
    for (const batch of batches) {
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

  #dropAll(batches: readonly QueuedBatch[], reason: string, error: unknown): true {
    for (const batch of batches) this.#drop(batch, reason, error);
    return true;
  }

  #drop(batch: QueuedBatch, reason: string, error: unknown): void {
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
