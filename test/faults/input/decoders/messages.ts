// The bytes of a gRPC call as messages: the same ones however they are cut.
import fc from 'fast-check';
import { MessageReader } from '../../../../collector/receivers/grpc-messages.ts';
import { TooLargeError } from '../../../../collector/receivers/refusal.ts';
import { type Decoder, holds } from '../decoder.ts';

const framed = (message: Uint8Array, compressed = 0): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

interface Reading {
  readonly messages: string[];
  readonly isWithin: boolean;
  readonly tooLarge: boolean;
}

/** @param step how many bytes come at once */
function readBy(step: number, input: Uint8Array): Reading {
  const messages: string[] = [];
  const reader = new MessageReader((bytes, compressed) =>
    messages.push(`${compressed} ${bytes.toString('hex')}`),
  );
  try {
    for (let at = 0; at < input.length; at += step) reader.push(Buffer.from(input.subarray(at, at + step)));
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error;
    return { messages, isWithin: false, tooLarge: true };
  }
  return { messages, isWithin: reader.isWithin, tooLarge: false };
}

export const decoder: Decoder = {
  seeds: [
    framed(Buffer.from('one')),
    Buffer.concat([framed(Buffer.alloc(300, 7)), framed(Buffer.alloc(0), 1)]),
  ],
  words: [
    Buffer.alloc(5),
    Buffer.from([0, 4, 0, 0, 0]),
    Buffer.from([0, 4, 0, 0, 1]),
    Buffer.alloc(5, 0xff),
    Buffer.from([1, 0, 0, 0, 1]),
  ],
  inputs: fc
    .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(2)), { maxLength: 5 })
    .map(all => Buffer.concat(all.map(each => framed(...each)))),
  read(input) {
    const whole = readBy(Math.max(1, input.length), input);
    for (const step of [1, 7]) {
      const cut = readBy(step, input);
      holds(JSON.stringify(cut) === JSON.stringify(whole), `other messages by ${step} bytes at once`);
    }
    return whole.tooLarge || whole.isWithin ? 'refused' : 'read';
  },
};
