// Reads a file of a disk that fails in places: tries again, and gives zeros for a block that cannot be read.
import { setTimeout as delay } from 'node:timers/promises';
import type { DiskFile } from './disk.ts';

const attemptsMax = 3;
const pauseMs = 100;
/** The block of the usual file systems: what a bad sector takes with it. */
export const blockBytes = 4096;

/** For the recovery: zeros are no record, so that unreadable blocks are damage like any other, and the rest is kept. */
export class PatientFile implements Pick<DiskFile, 'read'> {
  readonly #file: DiskFile;
  readonly #onUnreadable: (position: number, error: unknown) => void;

  constructor(file: DiskFile, onUnreadable: (position: number, error: unknown) => void) {
    this.#file = file;
    this.#onUnreadable = onUnreadable;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    for (let attempt = 1; attempt < attemptsMax; attempt++) {
      try {
        return await this.#file.read(target, position);
      } catch {
        await delay(pauseMs);
      }
    }
    return await this.#readByBlocks(target, position);
  }

  async #readByBlocks(target: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const toBlockEnd = blockBytes - ((position + done) % blockBytes);
      const part = target.subarray(done, done + toBlockEnd);
      let read = part.length;
      try {
        read = await this.#file.read(part, position + done);
      } catch (error) {
        part.fill(0);
        this.#onUnreadable(position + done, error);
      }
      done += read;
      if (read < part.length) break;
    }
    return done;
  }
}
