// The stream's messages: what is written is read, what is malformed is refused at every byte.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../../src/transport/otlp/reader.ts';
import {
  BATCH_HEAD_BYTES_MAX,
  decodeAgentMessage,
  decodeCollectorMessage,
  ENCODING_IDENTITY,
  encodeBatchHead,
  encodeCollectorMessage,
  encodeHello,
} from '../../../src/transport/otlp/stream-frame.ts';

const instanceId = new Uint8Array(16).fill(7);
const SAFE = Number.MAX_SAFE_INTEGER;

const bytes = (...values: (number | Uint8Array)[]): Uint8Array =>
  Buffer.concat(values.map(value => (typeof value === 'number' ? Uint8Array.of(value) : value)));

/** A field of a message, by its number and content. */
const nested = (field: number, content: Uint8Array): Uint8Array => {
  assert.ok(content.length < 128);
  return bytes(field * 8 + 2, content.length, content);
};

const refuses = (decode: (message: Uint8Array) => unknown, message: Uint8Array): void =>
  assert.throws(() => decode(message), WireError);

describe('a hello', () => {
  it('is read as it was written', () => {
    for (const nextSequence of [1, 2 ** 32, SAFE]) {
      const resource = new Uint8Array(300).fill(1);
      const message = decodeAgentMessage(encodeHello({ instanceId, resource, nextSequence }));
      assert.ok(message.kind === 'hello');
      assert.deepEqual({ ...message.hello.instanceId }, { ...instanceId });
      assert.equal(message.hello.resource.length, 300);
      assert.equal(message.hello.nextSequence, nextSequence);
    }
  });

  it('needs an instance of 16 bytes, a sequence from 1, a resource within 256 KiB', () => {
    const hello = (id: number, resource: number, nextSequence: number): Uint8Array =>
      encodeHello({ instanceId: new Uint8Array(id), resource: new Uint8Array(resource), nextSequence });
    assert.ok(decodeAgentMessage(hello(16, 256 * 1024, 1)));
    refuses(decodeAgentMessage, hello(15, 0, 1));
    refuses(decodeAgentMessage, hello(17, 0, 1));
    refuses(decodeAgentMessage, hello(16, 0, 0));
    refuses(decodeAgentMessage, hello(16, 256 * 1024 + 1, 1));
  });
});

describe('a batch', () => {
  it('is read as it was written, its payload a view', () => {
    const head = { sequence: SAFE, signal: 3, itemCount: 0xffffffff, encoding: ENCODING_IDENTITY } as const;
    const payload = new Uint8Array(5000).fill(9);
    const written = encodeBatchHead(head, payload.length);
    assert.ok(written.length <= BATCH_HEAD_BYTES_MAX);
    const message = bytes(written, payload);
    const read = decodeAgentMessage(message);
    assert.ok(read.kind === 'batch');
    assert.deepEqual({ ...read.batch, payload: undefined }, { ...head, payload: undefined });
    assert.equal(read.batch.payload.buffer, message.buffer);
    assert.deepEqual(Buffer.from(read.batch.payload), Buffer.from(payload));
  });

  it('keeps an encoding that is not known, for the receiver to refuse', () => {
    const read = decodeAgentMessage(
      encodeBatchHead({ sequence: 1, signal: 1, itemCount: 0, encoding: 5 }, 0),
    );
    assert.equal(read.kind === 'batch' && read.batch.encoding, 5);
  });

  it('needs a sequence and a signal that exists', () => {
    const batch = (sequence: number, signal: number): Uint8Array => nested(2, bytes(8, sequence, 16, signal));
    assert.ok(decodeAgentMessage(batch(1, 1)));
    assert.ok(decodeAgentMessage(batch(1, 3)));
    refuses(decodeAgentMessage, batch(0, 1));
    refuses(decodeAgentMessage, batch(1, 0));
    refuses(decodeAgentMessage, batch(1, 4));
  });
});

describe('malformed messages of an agent', () => {
  it('are refused when they are cut at any byte', () => {
    const whole = bytes(
      encodeBatchHead({ sequence: 300, signal: 1, itemCount: 2, encoding: 0 }, 4),
      1,
      2,
      3,
      4,
    );
    for (let end = 0; end < whole.length; end++) refuses(decodeAgentMessage, whole.subarray(0, end));
  });

  it('are refused with a wrong wire type for every known field', () => {
    const value: Record<number, Uint8Array> = {
      0: bytes(1),
      1: new Uint8Array(8),
      2: bytes(0),
      5: new Uint8Array(4),
    };
    const fields = { 1: [2, 2, 0], 2: [0, 0, 0, 0, 2] };
    for (const [message, types] of Object.entries(fields)) {
      for (const [i, right] of types.entries()) {
        for (const type of [0, 1, 2, 5].filter(type => type !== right)) {
          refuses(decodeAgentMessage, nested(Number(message), bytes((i + 1) * 8 + type, value[type]!)));
        }
      }
    }
    for (const type of [0, 1, 3, 4, 5, 6, 7]) refuses(decodeAgentMessage, bytes(8 + type, new Uint8Array(8)));
  });

  it('are refused when they are empty, twofold or unknown', () => {
    const hello = encodeHello({ instanceId, resource: new Uint8Array(0), nextSequence: 1 });
    refuses(decodeAgentMessage, new Uint8Array(0));
    refuses(decodeAgentMessage, bytes(hello, hello));
    refuses(decodeAgentMessage, nested(3, bytes(1, 2)));
    assert.equal(decodeAgentMessage(bytes(hello, nested(15, bytes(1, 2)))).kind, 'hello');
  });

  it('never do anything but throw WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        for (const decode of [decodeAgentMessage, decodeCollectorMessage]) {
          try {
            decode(noise);
          } catch (error) {
            assert.ok(error instanceof WireError);
          }
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a message of a collector', () => {
  it('is read as it was written', () => {
    const messages = [
      { ackedSequence: 0, creditLimit: 0, rejected: [], sampling: undefined },
      {
        ackedSequence: SAFE,
        creditLimit: SAFE,
        rejected: [],
        sampling: { probability: 0.05, validMs: 4_294_967_295 },
      },
      {
        ackedSequence: undefined,
        creditLimit: 5,
        rejected: [{ sequence: 3, reason: 'größer' }],
        sampling: undefined,
      },
    ];
    for (const message of messages)
      assert.deepEqual(decodeCollectorMessage(encodeCollectorMessage(message)), message);
    assert.deepEqual(decodeCollectorMessage(new Uint8Array(0)).ackedSequence, undefined);
  });

  it('cuts a reason at 1024 units', () => {
    const [rejected] = decodeCollectorMessage(
      encodeCollectorMessage({ rejected: [{ sequence: 1, reason: '☃'.repeat(2000) }] }),
    ).rejected!;
    assert.equal(rejected!.reason, '☃'.repeat(1024));
  });

  it('is refused with a number of 2^53 or more', () => {
    const varint = (last: number): Uint8Array => bytes(...new Array(7).fill(0xff), last);
    assert.equal(decodeCollectorMessage(bytes(8, varint(0x0f))).ackedSequence, SAFE);
    refuses(decodeCollectorMessage, bytes(8, varint(0x10)));
    refuses(decodeCollectorMessage, bytes(16, varint(0x10)));
  });

  it('is refused with more than 4096 rejections', () => {
    const rejections = (count: number): Uint8Array => bytes(...new Array(count).fill(nested(3, bytes(8, 1))));
    assert.equal(decodeCollectorMessage(rejections(4096)).rejected!.length, 4096);
    refuses(decodeCollectorMessage, rejections(4097));
  });
});
