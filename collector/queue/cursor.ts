// A reader's cursor on disk: one small file, replaced as a whole.
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Position } from '../component.ts';
import { type Disk, writeAll } from './disk.ts';

/*
 * `<name, percent-encoded>.cursor`, 20 bytes, little-endian: 'TCUR' | 4 version u32 | 8 position u64 | 16 crc32 of
 * bytes 0..15 and then the name. A file under another reader's name is therefore damaged.
 */

const magic = Buffer.from('TCUR', 'latin1');
const cursorVersion = 1;
const cursorBytes = 20;
const nameLengthMax = 64;

export const cursorSuffix = '.cursor';
export const temporarySuffix = '.tmp';

export function encodeCursor(name: string, position: Position): Buffer {
  const bytes = Buffer.alloc(cursorBytes);
  bytes.set(magic);
  bytes.writeUInt32LE(cursorVersion, 4);
  bytes.writeBigUInt64LE(position, 8);
  bytes.writeUInt32LE(checksum(bytes, name), 16);
  return bytes;
}

/**
 * The position, or undefined when the bytes are damaged.
 * @throws Error when they are whole and of a version that this program does not know.
 */
function decodeCursor(name: string, bytes: Buffer): Position | undefined {
  if (bytes.length !== cursorBytes || !bytes.subarray(0, 4).equals(magic)) return undefined;
  if (bytes.readUInt32LE(16) !== checksum(bytes, name)) return undefined;
  const version = bytes.readUInt32LE(4);
  if (version !== cursorVersion) {
    throw new Error(
      `the cursor of ${name} has format version ${version}, this program reads version ${cursorVersion}`,
    );
  }
  return bytes.readBigUInt64LE(8);
}

function checksum(bytes: Buffer, name: string): number {
  return crc32(name, crc32(bytes.subarray(0, 16)));
}

export class CursorFile {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #path: string;
  readonly #name: string;

  constructor(disk: Disk, directory: string, name: string) {
    const fileName = encodeURIComponent(name) + cursorSuffix;
    if (name === '' || fileName.length > nameLengthMax * 3) {
      throw new RangeError(`a reader's name has 1 to ${nameLengthMax} characters: ${JSON.stringify(name)}`);
    }
    this.#disk = disk;
    this.#directory = directory;
    this.#path = join(directory, fileName);
    this.#name = name;
  }

  /** The position; null when there is no file, undefined when it is damaged. */
  async load(): Promise<Position | null | undefined> {
    let file: Awaited<ReturnType<Disk['open']>>;
    try {
      file = await this.#disk.open(this.#path, 'read');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      const bytes = Buffer.alloc(cursorBytes + 1);
      const length = await file.read(bytes, 0);
      return decodeCursor(this.#name, bytes.subarray(0, length));
    } finally {
      await file.close();
    }
  }

  /** Durable when this resolves; the old one stays when it rejects. */
  async save(position: Position): Promise<void> {
    const temporary = this.#path + temporarySuffix;
    const file = await this.#create(temporary);
    try {
      await writeAll(file, [encodeCursor(this.#name, position)], 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(temporary, this.#path);
    await this.#disk.syncDirectory(this.#directory);
  }

  async #create(path: string): ReturnType<Disk['open']> {
    try {
      return await this.#disk.open(path, 'create');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await this.#disk.unlink(path);
      return await this.#disk.open(path, 'create');
    }
  }
}
