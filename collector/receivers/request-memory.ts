// How many bytes all requests together hold between their sockets and the queue, and how many of them one client may.
import type { Readable } from 'node:stream';
import { REQUEST_BYTES_MAX, ThrottledError, TooLargeError } from './refusal.ts';

/*
 *   | client A | client B | … | free |   bytesMax
 *
 * Invariants: all together hold at most bytesMax. Nobody gets more when it would then hold more than is left free: one alone gets half, two
 * greedy ones a third each, and there is always something left for the one that comes next.
 */

/** Room for two of the largest requests when nobody else sends. */
const BYTES_MAX = 4 * REQUEST_BYTES_MAX;

interface Client {
  bytes: number;
}

export class RequestMemory {
  readonly #bytesMax: number;
  /** By the connection: a client that opens several gets several shares, each smaller than the one before. */
  readonly #clients = new WeakMap<object, Client>();
  #bytes = 0;
  #refusals = 0;

  constructor(bytesMax: number = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Held now. */
  get bytes(): number {
    return this.#bytes;
  }

  get free(): number {
    return this.#bytesMax - this.#bytes;
  }

  /** Requests that were told to come again. */
  get refusals(): number {
    return this.#refusals;
  }

  /** What one request of this connection holds: nothing yet. */
  hold(connection: object): Hold {
    let client = this.#clients.get(connection);
    if (client === undefined) {
      client = { bytes: 0 };
      this.#clients.set(connection, client);
    }
    return new Hold(this, client);
  }

  /** @throws ThrottledError */
  take(client: Client, bytes: number): void {
    if (client.bytes + bytes > this.free - bytes) {
      this.#refusals++;
      throw new ThrottledError();
    }
    client.bytes += bytes;
    this.#bytes += bytes;
  }

  give(client: Client, bytes: number): void {
    client.bytes -= bytes;
    this.#bytes -= bytes;
  }
}

/** The bytes of one request. */
export class Hold {
  readonly #memory: RequestMemory;
  readonly #client: Client;
  #bytes = 0;
  #over = false;

  constructor(memory: RequestMemory, client: Client) {
    this.#memory = memory;
    this.#client = client;
  }

  /** @throws ThrottledError when the client has its share already; what it held before it holds still */
  take(bytes: number): void {
    if (this.#over) return;
    this.#memory.take(this.#client, bytes);
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    if (this.#over) return;
    this.#memory.give(this.#client, bytes);
    this.#bytes -= bytes;
  }

  /** The request is over: whatever is still said of it counts no more. */
  release(): void {
    this.give(this.#bytes);
    this.#over = true;
  }
}

/**
 * All bytes of a stream, which are held from here on. The stream is not destroyed.
 * @throws TooLargeError or ThrottledError as soon as it is known
 */
export async function collected(source: Readable, hold: Hold): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (bytes + chunk.length > REQUEST_BYTES_MAX) throw new TooLargeError();
    hold.take(chunk.length);
    bytes += chunk.length;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
}
