// The body of an HTTP request: decompressed as it comes, and bounded in size, in total and in time.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { WireError } from 'tricord/otlp';
import { OfferError } from '../component.ts';
import { REQUEST_BYTES_MAX, TooLargeError, UnsupportedError } from './refusal.ts';

/** Bytes that all bodies together hold while they are read. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws OfferError, retryable, when too much is being read already */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) throw new OfferError('too many large requests at once', true);
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * The whole body, decompressed.
 * @throws TooLargeError as soon as it is known that it is too large; an UnsupportedError; a WireError when it does
 *   not decompress; a retryable OfferError when the budget is spent
 */
export async function readBody(request: IncomingMessage, budget: BodyBudget): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') {
    throw new UnsupportedError(`content-encoding "${encoding}" is not supported; send gzip, or none`);
  }
  if (Number(request.headers['content-length'] ?? 0) > REQUEST_BYTES_MAX) throw new TooLargeError();
  if (encoding === 'identity') return await collect(request, budget);
  const unzipped = createGunzip();
  request.once('error', error => unzipped.destroy(error));
  request.pipe(unzipped);
  try {
    return await collect(unzipped, budget);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_') !== true) throw error;
    throw new WireError(`not gzip: ${(error as Error).message}`, unzipped.bytesWritten);
  } finally {
    request.unpipe(unzipped);
    unzipped.destroy();
  }
}

async function collect(source: Readable, budget: BodyBudget): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // The socket stays open on a refusal, for the answer.
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (bytes + chunk.length > REQUEST_BYTES_MAX) throw new TooLargeError();
      budget.take(chunk.length);
      bytes += chunk.length;
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
  } finally {
    budget.give(bytes);
  }
}
