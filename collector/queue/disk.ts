// The few file operations that the queue needs, as an interface: the real disk, or one that fails on purpose.

import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { type DirectoryLock, lockDirectory } from './lock.ts';

export interface DiskFile {
  /** Reads into all of `target`; resolves with the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes the buffers one after another; resolves with the bytes written, which may be fewer. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Resolves when all that was written, and the file's length, is on stable storage. */
  sync(): Promise<void>;
  stat(): Promise<FileState>;
  close(): Promise<void>;
}

export interface FileState {
  readonly size: number;
  /** Directory entries of the file: 0 when it was deleted under our feet. */
  readonly links: number;
}

export interface Disk {
  /** `create` makes a new file and fails when there is one; `write` opens an existing one for reading and writing. */
  open(path: string, access: 'read' | 'write' | 'create'): Promise<DiskFile>;
  /** Makes the directory and its parents where they are missing. */
  makeDirectory(directory: string): Promise<void>;
  /** Keeps other processes out. @throws Error that names the directory, and the process that is in it. */
  lock(directory: string): DirectoryLock;
  list(directory: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes creations, renames and deletions in the directory survive a crash of the machine. */
  syncDirectory(directory: string): Promise<void>;
}

const flags = { read: 'r', write: 'r+', create: 'wx+' } as const;

export const nodeDisk: Disk = {
  async open(path: string, access: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return new NodeFile(await open(path, flags[access], 0o600));
  },
  async makeDirectory(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  },
  lock: lockDirectory,
  list(directory: string): Promise<string[]> {
    return readdir(directory);
  },
  rename,
  unlink,
  async syncDirectory(directory: string): Promise<void> {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const { bytesWritten } = await this.#handle.writev(buffers as Uint8Array[], position);
    return bytesWritten;
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  async stat(): Promise<FileState> {
    const { size, nlink } = await this.#handle.stat();
    return { size, links: nlink };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Writes all of the buffers, going on after short writes; rejects when the disk takes no more. */
export async function writeAll(
  file: DiskFile,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<number> {
  let rest = buffers;
  let at = position;
  while (rest.length > 0) {
    const written = await file.write(rest, at);
    if (written <= 0) throw new Error('the disk took no bytes');
    at += written;
    rest = remainder(rest, written);
  }
  return at - position;
}

function remainder(buffers: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let index = 0;
  let left = written;
  while (index < buffers.length && left >= buffers[index]!.length) {
    left -= buffers[index]!.length;
    index++;
  }
  if (left === 0) return buffers.slice(index);
  return [buffers[index]!.subarray(left), ...buffers.slice(index + 1)];
}
