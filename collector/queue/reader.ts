// One reader's way through the log: from memory when it keeps up, from the segments when it does not.
import { setTimeout as delay } from 'node:timers/promises';
import type { Signal } from 'tricord/otlp';
import type { Position, QueuedBatch } from '../component.ts';
import type { CursorFile } from './cursor.ts';
import type { Disk, DiskFile } from './disk.ts';
import type { ReaderAccount } from './inventory.ts';
import type { SegmentLog } from './log.ts';
import { blockBytes } from './patient-file.ts';
import { offsetOf, positionOf, segmentOf } from './position.ts';
import type { Reader, ReaderCounts } from './queue.ts';
import { RecordKind } from './record.ts';
import type { Warn } from './recovery.ts';
import { type ScannedRecord, SegmentScanner, sourceOf } from './scan.ts';
import { type Segment, segmentHeaderBytes } from './segment.ts';
import type { Tail } from './tail.ts';
import { Tally } from './tally.ts';

/*
 *   | settled … | read, not settled … | unread …                        |
 *               ▲ cursor              ▲ after   ▲ frontier              ▲ end of the log
 *
 * Invariant: saved ≤ cursor, and no unread record lies between `after` (the last record read) and `frontier`. Records
 * at or before `saved`, the cursor on disk, are never read again after a restart.
 */

/** Batches that one read gives at most: many empty payloads take memory too. */
const batchesMax = 8192;
const cursorSaveMs = 200;
const cursorRetryMs = 1000;
const readRetryMs = 1000;
const readAttemptsMax = 10;

/** What readers need of the queue. */
export interface ReaderHost {
  readonly disk: Disk;
  readonly log: SegmentLog;
  readonly tail: Tail;
  readonly warn: Warn;
  /** Grows whenever there is something new to read, and when the queue closes. */
  readonly changes: number;
  readonly closed: boolean;
  /** Resolves when `changes` differs from what was seen, or the signal aborts. */
  changed(seen: number, signal: AbortSignal): Promise<void>;
  /** A reader has read on. */
  passed(): void;
  /** A reader's cursor was saved. */
  settled(): void;
  skipTo(position: Position): void;
  damage(message: string, count: number): void;
  diskError(message: string, error: unknown): void;
}

export class WalReader implements Reader {
  readonly name: string;
  readonly #host: ReaderHost;
  readonly #file: CursorFile;
  readonly #account: ReaderAccount;
  #after: Position;
  #frontier: Position;
  #cursor: Position;
  #saved: Position;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #open: { readonly file: DiskFile; readonly segment: Segment; readonly scanner: SegmentScanner } | undefined;
  /** The segment that was asked for last. */
  #reading: Segment | undefined;
  #failures = 0;

  constructor(name: string, host: ReaderHost, file: CursorFile, saved: Position, account: ReaderAccount) {
    this.name = name;
    this.#host = host;
    this.#file = file;
    this.#account = account;
    this.#after = saved;
    this.#frontier = saved + 1n;
    this.#cursor = saved;
    this.#saved = saved;
  }

  /** All at or before it is settled, and stays so after a crash. */
  get saved(): Position {
    return this.#saved;
  }

  /** All at or before it is settled. */
  get cursor(): Position {
    return this.#cursor;
  }

  /** Nothing before it will be read, unless by a seek. */
  get frontier(): Position {
    return this.#frontier;
  }

  async read(bytesMax: number, signal: AbortSignal): Promise<QueuedBatch[]> {
    const host = this.#host;
    while (!host.closed) {
      const seen = host.changes;
      const hot = host.tail.from(this.#frontier, bytesMax, batchesMax);
      if (hot !== undefined) await this.#closeSegment();
      const batches = hot ?? (await this.#readDisk(bytesMax, signal));
      this.#keepAccount(batches ?? []);
      if (batches !== undefined && batches.length > 0) {
        this.#advance(batches.at(-1)!.position);
        host.passed();
        return batches;
      }
      if (signal.aborted && host.changes === seen) break; // What came while it looked is still to be read.
      if (batches !== undefined) await host.changed(seen, signal);
    }
    return [];
  }

  counts(): ReaderCounts {
    return this.#account.counts();
  }

  idle(): boolean {
    return !this.#host.log.segments.some(segment => segment.last >= this.#frontier);
  }

  done(position: Position): void {
    if (position <= this.#cursor) return;
    this.#cursor = position;
    if (this.#saving === undefined) this.#saveInTime();
  }

  seek(position: Position): void {
    void this.#closeSegment();
    this.#advance(position);
    this.#host.skipTo(position);
  }

  /** Lets go of a segment that was deleted: its bytes are free only then. */
  release(): void {
    if (this.#open !== undefined && !this.#host.log.segments.includes(this.#open.segment))
      void this.#closeSegment();
  }

  async close(): Promise<void> {
    await this.#saving; // Of a place that the cursor may have left.
    await this.#save();
    clearTimeout(this.#timer);
    await this.#closeSegment();
  }

  /** At once when a segment may be deleted for it, else together with what follows soon. */
  #saveInTime(): void {
    if (this.#saved === this.#cursor) return;
    if (segmentOf(this.#cursor) > segmentOf(this.#saved)) void this.#save();
    else this.#timer ??= setTimeout(() => void this.#save(), cursorSaveMs).unref();
  }

  /** Writes the cursor as it is now; a failure is reported and tried again later. */
  async #save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#saved === this.#cursor) return;
    this.#saving ??= this.#saveOnce(this.#cursor);
    await this.#saving;
  }

  async #saveOnce(position: Position): Promise<void> {
    try {
      await this.#file.save(position);
      this.#saved = position;
      this.#host.settled();
    } catch (error) {
      this.#host.diskError(`the cursor of ${this.name} cannot be saved`, error);
      if (!this.#host.closed) this.#timer ??= setTimeout(() => void this.#save(), cursorRetryMs).unref();
    }
    this.#saving = undefined; // In one step with the look at how far the cursor has come meanwhile.
    if (this.#saved === position && !this.#host.closed) this.#saveInTime();
  }

  #advance(position: Position): void {
    this.#after = position;
    this.#frontier = position + 1n;
  }

  /** Undefined: it failed, and is to be tried again. */
  async #readDisk(bytesMax: number, signal: AbortSignal): Promise<QueuedBatch[] | undefined> {
    const batches: QueuedBatch[] = [];
    try {
      await this.#openAccount();
      await this.#readSegments(batches, bytesMax);
      this.#failures = 0;
      return batches;
    } catch (error) {
      await this.#closeSegment();
      if (batches.length > 0) return batches;
      await this.#failed(error as NodeJS.ErrnoException, signal);
      return undefined;
    }
  }

  /** Counts what lies behind the cursor: of its own segment record by record, the recovery has counted the others. */
  async #openAccount(): Promise<void> {
    if (this.#account.isOpen) return;
    const number = segmentOf(this.#after);
    const left = new Tally();
    const segment = this.#host.log.segments.find(each => each.number === number);
    if (segment !== undefined && segment.last > this.#after) {
      this.#reading = segment;
      const scanner = await this.#scannerOf(segment);
      for await (const record of scanner.batchesBehind(this.#after)) {
        const { signal, items } = record.header;
        left.add(sourceOf(record), signal as Signal, items);
      }
      await this.#closeSegment();
    }
    this.#account.open(number, left);
  }

  #keepAccount(batches: readonly QueuedBatch[]): void {
    for (const batch of batches) this.#account.pass(batch);
    if (this.#account.isOpen) this.#account.enter(segmentOf(this.#frontier));
  }

  /** Adds to `batches`, so that what was read before a failure is not lost with it. */
  async #readSegments(batches: QueuedBatch[], bytesMax: number): Promise<void> {
    let bytes = 0;
    for (;;) {
      const segment = this.#segmentAtFrontier();
      if (segment === undefined) return;
      this.#reading = segment;
      const scanner = await this.#scannerOf(segment);
      const limit = segment.length; // It grows while we read.
      const record = await scanner.next(limit);
      if (record === undefined) {
        if (!this.#leave(segment, scanner, limit)) return;
        continue;
      }
      const position = positionOf(segment.number, record.offset);
      if (record.header.kind !== RecordKind.batch || position <= this.#after) continue;
      const batch = batchOf(record, position);
      bytes += batch.payload.length;
      if (batches.length > 0 && (bytes > bytesMax || batches.length === batchesMax)) {
        return scanner.putBack(record);
      }
      batches.push(batch);
      this.#advance(position);
    }
  }

  #segmentAtFrontier(): Segment | undefined {
    const number = segmentOf(this.#frontier);
    return this.#host.log.segments.find(segment => segment.number >= number);
  }

  async #scannerOf(segment: Segment): Promise<SegmentScanner> {
    if (this.#open?.segment === segment) return this.#open.scanner;
    await this.#closeSegment();
    const file = await this.#host.disk.open(segment.path, 'read');
    const scanner = new SegmentScanner(file, segment, this.#offsetIn(segment));
    this.#open = { file, segment, scanner };
    return scanner;
  }

  /** Of the record read last, which is a record's beginning for sure, or of the frontier when that is farther. */
  #offsetIn(segment: Segment): number {
    if (segmentOf(this.#frontier) !== segment.number) return segmentHeaderBytes;
    const start = this.#frontier === this.#after + 1n ? this.#after : this.#frontier;
    return Math.max(segmentHeaderBytes, offsetOf(start));
  }

  /** Moves the frontier to the end of what could be read of the segment, or to the next segment. False: there is none. */
  #leave(segment: Segment, scanner: SegmentScanner, limit: number): boolean {
    const { count, tailBytes } = scanner.damage(limit);
    const { log } = this.#host;
    const damages = count + (tailBytes > 0 ? 1 : 0);
    // The file of a segment that was deleted meanwhile may belong to another one.
    if (damages > segment.damages && log.segments.includes(segment)) {
      const more = damages - segment.damages;
      segment.damages = damages;
      this.#host.damage(`${segment.path}: ${more} damaged places skipped`, more);
    }
    const next = log.segments[log.segments.indexOf(segment) + 1];
    const ended = segment.sealed && segment.length === limit;
    if (!ended) this.#frontier = positionOf(segment.number, limit);
    else this.#frontier = next === undefined ? log.end : positionOf(next.number, 0);
    return ended && next !== undefined;
  }

  /**
   * A segment that is not there any more is skipped at once, a block that cannot be read after some attempts: better than
   * standing still for ever.
   */
  async #failed(error: NodeJS.ErrnoException, signal: AbortSignal): Promise<void> {
    const segment = this.#reading;
    const { segments } = this.#host.log;
    if (segment === undefined || !segments.includes(segment)) return; // Deleted meanwhile, as it should be.
    this.#host.diskError(`${segment.path} cannot be read`, error);
    this.#failures++;
    const gone = error.code === 'ENOENT';
    if (gone || this.#failures >= readAttemptsMax) this.#giveUp(segment, gone);
    else await delay(readRetryMs, undefined, { signal, ref: false }).catch(() => undefined);
  }

  #giveUp(segment: Segment, whole: boolean): void {
    this.#failures = 0;
    this.#host.damage(`${segment.path}: what cannot be read is skipped`, 1);
    const offset = this.#offsetIn(segment) + blockBytes;
    const toTheEnd = whole || offset >= segment.length;
    this.#frontier = toTheEnd ? positionOf(segment.number + 1, 0) : positionOf(segment.number, offset);
  }

  async #closeSegment(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.file.close().catch(() => undefined);
  }
}

function batchOf(record: ScannedRecord, position: Position): QueuedBatch {
  const { header, body } = record;
  const { sourceLength, signal, items, receivedAt, origin } = header;
  return {
    signal: signal as Signal,
    payload: body.subarray(sourceLength),
    items,
    source: sourceOf(record),
    origin,
    position,
    receivedAt,
  };
}
