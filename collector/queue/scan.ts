// Reads the records of one segment file in order, and finds the next whole one behind damage.
import { crc32 } from 'node:zlib';
import type { Position } from '../component.ts';
import type { DiskFile } from './disk.ts';
import { positionOf } from './position.ts';
import { decodeRecordHeader, type RecordHeader, RecordKind, recordHeaderBytes } from './record.ts';
import type { Segment } from './segment.ts';

/** A whole record, its checksums verified. `body` is a view of memory that nobody writes to again. */
export interface ScannedRecord {
  readonly header: RecordHeader;
  readonly offset: number;
  readonly body: Buffer;
}

/** The receiver's component id that stands before the payload. */
export function sourceOf({ header, body }: ScannedRecord): string | undefined {
  return header.sourceLength === 0 ? undefined : body.toString('utf8', 0, header.sourceLength);
}

export interface ScanDamage {
  /** Damaged places that a later whole record follows. */
  readonly count: number;
  /** Bytes behind the last whole record, up to the limit. */
  readonly tailBytes: number;
}

const chunkBytes = 256 * 1024;

export class SegmentScanner {
  readonly #file: Pick<DiskFile, 'read'>;
  readonly #segment: Segment;
  readonly #marker = Buffer.alloc(4);
  /** A window of the file: `#chunk` begins at `#chunkAt`. */
  #chunk: Buffer = Buffer.alloc(0);
  #chunkAt = 0;
  /** What is searched for the next record. */
  #searched: Buffer | undefined;
  #offset: number;
  /** Start of the damage that is being crossed; -1: none. */
  #damagedFrom = -1;
  #damages = 0;
  #damageEnd = 0;

  /** @param offset of a record, or anywhere: what is no record is crossed to the next one. */
  constructor(file: Pick<DiskFile, 'read'>, segment: Segment, offset: number) {
    this.#file = file;
    this.#segment = segment;
    this.#offset = offset;
    this.#marker.writeUInt32LE(segment.marker);
  }

  /** Where the next record is expected. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the damage crossed last ends, which is where a whole record begins; 0: there was none. */
  get damageEnd(): number {
    return this.#damageEnd;
  }

  damage(limit: number): ScanDamage {
    const end = this.#damagedFrom >= 0 ? this.#damagedFrom : this.#offset;
    return { count: this.#damages, tailBytes: Math.max(0, limit - end) };
  }

  /** The next whole record that ends at or before `limit`; undefined when there is none. */
  async next(limit: number): Promise<ScannedRecord | undefined> {
    while (this.#offset + recordHeaderBytes <= limit) {
      const head = await this.#window(this.#offset, recordHeaderBytes, limit);
      if (head === undefined) break;
      const header = decodeRecordHeader(head, 0, this.#segment.marker, this.#offset);
      if (header === undefined) {
        await this.#resynchronise(limit);
        continue;
      }
      const offset = this.#offset;
      const bodyAt = offset + recordHeaderBytes;
      if (bodyAt + header.length > limit) break;
      const body = await this.#window(bodyAt, header.length, limit);
      if (body === undefined) break;
      if (crc32(body) !== header.bodyCrc || header.sourceLength > header.length) {
        if (this.#damagedFrom < 0) this.#damagedFrom = offset;
        this.#offset = bodyAt + header.length;
        continue;
      }
      this.#settleDamage(offset);
      this.#offset = bodyAt + header.length;
      return { header, offset, body };
    }
    return undefined;
  }

  /** The batches behind the position, up to the end of the segment as it is now. */
  async *batchesBehind(position: Position): AsyncGenerator<ScannedRecord> {
    const { number, length } = this.#segment;
    for (let record = await this.next(length); record; record = await this.next(length)) {
      const isBatch = record.header.kind === RecordKind.batch;
      if (isBatch && positionOf(number, record.offset) > position) yield record;
    }
  }

  /** The record was not wanted yet: it comes again. */
  putBack(record: ScannedRecord): void {
    this.#offset = record.offset;
  }

  #settleDamage(end: number): void {
    if (this.#damagedFrom < 0) return;
    this.#damages++;
    this.#damageEnd = end;
    this.#damagedFrom = -1;
  }

  /**
   * Moves to the next place that may be a record: the marker, or the end. That may be far, as what an older segment has left can be
   * nearly all of a file: all of it goes through one buffer.
   */
  async #resynchronise(limit: number): Promise<void> {
    if (this.#damagedFrom < 0) this.#damagedFrom = this.#offset;
    this.#searched ??= Buffer.allocUnsafeSlow(chunkBytes);
    let at = this.#offset + 1;
    while (at + recordHeaderBytes <= limit) {
      const window = this.#searched.subarray(0, limit - at);
      const read = await this.#file.read(window, at);
      const found = window.subarray(0, read).indexOf(this.#marker);
      if (found >= 0) {
        this.#offset = at + found;
        return;
      }
      if (read < window.length) break;
      at += read - 3;
    }
    this.#offset = limit;
  }

  /** A view of the file's bytes; undefined when the file ends before. Reads ahead by a chunk. */
  async #window(at: number, length: number, limit: number): Promise<Buffer | undefined> {
    const from = at - this.#chunkAt;
    if (from >= 0 && from + length <= this.#chunk.length) return this.#chunk.subarray(from, from + length);
    const size = Math.min(Math.max(length, chunkBytes), limit - at);
    const chunk = Buffer.allocUnsafeSlow(size);
    const read = await this.#file.read(chunk, at);
    this.#chunk = chunk.subarray(0, read);
    this.#chunkAt = at;
    return read >= length ? this.#chunk.subarray(0, length) : undefined;
  }
}
