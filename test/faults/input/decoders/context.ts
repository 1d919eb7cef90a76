// The binary form of a context: refused as a whole, or the same again when it is written and read.
import fc from 'fast-check';
import { decodeContext, encodeContext } from '../../../../src/context/binary-form.ts';
import { type Decoder, holds } from '../decoder.ts';

const text = (value: string): Uint8Array => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes]);
};
const bytesFor = (state: string, baggage: string, labels: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat([
    Uint8Array.of(1, 1),
    Buffer.alloc(24, 7),
    text(state),
    text(baggage),
    Uint8Array.of(labels.length),
    ...labels,
  ]);
const label = (key: string, value: Uint8Array): Uint8Array => Buffer.concat([text(key), value]);

const number = Buffer.from([2, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]);
const labels = [
  label('tenant', Buffer.concat([Uint8Array.of(3), text('blue')])),
  label('n', number),
  label('yes', Uint8Array.of(1)),
];
const values = fc.oneof(
  fc.constantFrom<Uint8Array>(Uint8Array.of(0), Uint8Array.of(1), number),
  fc.string().map(value => Buffer.concat([Uint8Array.of(3), text(value)])),
);

export const decoder: Decoder = {
  seeds: [bytesFor('a=1', 'k=v', labels), bytesFor('', '', [])],
  words: [text(''), text('__proto__'), Buffer.from([0xff, 0xff]), number, text('a=1,a=2'), text('k=%ff')],
  inputs: fc
    .tuple(
      fc.string(),
      fc.string(),
      fc.array(
        fc.tuple(fc.string(), values).map(parts => label(...parts)),
        { maxLength: 20 },
      ),
    )
    .map(parts => bytesFor(...parts)),
  read(input) {
    const context = decodeContext(input);
    if (context === undefined) return 'refused';
    const bytes = encodeContext(context);
    const again = decodeContext(bytes);
    holds(again !== undefined, 'what was written cannot be read');
    holds(Buffer.from(encodeContext(again)).equals(bytes), 'another context the second time');
    return 'read';
  },
};
