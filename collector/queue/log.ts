// The segments as one log: appends groups of records to the newest, gives it up when the disk fails, deletes the oldest.
import type { Position, QueuedBatch } from '../component.ts';
import type { Horizon } from './dedup.ts';
import type { Disk } from './disk.ts';
import { type Entry, headRecords, layOut } from './group.ts';
import { offsetOf, positionOf, segmentOf } from './position.ts';
import type { FsyncMode } from './queue.ts';
import type { Warn } from './recovery.ts';
import { SegmentScanner } from './scan.ts';
import { markers, type Segment, SegmentWriter } from './segment.ts';
import { Spare } from './spare.ts';

export interface LogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
  /** Of all segments, and of files that are kept for later ones. */
  readonly bytesMax: number;
  readonly fsync: FsyncMode;
  readonly horizon: Horizon;
  readonly warn: Warn;
}

/** Its methods are called one after another, never at once. */
export class SegmentLog {
  /** Oldest first. The last one is appended to unless it is sealed. */
  readonly segments: Segment[];
  fsyncs = 0n;
  diskErrors = 0n;
  retired = 0n;
  readonly #options: LogOptions;
  readonly #markerOf = markers();
  readonly #spare: Spare;
  #writer: SegmentWriter | undefined;
  #nextNumber: number;
  /** Written since the last fsync: in the modes that do not wait for it. */
  #dirty = false;
  /** The last write failed: perhaps there is no room for a whole segment. */
  #crowded = false;
  #linkedCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LogOptions, segments: Segment[], nextNumber: number) {
    this.#options = options;
    this.#spare = new Spare(options.disk, options.directory);
    this.segments = segments;
    this.#nextNumber = nextNumber;
  }

  /** At or before every record that will be appended. */
  get end(): Position {
    const writer = this.#writer;
    return writer === undefined
      ? positionOf(this.#nextNumber, 0)
      : positionOf(writer.segment.number, writer.length);
  }

  bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.length, 0);
  }

  /**
   * Appends as many of the entries, from the first on, as one segment takes; they are durable, as far as the mode
   * promises it, when this resolves with them. Rejects when the disk refuses; then none of them is in the log.
   */
  async append(entries: readonly Entry[]): Promise<QueuedBatch[]> {
    try {
      return await this.#appendOnce(entries);
    } catch (error) {
      this.diskErrors++;
      if (!(error instanceof Surmountable)) throw error;
      this.#options.warn(error.message, error.cause);
    }
    try {
      return await this.#appendOnce(entries);
    } catch (error) {
      this.diskErrors++;
      throw error;
    }
  }

  /** All that was written is durable when this resolves: for the modes that do not wait. */
  async flush(): Promise<void> {
    if (this.#writer === undefined || !this.#dirty) return;
    this.#dirty = false;
    await this.#sync(this.#writer);
  }

  /**
   * Deletes segments from the oldest on, as long as all in them is at or before the position. The newest goes last, when it
   * takes no more: its successor must hold the horizon first.
   */
  async reclaim(settled: Position): Promise<void> {
    await this.#deleteUpTo(settled);
    const newest = this.segments.at(-1);
    if (newest === undefined || newest.last > settled || !this.#isFull(newest)) return;
    await this.#seal();
    await this.#open();
    await this.#deleteUpTo(settled);
  }

  /** Deletes the oldest segment, settled or not; an only one gets its successor first, which holds the horizon. */
  async dropOldest(): Promise<void> {
    const [oldest] = this.segments;
    if (oldest === undefined) return;
    if (this.segments.length === 1) {
      await this.#seal();
      await this.#open();
    }
    await this.#delete(oldest);
  }

  /** Batches of the segment behind the position. */
  async countBehind(segment: Segment, position: Position): Promise<number> {
    if (segmentOf(position) < segment.number) return segment.records;
    if (segment.last <= position) return 0;
    const file = await this.#options.disk.open(segment.path, 'read');
    try {
      const scanner = new SegmentScanner(file, segment, offsetOf(position));
      let count = 0;
      for await (const _ of scanner.batchesBehind(position)) count++;
      return count;
    } finally {
      await file.close();
    }
  }

  /** Positions from here on are greater than the given one. */
  async skipTo(position: Position): Promise<void> {
    if (this.end > position) return;
    await this.#seal();
    this.#nextNumber = Math.max(this.#nextNumber, segmentOf(position) + 1);
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#writer?.close();
      this.#writer = undefined;
      await this.#spare.discard();
    }
  }

  async #appendOnce(entries: readonly Entry[]): Promise<QueuedBatch[]> {
    const writer = await this.#writerFor(entries[0]!.bytes);
    const group = this.#fitting(entries, writer.length);
    const { buffers, batches } = layOut(group, writer);
    await this.#write(writer, buffers);
    this.#dirty = true;
    if (this.#options.fsync === 'always') await this.flush();
    this.#publish(writer, batches);
    return batches;
  }

  #isFull(segment: Segment): boolean {
    const full = segment.sealed || this.#crowded || segment.length >= this.#options.segmentBytes;
    return full && segment.records > 0;
  }

  /** The segment that is appended to: a new one when there is none, or when a record of so many bytes would not fit. */
  async #writerFor(bytes: number): Promise<SegmentWriter> {
    const writer = this.#writer;
    if (writer !== undefined) {
      const fits = writer.length + bytes <= this.#options.segmentBytes || writer.segment.records === 0;
      if (fits) return writer;
      await this.#seal();
    }
    return await this.#open();
  }

  #fitting(entries: readonly Entry[], length: number): readonly Entry[] {
    let count = 1;
    let end = length + entries[0]!.bytes;
    while (count < entries.length && end + entries[count]!.bytes <= this.#options.segmentBytes) {
      end += entries[count]!.bytes;
      count++;
    }
    return entries.slice(0, count);
  }

  async #open(): Promise<SegmentWriter> {
    const { disk, directory, horizon } = this.#options;
    const previous = this.segments.at(-1);
    const header = {
      number: this.#nextNumber,
      marker: this.#markerOf(this.#nextNumber),
      previousNumber: previous?.number ?? 0,
      previousLength: previous?.length ?? 0,
      createdAt: Date.now(),
    };
    const spare = await this.#spare.take();
    const head = headRecords(header, spare?.length ?? 0, horizon);
    let writer: SegmentWriter;
    try {
      writer = await SegmentWriter.create(disk, directory, header, head, spare);
    } finally {
      // Used up, even in vain; and in one step with the next lines, so that `end` never skips a segment.
      this.#nextNumber++;
    }
    this.fsyncs++;
    this.segments.push(writer.segment);
    this.#writer = writer;
    return writer;
  }

  /**
   * Failing, leaves nothing behind: cut off, or if that fails too, the segment is given up. Where files may not get that
   * large, the next one takes what this one does not.
   */
  async #write(writer: SegmentWriter, buffers: readonly Uint8Array[]): Promise<void> {
    const length = writer.length;
    try {
      await writer.write(buffers);
      this.#crowded = false;
    } catch (error) {
      this.#crowded = true;
      writer.length = length;
      await writer.truncate().catch(() => this.#retire());
      if (this.#spare.kept) {
        await this.#spare.discard();
        throw new Surmountable(`${writer.segment.path}: the spare file makes room`, { cause: error });
      }
      if ((error as NodeJS.ErrnoException).code !== 'EFBIG' || writer.segment.records === 0) throw error;
      await this.#seal();
      throw new Surmountable(`${writer.segment.path} may not get larger`, { cause: error });
    }
  }

  /**
   * A failed fsync is never tried again: the kernel may have marked the pages clean and would report success. The
   * segment is given up, its successor says where it ended, and what was not durable is appended there.
   */
  async #sync(writer: SegmentWriter): Promise<void> {
    try {
      await writer.sync();
      this.fsyncs++;
      await this.#checkLinked(writer);
    } catch (error) {
      await this.#retire();
      throw new Surmountable(`${writer.segment.path} given up after a failed fsync`, { cause: error });
    }
  }

  /** Once a second: nothing fails when the file, or the whole directory, is deleted under our feet. */
  async #checkLinked(writer: SegmentWriter): Promise<void> {
    const now = performance.now();
    if (now - this.#linkedCheckedAt < 1000) return;
    this.#linkedCheckedAt = now;
    if (!(await writer.linked())) throw new Error(`${writer.segment.path} was deleted`);
  }

  #publish(writer: SegmentWriter, batches: readonly QueuedBatch[]): void {
    const { segment } = writer;
    segment.length = writer.length;
    segment.records += batches.length;
    segment.last = batches.at(-1)!.position;
    segment.lastAt = performance.now();
  }

  async #seal(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    if (this.#options.fsync === 'interval') await this.flush();
    this.#writer = undefined;
    writer.segment.sealed = true;
    await writer.close();
  }

  async #retire(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.retired++;
    this.#writer = undefined;
    this.#dirty = false;
    writer.segment.sealed = true;
    writer.segment.retired = true;
    writer.length = writer.segment.length;
    await writer.truncate().catch(() => undefined);
    await writer.close();
  }

  async #deleteUpTo(settled: Position): Promise<void> {
    for (let oldest = this.segments[0]; oldest !== undefined; oldest = this.segments[0]) {
      if (this.segments.length === 1 || !oldest.sealed || oldest.last > settled) return;
      await this.#delete(oldest, this.#isReusable(oldest));
    }
  }

  /** Together with the rest of the file that is written to, a kept one takes no more room than the log may. */
  #isReusable({ length, retired }: Segment): boolean {
    const { segmentBytes, bytesMax } = this.#options;
    if (retired || length > segmentBytes || this.#spare.kept || this.#crowded) return false;
    return this.bytes() + 2 * segmentBytes <= bytesMax;
  }

  async #delete(segment: Segment, reusable = false): Promise<void> {
    const { disk, directory } = this.#options;
    this.segments.shift(); // First, so that no reader looks for it any more.
    try {
      if (reusable) await disk.rename(segment.path, this.#spare.path);
      else await disk.unlink(segment.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.segments.unshift(segment);
        throw error;
      }
    }
    await disk.syncDirectory(directory);
    if (reusable) this.#spare.kept = true;
  }
}

/** Worth another attempt: with the segment's successor, as it cannot be trusted any more or takes no more, or with more room. */
class Surmountable extends Error {}
