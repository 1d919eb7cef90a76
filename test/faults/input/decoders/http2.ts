// An HTTP/2 connection's bytes as the agent reads them: the same frames however they are cut, and header fields within bounds.
import fc from 'fast-check';
import {
  Flag,
  type Frame,
  FrameReader,
  FrameType,
  Http2Fault,
  unpadded,
} from '../../../../src/transport/http2/frame.ts';
import { encodeFields, FIELDS_BYTES_MAX, FieldDecoder } from '../../../../src/transport/http2/hpack.ts';
import { frame } from '../../../transport/http2/frames.ts';
import { type Decoder, holds, unlessRefused, type Verdict } from '../decoder.ts';

const headers = (block: Uint8Array): Buffer => frame(FrameType.headers, Flag.endHeaders, 1, block);

/** An example of RFC 7541, in the Huffman code, and a block that refers to what it has left. */
const response = Buffer.from(
  '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
  'hex',
);

interface Reading {
  readonly frames: string[];
  readonly fault: number | undefined;
}

/** @param step how many bytes come at once */
function readBy(step: number, input: Uint8Array, take: (frame: Frame) => void): Reading {
  const frames: string[] = [];
  const reader = new FrameReader(each => {
    frames.push(`${each.type} ${each.flags} ${each.streamId} ${each.payload.toString('hex')}`);
    take(each);
  });
  try {
    for (let at = 0; at < input.length; at += step) reader.push(Buffer.from(input.subarray(at, at + step)));
  } catch (error) {
    if (!(error instanceof Http2Fault)) throw error;
    return { frames, fault: error.code };
  }
  return { frames, fault: undefined };
}

function readFields(decoder: FieldDecoder, each: Frame): void {
  if (each.type !== FrameType.headers) return;
  const fields = decoder.decode(unpadded(each));
  const bytes = [...fields].reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  holds(bytes <= FIELDS_BYTES_MAX, 'more fields than are taken');
  const again = unlessRefused(Http2Fault, () => new FieldDecoder().decode(encodeFields([...fields])));
  holds(JSON.stringify([...(again ?? [])]) === JSON.stringify([...fields]), 'other fields when sent on');
}

export const decoder: Decoder = {
  seeds: [
    headers(encodeFields([[':status', '200']])),
    Buffer.concat([headers(response), headers(Buffer.of(0xc0, 0xbf, 0xbe))]),
    Buffer.concat([
      frame(FrameType.settings, 0, 0, Buffer.alloc(6)),
      frame(FrameType.data, Flag.padded, 1, Buffer.of(1, 2, 0)),
    ]),
  ],
  words: [
    Buffer.alloc(9),
    Buffer.of(0x3f, 0xe1, 0x01),
    Buffer.of(0xff, 0xff, 0xff, 0x7f),
    Buffer.of(0x40),
    response,
  ],
  inputs: fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map(headers),
        fc
          .array(fc.tuple(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'binary-ascii' })), {
            maxLength: 4,
          })
          .map(fields => headers(encodeFields(fields))),
        fc
          .tuple(fc.nat(10), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 40 }))
          .map(parts => frame(...parts)),
      ),
      { maxLength: 5 },
    )
    .map(all => Buffer.concat(all)),
  read(input): Verdict {
    const decoder = new FieldDecoder();
    const whole = readBy(Math.max(1, input.length), input, each => readFields(decoder, each));
    for (const step of [1, 7]) {
      const again = new FieldDecoder();
      const cut = readBy(step, input, each => readFields(again, each));
      holds(JSON.stringify(cut) === JSON.stringify(whole), `other frames by ${step} bytes at once`);
    }
    return whole.fault === undefined ? 'read' : 'refused';
  },
};
