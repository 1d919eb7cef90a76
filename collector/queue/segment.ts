// One segment file: its name, its header, and appending to it.
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Position } from '../component.ts';
import { type Disk, type DiskFile, writeAll } from './disk.ts';
import { origin } from './position.ts';
import type { SpareFile } from './spare.ts';

/*
 * The segments of a queue, oldest first; each name is `<number>-<marker>.wal`, both as 8 hex digits.
 *
 *   00000007-5ac3e1f0.wal            00000008-91b7046d.wal            00000009-e02c77aa.wal
 *   | header | horizon | records |   | header | horizon | records |   | header | horizon | records … (appended)
 *                                ▲        │
 *                                '────────' "segment 7 ends here"
 *
 * Header, integers little-endian:
 *   0 'TRICWAL\n' | 8 version u32 | 12 marker u32 | 16 number u32 | 20 previous number u32 | 24 previous length u32
 *   | 28 created at (f64, ms) | 36 crc32 of 0..35
 *
 * Invariants: numbers only grow, also over restarts, and a process never appends to a segment of an earlier one. What lies
 * in a segment behind the length that its successor states was never acknowledged, or was appended again: it is
 * not read. The marker is random, so that no payload can contain a record of the segment that it is stored in; and another
 * one for each segment of a process, so that a file which is used again holds no record of its new segment but the new ones.
 */

export const segmentHeaderBytes = 40;
const segmentVersion = 1;

const magic = Buffer.from('TRICWAL\n', 'latin1');

export interface SegmentHeader {
  readonly number: number;
  readonly marker: number;
  /** The segment before; 0 when there was none. */
  readonly previousNumber: number;
  /** Where the segment before ends. */
  readonly previousLength: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
}

/** What is known of a segment. Its writer and the recovery change it, nobody else. */
export interface Segment {
  readonly number: number;
  readonly marker: number;
  readonly path: string;
  /** Readers may read up to here. */
  length: number;
  /** Batches up to there. */
  records: number;
  /** Damaged places that have been counted. */
  damages: number;
  /** The newest of them; `origin` when there is none. */
  last: Position;
  /** When it was appended, on the clock of `performance.now()`, which no step of the wall clock moves. */
  lastAt: number;
  /** Nothing will be appended any more. */
  sealed: boolean;
  /** Given up after a failed fsync, or a failed write that could not be undone: a file to get rid of. */
  retired: boolean;
}

/** Gives each segment number a marker that nobody can guess and no other number of the process has. */
export function markers(): (number: number) => number {
  const secret = randomInt(1, 2 ** 32);
  // Times an odd number: no two of 32 bits give the same. What would be 0 is what number 0, which is none, would have.
  return number => (Math.imul(number, 0x9e37_79b1) ^ secret) >>> 0 || secret;
}

function segmentName(number: number, marker: number): string {
  return `${hex(number)}-${hex(marker)}.wal`;
}

/** The segment that a file of this name is, or undefined. */
export function parseSegmentName(name: string, directory: string): Segment | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{8})\.wal$/.exec(name);
  if (match === null) return undefined;
  const number = Number.parseInt(match[1]!, 16);
  const marker = Number.parseInt(match[2]!, 16);
  if (number === 0 || marker === 0) return undefined;
  const path = join(directory, name);
  return {
    number,
    marker,
    path,
    length: 0,
    records: 0,
    damages: 0,
    last: origin,
    lastAt: performance.now(),
    sealed: true,
    retired: false,
  };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  bytes.set(magic);
  bytes.writeUInt32LE(segmentVersion, 8);
  bytes.writeUInt32LE(header.marker, 12);
  bytes.writeUInt32LE(header.number, 16);
  bytes.writeUInt32LE(header.previousNumber, 20);
  bytes.writeUInt32LE(header.previousLength, 24);
  bytes.writeDoubleLE(header.createdAt, 28);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 36)), 36);
  return bytes;
}

/**
 * The header, or undefined when it is damaged.
 * @throws Error when it is whole and of a version that this program does not know.
 */
export function decodeSegmentHeader(bytes: Buffer, segment: Segment): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32LE(36) !== crc32(bytes.subarray(0, 36))) return undefined;
  const version = bytes.readUInt32LE(8);
  if (version !== segmentVersion) {
    throw new Error(
      `${segment.path} has format version ${version}, this program reads version ${segmentVersion}: ` +
        'start the version that wrote it, or move the directory away',
    );
  }
  if (bytes.readUInt32LE(12) !== segment.marker || bytes.readUInt32LE(16) !== segment.number)
    return undefined;
  return {
    number: segment.number,
    marker: segment.marker,
    previousNumber: bytes.readUInt32LE(20),
    previousLength: bytes.readUInt32LE(24),
    createdAt: bytes.readDoubleLE(28),
  };
}

/** Appends to a new segment. */
export class SegmentWriter {
  readonly segment: Segment;
  /** Where the next byte goes: `segment.length` and what is not published yet. */
  length: number;
  readonly #file: DiskFile;
  /** Of the file when it came from an older segment. */
  readonly #reusedLength: number;

  private constructor(segment: Segment, file: DiskFile, reusedLength: number) {
    this.segment = segment;
    this.length = segment.length;
    this.#file = file;
    this.#reusedLength = reusedLength;
  }

  /**
   * Creates the file, or takes the spare one, with what stands at its head; durable, its directory entry included, when
   * this resolves.
   */
  static async create(
    disk: Disk,
    directory: string,
    header: SegmentHeader,
    head: readonly Uint8Array[],
    spare: SpareFile | undefined,
  ): Promise<SegmentWriter> {
    const segment = parseSegmentName(segmentName(header.number, header.marker), directory)!;
    segment.sealed = false;
    const file = spare?.file ?? (await disk.open(segment.path, 'create'));
    try {
      segment.length = await writeAll(file, [encodeSegmentHeader(header), ...head], 0);
      await file.sync();
      if (spare !== undefined) await disk.rename(spare.path, segment.path);
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close().catch(() => undefined);
      for (const path of [segment.path, ...(spare === undefined ? [] : [spare.path])])
        await disk.unlink(path).catch(() => undefined);
      throw error;
    }
    return new SegmentWriter(segment, file, spare?.length ?? 0);
  }

  /** Writes all of the buffers behind what is there; a failure may leave a part of them. */
  async write(buffers: readonly Uint8Array[]): Promise<void> {
    this.length += await writeAll(this.#file, buffers, this.length);
  }

  /** Takes back what a failed write has left. */
  truncate(): Promise<void> {
    return this.#file.truncate(this.length);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** False when somebody has deleted the file. */
  async linked(): Promise<boolean> {
    return (await this.#file.stat()).links > 0;
  }

  /** Cuts off what an older segment has left behind the end; failing, it is of no meaning there. */
  async close(): Promise<void> {
    if (this.#reusedLength > this.length) await this.truncate().catch(() => undefined);
    await this.#file.close().catch(() => undefined);
  }
}
