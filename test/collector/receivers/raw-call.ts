// A gRPC call by hand: framed messages out, the status and the bytes of the answer in.
import { once } from 'node:events';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';

/** A message with its prefix. */
export function framed(message: Uint8Array, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** How the server has ended a call. */
export interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly code: number;
  readonly message: string;
  readonly bytes: Buffer;
}

/** Resolves when the server has ended the call. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on('response', got => (headers = got));
  stream.on('trailers', got => (trailers = got));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  const status = { ...headers, ...trailers };
  const code = Number(status['grpc-status']);
  const message = decodeURI(String(status['grpc-message'] ?? ''));
  return { headers, code, message, bytes: Buffer.concat(chunks) };
}
