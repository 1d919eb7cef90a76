// The body of an HTTP request: decompressed as it comes, and bounded.
import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';
import { WireError } from 'tricord/otlp';
import { REQUEST_BYTES_MAX, TooLargeError, UnsupportedError } from './refusal.ts';
import { collected, type Hold } from './request-memory.ts';

/**
 * The whole body, decompressed.
 * @throws TooLargeError as soon as it is known that it is too large; an UnsupportedError; a WireError when it does
 *   not decompress; a ThrottledError when the client has its share
 */
export async function readBody(request: IncomingMessage, hold: Hold): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') {
    throw new UnsupportedError(`content-encoding "${encoding}" is not supported; send gzip, or none`);
  }
  if (Number(request.headers['content-length'] ?? 0) > REQUEST_BYTES_MAX) throw new TooLargeError();
  if (encoding === 'identity') return await collected(request, hold);
  const unzipped = createGunzip();
  request.once('error', error => unzipped.destroy(error));
  request.pipe(unzipped);
  try {
    return await collected(unzipped, hold);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_') !== true) throw error;
    throw new WireError(`not gzip: ${(error as Error).message}`, unzipped.bytesWritten);
  } finally {
    request.unpipe(unzipped);
    unzipped.destroy();
  }
}
