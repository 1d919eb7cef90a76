// The `store` exporter: the queue's batches as rows of the store, each of them exactly once.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Signal, WireError } from 'tricord/otlp';
import { z } from 'zod';
import {
  type DropReason,
  type Exporter,
  type ExportReport,
  OfferError,
  type QueuedBatch,
  type Settlement,
} from '../../component.ts';
import { bytes, duration, section } from '../../config/values.ts';
import { type ComponentContext, type ExporterFactory, factory } from '../../factory.ts';
import { DuckStore, StoreFullError } from '../../store/duck-store.ts';
import { RowBatch } from '../../store/row-batch.ts';
import type { Store } from '../../store/store.ts';
import { addLogRows } from './log-rows.ts';
import { MetricRows } from './metric-rows.ts';
import { addSpanRows } from './span-rows.ts';

/** With less the database cannot merge its files. */
const memoryMin = 128 * 2 ** 20;
/** Rows in memory, rows on their way to disk and what sorting them takes must all have room. */
const FLUSH_SHARE_MAX = 1 / 4;
const FLUSH_SHARE = FLUSH_SHARE_MAX / 2;

const schema = section({
  /** Default: `store` in the data directory. */
  path: z.string().min(1).optional(),
  /** What the database may hold in memory. */
  memory: bytes.refine(size => size >= memoryMin, `the least is ${memoryMin} bytes`).default(512 * 2 ** 20),
  threads: z.int().min(1).max(256).default(Math.min(4, availableParallelism())),
  flush: section({
    interval: duration.default(60_000),
    rows: z.int().min(1).default(1_000_000),
    /** Default: an eighth of the memory. */
    bytes: bytes.optional(),
  }).prefault({}),
  retention: section({
    age: duration.default(7 * 86_400_000),
    bytes: bytes.default(10 * 2 ** 30),
  }).prefault({}),
  /** Series that may come within an hour; samples of further ones are dropped, counted. */
  series_max: z.int().min(1).default(500_000),
}).refine(({ memory, flush }) => (flush.bytes ?? 0) <= memory * FLUSH_SHARE_MAX, {
  path: ['flush', 'bytes'],
  error: 'it is at most a quarter of memory',
});

export type StoreSettings = z.output<typeof schema>;

export interface StoreExporter extends Exporter {
  readonly store: Store;
}

export const storeExporter: ExporterFactory = factory(schema, createStoreExporter);

/** Opens the store; rejects with an error that names the path when that cannot be done. */
export async function createStoreExporter(
  settings: StoreSettings,
  context: Pick<ComponentContext, 'dataDir' | 'log' | 'telemetry'>,
): Promise<StoreExporter> {
  const { memory, threads, flush, retention } = settings;
  const store = await DuckStore.open({
    path: settings.path ?? join(context.dataDir, 'store'),
    memoryBytes: memory,
    threads,
    flush: { intervalMs: flush.interval, rows: flush.rows, bytes: flush.bytes ?? memory * FLUSH_SHARE },
    retention: { ageMs: retention.age, bytes: retention.bytes },
    onError: error => context.log.warn('the store could not write', { error }),
  });
  return new RowExporter(store, settings.series_max, context);
}

/** Payload bytes that are translated and appended in one stretch: what comes in between is served in between. */
const STRETCH_BYTES = 1024 * 1024;

class RowExporter implements StoreExporter {
  readonly store: DuckStore;
  readonly settlement: Settlement;
  readonly #metrics: MetricRows;
  readonly #telemetry: ComponentContext['telemetry'];
  readonly #log: ComponentContext['log'];
  /** Rows of batches that the store did not take yet: translating again would add delta points twice. */
  readonly #translated = new WeakMap<QueuedBatch, RowBatch>();

  constructor(
    store: DuckStore,
    seriesMax: number,
    { telemetry, log }: Pick<ComponentContext, 'telemetry' | 'log'>,
  ) {
    this.store = store;
    this.#metrics = new MetricRows(seriesMax);
    this.#telemetry = telemetry;
    this.#log = log;
    this.settlement = {
      start: store.durablePosition ?? undefined,
      onSettled: listener => store.onDurable(listener),
    };
    this.#observe();
  }

  async start(): Promise<void> {}

  stop(): Promise<void> {
    return this.store.close();
  }

  async export(batches: readonly QueuedBatch[], report?: ExportReport): Promise<void> {
    const known = this.store.position;
    const fresh = known === null ? batches : batches.filter(({ position }) => position > known);
    for (let begin = 0; begin < fresh.length; ) {
      const end = stretchEnd(fresh, begin);
      await this.#append(fresh.slice(begin, end), report);
      begin = end;
    }
  }

  async #append(batches: readonly QueuedBatch[], report: ExportReport | undefined): Promise<void> {
    const rows = batches.map(batch => this.#translate(batch));
    try {
      await this.store.append(rows, batches.at(-1)!.position);
    } catch (error) {
      if (error instanceof StoreFullError) throw new OfferError(error.message, true, 1000, { cause: error });
      return this.#appendApart(batches, error as Error, report);
    }
    for (const [index, { dropped, lost }] of rows.entries()) {
      this.#translated.delete(batches[index]!);
      for (const [reason, count] of dropped) this.#dropped(reason).add(count);
      for (const [reason, items] of lost) report?.lost(batches[index]!, reason, items);
      report?.delivered(batches[index]!);
    }
  }

  /** Finds the batch that the store cannot take, and goes on without it. */
  async #appendApart(
    batches: readonly QueuedBatch[],
    error: Error,
    report: ExportReport | undefined,
  ): Promise<void> {
    const records = [...Map.groupBy(batches, ({ position }) => position).values()];
    if (records.length === 1) {
      if (batches.every(batch => this.#translate(batch).rows.length === 0)) {
        throw new OfferError(error.message, true, 1000, { cause: error });
      }
      for (const batch of batches) this.#giveUp(batch, 'unstorable', error);
      return this.#append(batches, report);
    }
    for (const record of records) await this.#append(record, report);
  }

  #translate(batch: QueuedBatch): RowBatch {
    const known = this.#translated.get(batch);
    if (known !== undefined) return known;
    const rows = new RowBatch(batch.receivedAt);
    try {
      if (batch.signal === Signal.traces) addSpanRows(batch.payload, rows);
      else if (batch.signal === Signal.logs) addLogRows(batch.payload, rows);
      else this.#metrics.add(batch.payload, rows);
    } catch (error) {
      return this.#giveUp(
        batch,
        error instanceof WireError ? 'undecodable' : 'untranslatable',
        error as Error,
      );
    }
    this.#translated.set(batch, rows);
    return rows;
  }

  /** One batch that cannot become rows must not stop those behind it. */
  #giveUp(batch: QueuedBatch, reason: DropReason, error: Error): RowBatch {
    this.#log.error('a batch cannot be stored; its items are dropped', { reason, items: batch.items, error });
    const none = new RowBatch(batch.receivedAt);
    none.drop(reason, batch.items);
    none.lose(reason, batch.items);
    this.#translated.set(batch, none);
    return none;
  }

  #dropped(reason: string): { add(amount: number): void } {
    const help = 'Items that the store did not keep, by reason';
    return this.#telemetry.counter('tricord_store_dropped_total', help, { reason });
  }

  #observe(): void {
    for (const [name, [type, help]] of Object.entries(observed)) {
      const key = name as keyof typeof observed;
      const snake = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
      this.#telemetry.observe(
        `tricord_store_${snake}${type === 'counter' ? '_total' : ''}`,
        help,
        () => [{ labels: {}, value: this.store.stats()[key] }],
        type,
      );
    }
  }
}

const observed = {
  rowsInMemory: ['gauge', 'Rows that are not on disk yet'],
  files: ['gauge', 'Parquet files'],
  bytes: ['gauge', 'Bytes of all Parquet files'],
  flushes: ['counter', 'Generations that were written to disk'],
  flushFailures: ['counter', 'Attempts to write to disk that failed'],
  merges: ['counter', 'Merges of small files'],
  expiredRows: ['counter', 'Rows that retention dropped'],
  expiredFiles: ['counter', 'Files that retention dropped'],
  missingFiles: ['counter', 'Files that the disk had lost at the start'],
} as const;

/**
 * The end of the stretch that begins at `begin`: at least one record of the queue, and records wholly. Several pipelines
 * may have made several batches of one record, and the position says of all of them that they are stored.
 */
function stretchEnd(batches: readonly QueuedBatch[], begin: number): number {
  let size = 0;
  let end = begin;
  do {
    const { position } = batches[end]!;
    while (batches[end]?.position === position) size += batches[end++]!.payload.length;
  } while (end < batches.length && size + batches[end]!.payload.length <= STRETCH_BYTES);
  return end;
}
