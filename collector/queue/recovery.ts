// What is found in the directory at the start: every undamaged record, and a count of all that is not one.
import { basename, join } from 'node:path';
import type { Signal } from 'tricord/otlp';
import { cursorSuffix, temporarySuffix } from './cursor.ts';
import type { Horizon } from './dedup.ts';
import type { Disk, DiskFile } from './disk.ts';
import { Inventory } from './inventory.ts';
import { holderName, lockName } from './lock.ts';
import { PatientFile } from './patient-file.ts';
import { origin, positionOf } from './position.ts';
import { decodeReused, RecordKind, recordHeaderBytes, resemblesRecord } from './record.ts';
import { SegmentScanner, sourceOf } from './scan.ts';
import {
  decodeSegmentHeader,
  parseSegmentName,
  type Segment,
  type SegmentHeader,
  segmentHeaderBytes,
} from './segment.ts';
import { spareName } from './spare.ts';

export interface Recovered {
  /** Oldest first, all sealed. */
  readonly segments: Segment[];
  /** What they hold, in items. */
  readonly inventory: Inventory;
  readonly records: number;
  readonly damaged: number;
  readonly tornBytes: number;
}

export type Warn = (message: string, error?: unknown) => void;

/**
 * The segments of the directory, scanned; what they know of stream instances goes into the horizon. A torn tail is cut off.
 * @throws Error when a segment is of a newer format version, or the disk fails in more than the reading of some blocks.
 */
export async function recover(
  disk: Disk,
  directory: string,
  horizon: Horizon,
  warn: Warn,
): Promise<Recovered> {
  return await new Recovery(disk, horizon, warn).run(directory);
}

class Recovery {
  readonly #disk: Disk;
  readonly #horizon: Horizon;
  readonly #warn: Warn;
  /** Partly: nothing of them is cut off or deleted, for another disk may read them. */
  readonly #unreadable = new Set<Segment>();
  readonly #inventory = new Inventory();
  #records = 0;
  #damaged = 0;
  #tornBytes = 0;

  constructor(disk: Disk, horizon: Horizon, warn: Warn) {
    this.#disk = disk;
    this.#horizon = horizon;
    this.#warn = warn;
  }

  async run(directory: string): Promise<Recovered> {
    const segments = await this.#find(directory);
    const headers = new Map<Segment, SegmentHeader>();
    for (const segment of segments) {
      const header = decodeSegmentHeader(await this.#headerBytes(segment), segment);
      if (header !== undefined) headers.set(segment, header);
    }
    this.#countMissing(segments, headers.values());
    const limits = limitsOf(headers.values());
    for (const segment of segments) await this.#scan(segment, limits.get(segment.number));
    await this.#dropUnborn(directory, segments, headers);
    for (const segment of segments) {
      if (!headers.has(segment))
        this.#damage(`the header of ${segment.path} is damaged; its records are kept`);
    }
    return {
      segments,
      inventory: this.#inventory,
      records: this.#records,
      damaged: this.#damaged,
      tornBytes: this.#tornBytes,
    };
  }

  async #find(directory: string): Promise<Segment[]> {
    const segments: Segment[] = [];
    for (const name of await this.#disk.list(directory)) {
      const segment = parseSegmentName(name, directory);
      if (segment !== undefined) segments.push(segment);
      if (name === spareName) await this.#disk.unlink(join(directory, name));
    }
    return segments.sort((a, b) => a.number - b.number);
  }

  /** The newest segment, when a crash came while it was being made: nothing was ever appended to it. */
  async #dropUnborn(
    directory: string,
    segments: Segment[],
    headers: ReadonlyMap<Segment, SegmentHeader>,
  ): Promise<void> {
    const newest = segments.at(-1);
    if (newest === undefined || headers.has(newest) || newest.last !== origin) return;
    if (this.#unreadable.has(newest)) return;
    segments.pop();
    this.#tornBytes += newest.length;
    this.#warn(`${newest.path} was never finished: deleted`);
    await this.#disk.unlink(newest.path);
    await this.#disk.syncDirectory(directory);
  }

  /** Fewer bytes when the file is shorter. */
  async #headerBytes(segment: Segment): Promise<Buffer> {
    const bytes = Buffer.alloc(segmentHeaderBytes);
    const file = await this.#disk.open(segment.path, 'read');
    try {
      return bytes.subarray(0, await this.#patient(file, segment).read(bytes, 0));
    } finally {
      await file.close();
    }
  }

  #patient(file: DiskFile, segment: Segment): PatientFile {
    return new PatientFile(file, (position, error) => {
      this.#unreadable.add(segment);
      this.#warn(`${segment.path} cannot be read at ${position}`, error);
    });
  }

  /** Segments that a successor speaks of and that are not there, though an older one is. */
  #countMissing(segments: readonly Segment[], headers: Iterable<SegmentHeader>): void {
    const present = new Set(segments.map(segment => segment.number));
    const oldest = segments[0]?.number ?? 0;
    for (const { previousNumber } of headers) {
      if (previousNumber <= oldest || present.has(previousNumber)) continue;
      this.#damage(`segment ${previousNumber} is missing`);
    }
  }

  async #scan(segment: Segment, sealedLength: number | undefined): Promise<void> {
    const file = await this.#disk.open(segment.path, 'write');
    try {
      const { size } = await file.stat();
      segment.length = Math.min(size, sealedLength ?? size);
      const { tailBytes, reusedLength } = await this.#scanRecords(file, segment);
      const open = sealedLength === undefined && !this.#unreadable.has(segment);
      if (open) await this.#cutTail(file, segment, tailBytes, reusedLength);
      else if (tailBytes > 0 || size < (sealedLength ?? 0))
        this.#damage(`the end of ${segment.path} is damaged`);
    } finally {
      await file.close();
    }
  }

  async #scanRecords(
    file: DiskFile,
    segment: Segment,
  ): Promise<{ readonly tailBytes: number; readonly reusedLength: number }> {
    let reusedLength = 0;
    const limit = segment.length;
    const scanner = new SegmentScanner(this.#patient(file, segment), segment, segmentHeaderBytes);
    for (let record = await scanner.next(limit); record; record = await scanner.next(limit)) {
      const { header, body, offset } = record;
      if (header.kind === RecordKind.horizon) this.#horizon.mergeDurable(body);
      if (header.kind === RecordKind.ahead) this.#horizon.mergeAhead(body);
      if (header.kind === RecordKind.reused) reusedLength = decodeReused(body);
      if (header.kind !== RecordKind.batch) continue;
      // A power loss can take the first records of a group, which nobody has acknowledged, and leave the later ones.
      if (header.origin !== undefined && header.group < scanner.damageEnd)
        this.#horizon.settleAhead(header.origin);
      else if (header.origin !== undefined) this.#horizon.settle(header.origin);
      segment.records++;
      segment.last = positionOf(segment.number, offset);
      segment.lastAt = performance.now() - Math.max(0, Date.now() - header.receivedAt);
      this.#inventory.found(segment.last, sourceOf(record), header.signal as Signal, header.items);
    }
    this.#records += segment.records;
    const { count, tailBytes } = scanner.damage(limit);
    segment.damages = count;
    if (count > 0) this.#damage(`${segment.path}: ${count} damaged places skipped`, count);
    return { tailBytes, reusedLength };
  }

  /** The last segment of a process that did not end by itself: what follows the last whole record was never acknowledged. */
  async #cutTail(file: DiskFile, segment: Segment, tailBytes: number, reusedLength: number): Promise<void> {
    if (tailBytes === 0) return;
    const size = segment.length;
    segment.length -= tailBytes;
    const isTorn = await this.#isTornAt(file, segment, segment.length);
    const tornBytes = isTorn ? tailBytes : size - Math.min(size, Math.max(segment.length, reusedLength));
    this.#tornBytes += tornBytes;
    if (tornBytes > 0)
      this.#warn(`${basename(segment.path)}: ${tornBytes} bytes behind the last whole record cut off`);
    try {
      await file.truncate(segment.length);
      await file.sync();
    } catch (error) {
      // The next segment's header will say where this one ends.
      this.#warn(`${segment.path} cannot be truncated`, error);
    }
  }

  /** Whether a part of one of the segment's own records is there, and not what was in the file before. */
  async #isTornAt(file: DiskFile, segment: Segment, offset: number): Promise<boolean> {
    const bytes = Buffer.alloc(recordHeaderBytes);
    const read = await this.#patient(file, segment).read(bytes, offset);
    return resemblesRecord(bytes.subarray(0, read), segment.marker, offset);
  }

  #damage(message: string, count = 1): void {
    this.#damaged += count;
    this.#warn(message);
  }
}

/** Where each segment ends, as far as its successor says it. */
function limitsOf(headers: Iterable<SegmentHeader>): Map<number, number> {
  return new Map(Array.from(headers, header => [header.previousNumber, header.previousLength]));
}

/** @throws Error when the directory holds files, but no queue: it belongs to somebody else. */
export async function refuseForeign(disk: Disk, directory: string): Promise<void> {
  const names = await disk.list(directory);
  if (names.length === 0 || names.includes(lockName)) return;
  const foreign = names.filter(name => name !== 'lost+found' && !isOurs(name, directory));
  if (foreign.length === 0) return;
  throw new Error(
    `${directory} is no queue's directory: it holds ${foreign[0]}; give the queue one of its own`,
  );
}

function isOurs(name: string, directory: string): boolean {
  if (
    name === holderName ||
    name === spareName ||
    name.endsWith(cursorSuffix) ||
    name.endsWith(temporarySuffix)
  )
    return true;
  return parseSegmentName(name, directory) !== undefined;
}
