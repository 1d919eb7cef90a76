// The queue on disk: takes offers, commits all that wait with one fsync, and lets readers go through what is durable.
import { type Batch, OfferError, type Offered, type Position, type QueuedBatch } from '../component.ts';
import { Admission, checkBatch } from './admission.ts';
import type { CursorFile } from './cursor.ts';
import type { Horizon } from './dedup.ts';
import type { Disk } from './disk.ts';
import { type Entry, entryOf, recordBytes } from './group.ts';
import type { Inventory } from './inventory.ts';
import type { DirectoryLock } from './lock.ts';
import { SegmentLog } from './log.ts';
import { origin, positionOf, segmentOf } from './position.ts';
import type { CapReason, Queue, QueueOptions, QueueStats, Reader } from './queue.ts';
import { type ReaderHost, WalReader } from './reader.ts';
import type { Recovered } from './recovery.ts';
import { Tail } from './tail.ts';

/*
 *   offer ──▶ waiting ──▶ one write, one fsync ──▶ offers resolve, tail ──▶ readers ──▶ cursors ──▶ segments deleted
 *             └ at most waitingBytesMax ┘          └ at most hotBytesMax ┘
 *
 * Invariants: one job at a time touches the log (#work). A batch is visible to readers only when its offer may resolve.
 * A segment goes only when every reader's saved cursor is past it and a successor holds the horizon, or, where that is the
 * policy, when it is the oldest and a cap is met.
 */

const retryAfterMs = 1000;
/** How often ages are looked at, at the least. */
const ageChecksMs = 60_000;

export type Settings = QueueOptions & {
  readonly [K in
    | 'segmentBytes'
    | 'bytesMax'
    | 'ageMaxMs'
    | 'waitingBytesMax'
    | 'hotBytesMax'
    | 'fsyncIntervalMs']: number;
} & Required<{ readonly [K in 'fsync' | 'whenFull' | 'onEvent']: NonNullable<QueueOptions[K]> }> & {
    readonly disk: Disk;
  };

/** A reader's cursor as it was found. */
export interface Cursor {
  readonly name: string;
  readonly file: CursorFile;
  readonly position: Position;
  readonly damaged: boolean;
}

/** A batch that is not durable yet, and who waits for it. */
interface Waiting extends PromiseWithResolvers<Offered> {
  readonly entry: Entry;
}

export class DurableQueue implements Queue, ReaderHost {
  readonly disk: Disk;
  readonly log: SegmentLog;
  readonly tail: Tail;
  changes = 0;
  closed = false;
  readonly #settings: Settings;
  readonly #lock: DirectoryLock;
  readonly #horizon: Horizon;
  readonly #recovered: Recovered;
  readonly #admission: Admission;
  readonly #inventory: Inventory;
  readonly #readers = new Map<string, WalReader>();
  readonly #listeners = new Set<() => void>();
  readonly #startedAt = Date.now() - performance.now();
  #waiting: Waiting[] = [];
  /** Settles with the batch offered last. */
  #newest: Promise<unknown> = Promise.resolve();
  #working: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #reclaimDue = true;
  #flushDue = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #ageDue = true;
  #ageTimer: NodeJS.Timeout | undefined;
  #skipPosition: Position = origin;
  #failing = false;
  #appended = 0n;
  #duplicates = 0n;
  #refused = 0n;
  readonly #dropped: Record<CapReason, bigint> = { size: 0n, age: 0n };
  #damaged: number;
  #diskErrors = 0n;

  constructor(
    settings: Settings,
    lock: DirectoryLock,
    horizon: Horizon,
    recovered: Recovered,
    cursors: readonly Cursor[],
  ) {
    this.disk = settings.disk;
    this.#settings = settings;
    this.#lock = lock;
    this.#horizon = horizon;
    this.#recovered = recovered;
    this.#admission = new Admission(settings);
    const { segments, inventory } = recovered;
    this.#inventory = inventory;
    const numbers = [segments.at(-1)?.number ?? 0, ...cursors.map(cursor => segmentOf(cursor.position))];
    const warn = this.warn.bind(this);
    this.log = new SegmentLog({ ...settings, horizon, warn }, segments, Math.max(...numbers) + 1);
    this.tail = new Tail(settings.hotBytesMax, this.log.end);
    for (const { name, file, position } of cursors) {
      this.#readers.set(name, new WalReader(name, this, file, position, inventory.account()));
    }
    this.#damaged = recovered.damaged + cursors.filter(cursor => cursor.damaged).length;
    this.#admission.measure(this.log.bytes());
    this.#watchAge();
    this.#wake();
  }

  offer(batch: Batch): Promise<Offered> {
    try {
      return this.#take(batch);
    } catch (error) {
      this.#refused++;
      return Promise.reject(error);
    }
  }

  reader(name: string): Reader {
    const reader = this.#readers.get(name);
    if (reader === undefined) throw new RangeError(`the queue was opened without a reader ${name}`);
    return reader;
  }

  durableSequence(instance: Uint8Array): bigint {
    return this.#horizon.durableSequence(instance);
  }

  bytesFree(): number {
    return this.#closing === undefined ? this.#admission.free() : 0;
  }

  stats(): QueueStats {
    const { segments, fsyncs, diskErrors, retired } = this.log;
    return {
      segments: segments.length,
      bytes: this.#admission.diskBytes,
      records: segments.reduce((sum, segment) => sum + segment.records, 0),
      appended: this.#appended,
      duplicates: this.#duplicates,
      fsyncs,
      recovered: BigInt(this.#recovered.records),
      damaged: BigInt(this.#damaged),
      tornBytes: BigInt(this.#recovered.tornBytes),
      dropped: { ...this.#dropped },
      refused: this.#refused,
      diskErrors: this.#diskErrors + diskErrors,
      retired,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // For the readers.

  async changed(seen: number, signal: AbortSignal): Promise<void> {
    if (this.changes !== seen || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = (): void => resolve();
    this.#listeners.add(listener);
    signal.addEventListener('abort', listener);
    await promise;
    this.#listeners.delete(listener);
    signal.removeEventListener('abort', listener);
  }

  passed(): void {
    this.tail.forget(this.#leastOf(reader => reader.frontier));
  }

  settled(): void {
    this.#reclaimDue = true;
    this.#wake();
  }

  skipTo(position: Position): void {
    if (position > this.#skipPosition) this.#skipPosition = position;
    this.#wake();
  }

  damage(message: string, count: number): void {
    this.#damaged += count;
    this.warn(message);
  }

  diskError(message: string, error: unknown): void {
    this.#diskErrors++;
    this.warn(message, error);
  }

  warn(message: string, error?: unknown): void {
    this.#settings.onEvent({ level: 'warn', message, error });
  }

  // Offers.

  #take(batch: Batch): Promise<Offered> {
    const { origin } = batch;
    checkBatch(batch);
    if (this.#closing !== undefined) throw new OfferError('the queue is closing', true, retryAfterMs);
    const state = origin === undefined ? 'new' : this.#horizon.state(origin);
    if (state !== 'new') {
      this.#duplicates++;
      return state === 'durable' ? Promise.resolve('known') : this.#newest.then(() => 'known');
    }
    this.#admission.admit(recordBytes(batch));
    if (origin !== undefined) this.#horizon.claim(origin);
    const waiting: Waiting = { entry: entryOf(batch, this.#now()), ...Promise.withResolvers<Offered>() };
    this.#waiting.push(waiting);
    this.#newest = waiting.promise;
    this.#wake();
    return waiting.promise;
  }

  /** Wall time, and never less than the start's plus what passed since: a clock that is set back makes nothing look old. */
  #now(): number {
    return Math.max(Date.now(), this.#startedAt + performance.now());
  }

  #wake(): void {
    this.#working ??= this.#work();
  }

  /** The only one who touches the log. */
  async #work(): Promise<void> {
    await Promise.resolve(); // All offers of one turn go into one group.
    while (this.#waiting.length > 0 || this.#reclaimDue || this.#flushDue || this.#ageDue) {
      if (this.#waiting.length > 0) await this.#commit();
      if (this.#flushDue) await this.#flush();
      if (this.#reclaimDue) await this.#reclaim();
      if (this.#ageDue) await this.#dropOverdue();
      this.#admission.measure(this.log.bytes());
      this.#admission.overdue = this.#settings.whenFull === 'refuse' && this.#isOverdue();
    }
    this.#working = undefined;
  }

  async #commit(): Promise<void> {
    let group = this.#waiting;
    this.#waiting = [];
    try {
      await this.log.skipTo(this.#skipPosition);
      await this.#makeRoom(group.reduce((sum, { entry }) => sum + entry.bytes, 0));
      while (group.length > 0) {
        const batches = await this.log.append(group.map(waiting => waiting.entry));
        this.#accept(group.slice(0, batches.length), batches);
        group = group.slice(batches.length);
      }
      this.#resume();
    } catch (error) {
      this.#refuse([...group, ...this.#waiting], error);
      this.#waiting = [];
    }
    if (this.#settings.fsync === 'interval') this.#scheduleFlush();
  }

  #accept(group: readonly Waiting[], batches: readonly QueuedBatch[]): void {
    for (const [index, { entry, resolve }] of group.entries()) {
      const { origin } = entry.batch;
      if (origin !== undefined) this.#horizon.settle(origin);
      this.tail.push(batches[index]!);
      this.#inventory.appended(batches[index]!);
      this.#admission.release(entry.bytes);
      resolve('new');
    }
    this.#appended += BigInt(group.length);
    this.#admission.measure(this.log.bytes());
    if (this.#readers.size === 0) {
      this.passed();
      this.#reclaimDue = true;
    }
    this.#notify();
  }

  /** All that waits goes back, the later ones too: the batches of an instance must not overtake each other. */
  #refuse(group: readonly Waiting[], cause: unknown): void {
    const { directory, onEvent } = this.#settings;
    const message = `the disk refuses the queue in ${directory}: ${(cause as Error).message}`;
    if (!this.#failing) onEvent({ level: 'error', message, error: cause });
    this.#failing = true;
    this.#horizon.abandon();
    this.#reclaimDue = true; // What readers are done with may make room.
    for (const { entry, reject } of group) {
      this.#refused++;
      this.#admission.release(entry.bytes);
      reject(new OfferError(message, true, retryAfterMs, { cause }));
    }
  }

  #resume(): void {
    if (!this.#failing) return;
    this.#failing = false;
    const message = `the queue in ${this.#settings.directory} takes batches again`;
    this.#settings.onEvent({ level: 'info', message });
  }

  #scheduleFlush(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.#flushDue = true;
      this.#wake();
    }, this.#settings.fsyncIntervalMs);
  }

  async #flush(): Promise<void> {
    this.#flushDue = false;
    try {
      await this.log.flush();
    } catch (error) {
      this.diskError('what was acknowledged since the last fsync may be lost', error);
    }
  }

  async #reclaim(): Promise<void> {
    this.#reclaimDue = false;
    try {
      await this.log.reclaim(this.#leastOf(reader => reader.saved));
    } catch (error) {
      this.diskError('a segment cannot be deleted', error);
    }
    for (const reader of this.#readers.values()) reader.release();
  }

  #watchAge(): void {
    const { ageMaxMs } = this.#settings;
    if (ageMaxMs === Number.POSITIVE_INFINITY) return;
    const everyMs = Math.max(1, Math.min(ageChecksMs, ageMaxMs / 10));
    this.#ageTimer = setInterval(() => {
      this.#ageDue = true;
      this.#wake();
    }, everyMs).unref();
  }

  /** Whether all batches of the oldest segment, some of them unsettled, have waited for too long. */
  #isOverdue(): boolean {
    const [oldest] = this.log.segments;
    if (oldest === undefined || oldest.last <= this.#leastOf(reader => reader.cursor)) return false;
    return performance.now() - oldest.lastAt > this.#settings.ageMaxMs;
  }

  /** Where the oldest are dropped: until the disk has room for so many bytes. */
  async #makeRoom(bytes: number): Promise<void> {
    const { whenFull, bytesMax } = this.#settings;
    if (whenFull === 'refuse') return;
    while (this.log.segments.length > 1 && this.log.bytes() + bytes > bytesMax) await this.#drop('size');
  }

  async #dropOverdue(): Promise<void> {
    this.#ageDue = false;
    if (this.#settings.whenFull === 'refuse') return;
    try {
      while (this.#isOverdue()) await this.#drop('age');
    } catch (error) {
      this.diskError('what is too old cannot be deleted', error);
    }
  }

  async #drop(reason: CapReason): Promise<void> {
    const oldest = this.log.segments[0]!;
    const settled = this.#leastOf(reader => reader.cursor);
    const count = await this.log.countBehind(oldest, settled).catch(() => oldest.records);
    await this.log.dropOldest();
    this.#dropped[reason] += BigInt(count);
    this.#inventory.dropped(oldest.number, `queue_${reason}`);
    this.tail.forget(positionOf(oldest.number + 1, 0));
    for (const reader of this.#readers.values()) reader.release();
    if (count > 0)
      this.warn(`${oldest.path} dropped with ${count} batches that were not exported: ${reason}`);
  }

  #leastOf(place: (reader: WalReader) => Position): Position {
    let least = this.log.end;
    for (const reader of this.#readers.values()) {
      const position = place(reader);
      if (position < least) least = position;
    }
    return least;
  }

  #notify(): void {
    this.changes++;
    for (const listener of this.#listeners) listener();
  }

  async #close(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
    this.closed = true;
    this.#notify();
    clearTimeout(this.#flushTimer);
    clearInterval(this.#ageTimer);
    for (const reader of this.#readers.values()) await reader.close();
    while (this.#working !== undefined) await this.#working;
    await this.log.close().catch(error => this.diskError('the last fsync failed', error));
    this.#lock.release();
  }
}
