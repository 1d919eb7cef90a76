// The bytes of a gRPC call taken apart into messages, and a message unpacked.
import type { Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { REQUEST_BYTES_MAX, TooLargeError } from './refusal.ts';
import { collected, type Hold } from './request-memory.ts';

/*
 * Each message is | compressed (1) | length (4, big-endian) | `length` bytes |, in chunks that end anywhere:
 *
 *   chunk:  … tail of one | whole | whole | beginning of the next …
 *             copied        views           copied
 *
 * Invariant: between two chunks either #prefix or #bytes is being filled, never both. Memory grows with what has come, not
 * with what is announced.
 */

export const PREFIX_BYTES = 5;
/** A message that is announced to be larger gets its memory as it comes. */
const AT_ONCE_BYTES_MAX = 256 * 1024;

const empty = Buffer.alloc(0);

/** What somebody wants to know of messages before they are whole; it may throw to stop them. */
export interface MessageWatch {
  /** One of so many bytes begins. */
  begins(size: number): void;
  /** So much memory is taken for it. */
  grows(bytes: number): void;
  /** One that was not whole in a chunk is delivered next: so much memory is its receiver's now. */
  ends(bytes: number): void;
}

const nobody: MessageWatch = { begins: () => undefined, grows: () => undefined, ends: () => undefined };

export class MessageReader {
  readonly #deliver: (bytes: Buffer, compressed: boolean) => void;
  readonly #watch: MessageWatch;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixLength = 0;
  /** What has come of a message that began in an earlier chunk. */
  #bytes: Buffer = empty;
  #length = 0;
  /** Of the message that has begun, its prefix apart. */
  #size = 0;

  /** @param deliver gets each message, in order; the bytes are its own and are never written to again */
  constructor(deliver: (bytes: Buffer, compressed: boolean) => void, watch: MessageWatch = nobody) {
    this.#deliver = deliver;
    this.#watch = watch;
  }

  /** Whether a message has begun and not ended. */
  get isWithin(): boolean {
    return this.#prefixLength > 0;
  }

  /** @throws TooLargeError at the prefix of a message that would be too large, and whatever stops it */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#prefixLength < PREFIX_BYTES) at = this.#readPrefix(chunk, at);
      if (this.#prefixLength === PREFIX_BYTES) at = this.#readBytes(chunk, at);
    }
  }

  #readPrefix(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + PREFIX_BYTES - this.#prefixLength);
    for (let from = at; from < end; from++) this.#prefix[this.#prefixLength++] = chunk[from]!;
    if (this.#prefixLength === PREFIX_BYTES) {
      this.#size = this.#prefix.readUInt32BE(1);
      if (this.#size > REQUEST_BYTES_MAX) throw new TooLargeError();
      this.#watch.begins(this.#size);
    }
    return end;
  }

  #readBytes(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#size - this.#length);
    const part = chunk.subarray(at, end);
    const whole = this.#length + part.length === this.#size;
    if (whole && this.#length === 0) this.#end(part);
    else {
      this.#keep(part);
      if (whole) this.#end(this.#bytes);
    }
    return end;
  }

  #keep(part: Buffer): void {
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const room = Math.max(length, 2 * this.#bytes.length, AT_ONCE_BYTES_MAX);
      const size = Math.min(this.#size, room);
      this.#watch.grows(size - this.#bytes.length);
      const larger = Buffer.allocUnsafeSlow(size);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    part.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  #end(bytes: Buffer): void {
    const taken = this.#bytes.length;
    this.#prefixLength = 0;
    this.#bytes = empty;
    this.#length = 0;
    if (taken > 0) this.#watch.ends(taken);
    this.#deliver(bytes, this.#prefix[0] !== 0);
  }
}

/** Names of `grpc-encoding`. */
const encodings: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', createGunzip],
  ['deflate', createInflate],
]);

export const acceptedEncodings: string = ['identity', ...encodings.keys()].join(',');

export function isEncoding(name: string): boolean {
  return name === 'identity' || encodings.has(name);
}

/** @throws TooLargeError or ThrottledError as soon as it is known; Error when it does not unpack */
export async function unpacked(bytes: Buffer, encoding: string, hold: Hold): Promise<Buffer> {
  const unpack = encodings.get(encoding)?.();
  if (unpack === undefined) throw new Error('a compressed message without an encoding');
  unpack.end(bytes);
  try {
    return await collected(unpack, hold);
  } finally {
    unpack.destroy();
  }
}
