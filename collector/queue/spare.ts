// The file of a segment that nobody needs any more, kept for the next one.
import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';

/*
 * Where a file grows, each fdatasync also saves its new length and where its new blocks are: on ext4 a commit of the journal,
 * which takes about as long as the data. A file whose blocks have all been written before has nothing to save but data.
 *
 *   00000007-5ac3e1f0.wal ──all settled──▶ segment.spare ──new head, fsync──▶ 00000009-e02c77aa.wal
 *
 * Invariants: nothing is written into the file before its old name is gone for good, and it gets its new one when its new
 * head is durable. There is one spare at most, and none after a start: what a crash leaves of it is deleted.
 */

export const spareName = 'segment.spare';

/** An opened file with bytes that mean nothing any more. */
export interface SpareFile {
  readonly path: string;
  readonly file: DiskFile;
  /** Bytes of the file. */
  readonly length: number;
}

export class Spare {
  /** Where a segment's file is kept. */
  readonly path: string;
  /** There is one, and its old name is gone for good. */
  kept = false;
  readonly #disk: Disk;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.path = join(directory, spareName);
  }

  /** The spare, for whoever gives it a new name; undefined when there is none, or none that can be opened. */
  async take(): Promise<SpareFile | undefined> {
    if (!this.kept) return undefined;
    this.kept = false;
    const { path } = this;
    const file = await this.#disk.open(path, 'write').catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      return { path, file, length: (await file.stat()).size };
    } catch {
      await file.close().catch(() => undefined);
      return undefined;
    }
  }

  /** Gives the disk its room back. */
  async discard(): Promise<void> {
    if (!this.kept) return;
    this.kept = false;
    await this.#disk.unlink(this.path).catch(() => undefined);
  }
}
