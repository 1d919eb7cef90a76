// What the collector reads of a stream: one hello or one batch, the same again when it is written and read.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  type AgentMessage,
  decodeAgentMessage,
  encodeBatchHead,
  encodeHello,
  type Signal,
  WireError,
} from 'tricord/otlp';
import * as wire from '../../../transport/otlp/wire.ts';
import { type Decoder, holds, unlessRefused } from '../decoder.ts';
import { requestWords } from '../requests.ts';

const hello = (id: number, resource: Uint8Array, nextSequence: number): Uint8Array =>
  encodeHello({ instanceId: new Uint8Array(16).fill(id), resource, nextSequence });

const batch = (sequence: number, signal: number, payload: Uint8Array, encoding = 0): Uint8Array => {
  const head = { sequence, signal: signal as Signal, itemCount: 3, encoding };
  return Buffer.concat([encodeBatchHead(head, payload.length), payload]);
};

const sequence = fc.maxSafeNat();
const payload = fc.uint8Array({ maxLength: 60 });

export const decoder: Decoder = {
  seeds: [
    hello(7, wire.len(1, 'resource'), 1),
    batch(1, 1, wire.request(wire.ids)),
    batch(2 ** 53 - 1, 3, wire.bytes()),
  ],
  words: requestWords,
  inputs: fc.oneof(
    fc.tuple(fc.nat(255), payload, sequence).map(parts => hello(...parts)),
    fc.tuple(sequence, fc.nat(5), payload, fc.nat(2)).map(parts => batch(...parts)),
  ),
  read(input) {
    const message = unlessRefused(WireError, () => decodeAgentMessage(input));
    if (message === undefined) return 'refused';
    if (message.kind === 'hello') {
      const { instanceId, resource, nextSequence } = message.hello;
      holds(instanceId.length === 16 && resource.length <= input.length, 'a hello of wrong lengths');
      holds(Number.isSafeInteger(nextSequence) && nextSequence >= 1, `next sequence ${nextSequence}`);
      holds(same(encodeHello(message.hello), message), 'another hello the second time');
    } else {
      const { payload: bytes, ...head } = message.batch;
      holds(bytes.length <= input.length, 'a payload larger than the message');
      holds(Number.isSafeInteger(head.sequence) && head.sequence >= 1, `sequence ${head.sequence}`);
      holds(
        same(Buffer.concat([encodeBatchHead(head, bytes.length), bytes]), message),
        'another batch the second time',
      );
    }
    return 'read';
  },
};

function same(bytes: Uint8Array, message: AgentMessage): boolean {
  return isDeepStrictEqual(plain(decodeAgentMessage(bytes)), plain(message));
}

/** With bytes as text: a view of a Buffer is one too. */
function plain(message: AgentMessage): unknown {
  const parts: object = message.kind === 'hello' ? message.hello : message.batch;
  return Object.entries(parts).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  ]);
}
