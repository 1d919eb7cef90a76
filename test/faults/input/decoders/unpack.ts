// Compressed messages: what zlib unpacks at once, or an error of zlib, and never more than the client's share.
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { unpacked } from '../../../../collector/receivers/grpc-messages.ts';
import { ThrottledError } from '../../../../collector/receivers/refusal.ts';
import { RequestMemory } from '../../../../collector/receivers/request-memory.ts';
import { chosen, type Decoder, holds } from '../decoder.ts';
import { bodyOf } from '../requests.ts';

const ways = [
  { encoding: 'gzip', pack: gzipSync, unpack: gunzipSync },
  { encoding: 'deflate', pack: deflateSync, unpack: inflateSync },
] as const;

/** A client has half of it. */
const MEMORY_BYTES = 512 * 1024;

const isOfZlib = (error: unknown): boolean =>
  ['Z_', 'ERR_TRAILING'].some(prefix => (error as NodeJS.ErrnoException).code?.startsWith(prefix));

export const decoder: Decoder = {
  seeds: ways.flatMap(({ pack }, way) => ['', 'text '.repeat(100)].map(text => chosen(way, pack(text)))),
  words: [
    gzipSync(''),
    deflateSync(''),
    gzipSync(Buffer.alloc(2 ** 20)),
    gzipSync('x').subarray(0, 10),
    Buffer.alloc(8),
  ],
  inputs: fc
    .tuple(fc.nat(1), fc.uint8Array({ maxLength: 200 }), fc.nat(4000), fc.uint8Array({ maxLength: 8 }))
    .map(([way, bytes, times, behind]) =>
      chosen(way, Buffer.concat([ways[way]!.pack(Buffer.alloc(bytes.length * times, bytes)), behind])),
    ),
  async read(input) {
    const { encoding, unpack } = ways[(input[0] ?? 0) % ways.length]!;
    const bytes = Buffer.from(bodyOf(input));
    const hold = new RequestMemory(MEMORY_BYTES).hold({});
    try {
      const message = await unpacked(bytes, encoding, hold);
      holds(
        message.length <= MEMORY_BYTES / 2,
        `${message.length} bytes for a client that has ${MEMORY_BYTES / 2}`,
      );
      holds(message.equals(unpack(bytes)), 'another text than zlib reads at once');
      return 'read';
    } catch (error) {
      if (error instanceof ThrottledError || isOfZlib(error)) return 'refused';
      throw error;
    }
  },
};
