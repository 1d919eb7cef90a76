// Compressed bodies and messages that lie, over OTLP/HTTP, OTLP/gRPC and the stream.
import { connect } from 'node:net';
import { brotliCompressSync, createGzip, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Signal, toJson } from 'tricord/otlp';
import { REQUEST_BYTES_MAX } from '../../../../collector/receivers/refusal.ts';
import { exportPaths } from '../../../../collector/signals.ts';
import { framed } from '../../../collector/receivers/raw-call.ts';
import { batchMessage } from '../../../collector/receivers/stream-agent.ts';
import { traceRequest } from '../../../collector/requests.ts';
import { type Answer, type CaseItem, type InputCase, thinned } from './input-case.ts';
import type { Target } from './target.ts';

interface Packed {
  readonly bytes: Uint8Array;
  readonly encoding: string;
  /** Over HTTP, and over gRPC where another one is asked for: messages that do not unpack are INTERNAL there. */
  readonly http: Answer;
  readonly grpc: Answer;
}

const MIB = 1024 * 1024;
const request = traceRequest([]);
const json = Buffer.from(toJson(Signal.traces, request));

/** More than a request may have, in some 65 KB. */
async function bomb(): Promise<Buffer> {
  const gzip = createGzip({ level: 9 });
  const zeros = Buffer.alloc(MIB);
  for (let i = 0; i < REQUEST_BYTES_MAX / MIB + 1; i++) gzip.write(zeros);
  gzip.end();
  return Buffer.concat(await gzip.toArray());
}

/** The trailer of gzip says another size than there is. */
function lying(packed: Buffer): Buffer {
  const copy = Buffer.from(packed);
  copy.writeUInt32LE(0x7fffffff, copy.length - 4);
  return copy;
}

const undecodable = (encoding: string, bytes: Uint8Array): Packed => {
  return { bytes, encoding, http: 'malformed', grpc: 'undecodable' };
};
const unsupported = (encoding: string, bytes: Uint8Array): Packed => {
  return { bytes, encoding, http: 'unsupported', grpc: 'unsupported' };
};

type Packing = (body: Buffer) => readonly Packed[] | Promise<readonly Packed[]>;

const items: Readonly<Partial<Record<CaseItem, Packing>>> = {
  'compression that is right': body => [
    { bytes: gzipSync(body), encoding: 'gzip', http: 'taken', grpc: 'taken' },
  ],
  'gzip bombs': async () => [{ bytes: await bomb(), encoding: 'gzip', http: 'too large', grpc: 'too large' }],
  'zstd bombs': () => [unsupported('zstd', zstdCompressSync(Buffer.alloc(MIB)))],
  'truncated compression': body => {
    const packed = gzipSync(body);
    return Array.from({ length: packed.length }, (_, size) => undecodable('gzip', packed.subarray(0, size)));
  },
  'wrong encoding': body => [
    undecodable('gzip', Buffer.from('nonsense')),
    undecodable('gzip', deflateSync(body)),
    unsupported('snappy', body),
  ],
  'trailing junk': body => [undecodable('gzip', Buffer.concat([gzipSync(body), Buffer.from('junk')]))],
  'sizes that lie': body => [undecodable('gzip', lying(gzipSync(body)))],
  brotli: body => [unsupported('br', brotliCompressSync(body))],
};

const httpCase = (item: CaseItem, name: string, type: string, body: Buffer): InputCase => ({
  item,
  name,
  async run(target, percent) {
    const all = thinned(await items[item]!(body), percent);
    for (const { bytes, encoding, http } of all) {
      const headers = { 'content-type': type, 'content-encoding': encoding };
      await target.demand(http, bytes, () => target.post({ path: '/v1/traces', body: bytes, headers }));
    }
    return all.length;
  },
});

const grpcCase = (item: CaseItem): InputCase => ({
  item,
  name: 'grpc',
  async run(target, percent) {
    const all = thinned(await items[item]!(request), percent);
    for (const { bytes, encoding, grpc } of all) {
      const headers = { 'grpc-encoding': encoding };
      await target.demand(grpc, bytes, () =>
        target.call(exportPaths[Signal.traces], framed(bytes, 1), headers),
      );
    }
    return all.length;
  },
});

/** A body that ends before the length that was announced: nobody waits for the answer, and nobody is held up. */
async function shortBody(target: Target): Promise<number> {
  const [host, port] = target.endpoints.http.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  socket.end(
    'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 99\r\n\r\nabc',
  );
  socket.resume();
  await new Promise(resolve => socket.once('close', resolve));
  return 1;
}

const sizes: readonly InputCase[] = [
  { item: 'sizes that lie', name: 'HTTP, a body shorter than its length', run: shortBody },
  {
    item: 'sizes that lie',
    name: 'HTTP, a length that is too large',
    async run(target) {
      const headers = { 'content-length': String(REQUEST_BYTES_MAX + 1) };
      await target.demand('too large', request, () =>
        target.post({ path: '/v1/traces', body: request, headers }),
      );
      return 1;
    },
  },
  {
    item: 'sizes that lie',
    name: 'gRPC, prefixes that are too large or longer than what follows',
    async run(target) {
      const [tooLarge, tooLong] = [framed(request), framed(request)];
      tooLarge.writeUInt32BE(REQUEST_BYTES_MAX + 1, 1);
      tooLong.writeUInt32BE(request.length + 1, 1);
      const path = exportPaths[Signal.traces];
      await target.demand('too large', tooLarge, () => target.call(path, tooLarge));
      await target.demand('undecodable', tooLong, () => target.call(path, tooLong));
      return 2;
    },
  },
  {
    item: 'wrong encoding',
    name: 'stream, a batch of an unknown encoding',
    async run(target) {
      const message = batchMessage(1, { encoding: 9 });
      await target.demand('malformed', message, () => target.stream([message]));
      return 1;
    },
  },
  {
    item: 'truncation at each byte',
    name: 'stream, frames cut off',
    async run(target, percent) {
      const message = batchMessage(1);
      const sizes = thinned([...message.keys()], percent);
      for (const size of sizes) {
        const cut = message.subarray(0, size);
        await target.demand('malformed', cut, () => target.stream([cut]));
      }
      return sizes.length;
    },
  },
];

export const compressionCases: readonly InputCase[] = [
  ...(Object.keys(items) as CaseItem[]).flatMap(item => [
    grpcCase(item),
    httpCase(item, 'protobuf', 'application/x-protobuf', request),
    httpCase(item, 'json', 'application/json', json),
  ]),
  ...sizes,
];
