// The writer against an encoder by hand: every primitive, every length of a length, and never a byte outside its window.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AnyValue, Reader, Writer } from '../../../src/transport/otlp/index.ts';
import * as wire from './wire.ts';

const WINDOW_BYTES = 70_000;

function written(write: (writer: Writer) => void, anchor?: bigint): Uint8Array {
  const writer = new Writer(new Uint8Array(WINDOW_BYTES), anchor);
  write(writer);
  assert.equal(writer.overflowed, false);
  return writer.bytes.slice(0, writer.pos);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function same(write: (writer: Writer) => void, expected: Uint8Array, anchor?: bigint): void {
  assert.equal(hex(written(write, anchor)), hex(expected));
}

describe('Writer', () => {
  it('writes varints of every length', () => {
    const values = [
      0,
      1,
      127,
      128,
      16383,
      16384,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 35,
      2 ** 53 - 1,
    ];
    for (const value of values) same(w => w.varint(value), wire.bytes(wire.varint(value)));
    for (const value of [0n, 127n, 128n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n])
      same(w => w.varint64(value), wire.bytes(wire.varint(value)));
  });

  it('writes tags of one and two bytes', () => {
    for (const field of [1, 15, 16, 2047]) same(w => w.uint(field, 5), wire.int(field, 5));
  });

  it('writes signed integers in two’s complement', () => {
    for (const value of [0, 1, -1, -128, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1, 2 ** 53 - 1])
      same(w => w.int(3, value), wire.int(3, value));
    for (const value of [-1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n])
      same(w => w.int64(3, value), wire.int(3, value));
    same(w => w.int64(3, 2n ** 64n), wire.int(3, 0));
  });

  it('writes booleans, fixed words and doubles', () => {
    same(w => w.bool(2, true), wire.int(2, 1));
    same(w => w.bool(2, false), wire.int(2, 0));
    for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff])
      same(w => w.fixed32(8, value), wire.fixed32(8, value));
    same(w => w.fixed64(7, 0xfedcba98, 0x76543210), wire.fixed64(7, 0xfedcba9876543210n));
    for (const value of [0, -0, 1.5, -1e308, Number.NaN, Number.POSITIVE_INFINITY])
      same(w => w.double(4, value), wire.double(4, value));
  });

  it('adds the anchor to times, with carry and borrow between the words', () => {
    const anchor = (5n << 32n) | 0xfffffff0n;
    for (const since of [
      0,
      15,
      16,
      17,
      2 ** 32,
      2 ** 53 - 1,
      -1,
      -0xfffffff0,
      -0xfffffff1,
      -(2 ** 32),
      -(2 ** 33) - 1,
    ])
      same(w => w.time(1, since), wire.fixed64(1, anchor + BigInt(since)), anchor);
    same(w => w.time(1, 0.4), wire.fixed64(1, anchor), anchor);
    same(w => w.time(1, 0.6), wire.fixed64(1, anchor + 1n), anchor);
  });

  it('writes IDs with their first word first', () => {
    const id = '00112233445566778899aabbccddeeff';
    const words = [0x00112233, 0x44556677, 0x8899aabb | 0, 0xccddeeff | 0] as const;
    same(w => w.traceId(1, ...words), wire.len(1, Buffer.from(id, 'hex')));
    same(w => w.spanId(2, words[2], words[3]), wire.len(2, Buffer.from(id.slice(16), 'hex')));
  });

  it('writes strings of either way of encoding, and of every length of the length', () => {
    for (const length of [0, 1, 63, 64, 127, 128, 16383, 16384]) {
      const ascii = 'x'.repeat(length);
      same(w => w.string(5, ascii), wire.len(5, ascii));
    }
    for (const text of ['é', 'aé', '漢字', '🦔', `${'a'.repeat(62)}é`, 'é'.repeat(64)])
      same(w => w.string(5, text), wire.len(5, text));
    same(w => w.string(5, 'a\ud800b'), wire.len(5, 'a\ufffdb'));
  });

  it('writes blobs and raw bytes', () => {
    for (const length of [0, 127, 128]) {
      const blob = new Uint8Array(length).fill(7);
      same(w => w.blob(7, blob), wire.len(7, blob));
      same(w => w.raw(blob), blob);
    }
  });

  it('back-fills the length of a message at each step of its size', () => {
    for (const length of [0, 1, 127, 128, 16383, 16384, 65535]) {
      const content = new Uint8Array(length).fill(9);
      const write = (w: Writer): void => {
        const mark = w.message(2);
        w.raw(content);
        w.close(mark);
      };
      same(write, wire.len(2, content));
    }
    // One more byte of length: three of them cannot be had in this window.
    const big = new Uint8Array(2 ** 21).fill(9);
    const writer = new Writer(new Uint8Array(2 ** 21 + 64));
    const mark = writer.message(2);
    writer.raw(big);
    writer.close(mark);
    assert.equal(hex(writer.bytes.subarray(0, 5)), '1280808001');
    assert.equal(writer.pos, 5 + big.length);
    assert.equal(writer.bytes[writer.pos - 1], 9);
  });

  it('back-fills nested messages that grow together', () => {
    const inner = new Uint8Array(126).fill(1);
    const write = (w: Writer): void => {
      const outer = w.message(1);
      const mark = w.message(2);
      w.raw(inner);
      w.close(mark);
      w.close(outer);
    };
    same(write, wire.len(1, wire.len(2, inner)));
  });

  it('writes every kind of value, and an empty one for null', () => {
    const cases: [AnyValue, Uint8Array][] = [
      ['text', wire.len(1, 'text')],
      [true, wire.int(2, 1)],
      [-5, wire.int(3, -5)],
      [1.5, wire.double(4, 1.5)],
      [-0, wire.double(4, -0)],
      [2 ** 53, wire.double(4, 2 ** 53)],
      [-(2n ** 63n), wire.int(3, -(2n ** 63n))],
      [2n ** 63n, wire.len(1, String(2n ** 63n))],
      [null, wire.bytes()],
      [undefined, wire.bytes()],
      [Uint8Array.of(1, 2), wire.len(7, [1, 2])],
      [['a', 1], wire.len(5, wire.len(1, wire.len(1, 'a')), wire.len(1, wire.int(3, 1)))],
      [{ k: false }, wire.len(6, wire.attribute(1, 'k', wire.int(2, 0)))],
      [[], wire.len(5)],
      [{}, wire.len(6)],
      [
        JSON.parse('{"__proto__":1}') as AnyValue,
        wire.len(6, wire.attribute(1, '__proto__', wire.int(3, 1))),
      ],
    ];
    for (const [value, content] of cases) same(w => w.anyValue(2, value), wire.len(2, content));
  });

  it('takes only the live slots of an attribute list', () => {
    const list = { keys: ['a', 'stale'], values: ['b', 'stale'], count: 1 };
    same(w => w.attributes(9, list), wire.attribute(9, 'a', wire.len(1, 'b')));
  });

  it('cuts values nested deeper than its limit, cycles included', () => {
    const cycle: AnyValue[] = [];
    cycle.push(cycle);
    assert.ok(written(w => w.anyValue(2, cycle)).length < 500);
  });
});

/** Everything the writer can do, once, as separate steps. */
const steps: readonly ((writer: Writer) => void)[] = [
  w => w.varint(2 ** 40),
  w => w.varint64(2n ** 63n),
  w => w.uint(200, 300),
  w => w.int(3, -1),
  w => w.bool(2, true),
  w => w.fixed32(1, 7),
  w => w.double(1, 1.5),
  w => w.fixed64(1, 1, 2),
  w => w.time(1, 1),
  w => w.traceId(1, 1, 2, 3, 4),
  w => w.spanId(2, 1, 2),
  w => w.raw(new Uint8Array(20).fill(0xee)),
  w => w.blob(7, new Uint8Array(200).fill(0xee)),
  w => w.string(5, 'short'),
  w => w.string(5, 'é'),
  w => w.string(5, 'long'.repeat(40)),
  w => w.string(5, '🦔'.repeat(40)),
  w => w.anyValue(2, { k: ['v', 1, Uint8Array.of(1)] }),
  w => {
    const mark = w.message(2);
    w.raw(new Uint8Array(128).fill(0xee));
    w.close(mark);
  },
];

describe('Writer in a window that is too small', () => {
  it('never writes past the end, and says so', () => {
    for (const step of steps) {
      const full = written(step);
      for (let size = 0; size < full.length + 12; size++) {
        const memory = new Uint8Array(size + 40).fill(0xaa);
        const writer = new Writer(memory);
        writer.reset(memory, 20, 20 + size);
        step(writer);
        assert.deepEqual(memory.subarray(0, 20), new Uint8Array(20).fill(0xaa), 'before the window');
        assert.deepEqual(memory.subarray(20 + size), new Uint8Array(20).fill(0xaa), 'behind the window');
        if (!writer.overflowed) assert.equal(hex(memory.subarray(20, writer.pos)), hex(full));
        else assert.ok(size < full.length + 10, 'room for a longest varint is room enough');
        if (size < full.length) assert.equal(writer.overflowed, true);
      }
    }
  });

  it('writes nothing more after an overflow, also what would fit', () => {
    const writer = new Writer(new Uint8Array(30));
    writer.raw(new Uint8Array(31));
    writer.raw(new Uint8Array(1));
    writer.bool(1, true);
    assert.deepEqual([writer.overflowed, writer.pos], [true, 0]);
  });

  it('starts afresh after a reset', () => {
    const writer = new Writer(new Uint8Array(4));
    writer.raw(new Uint8Array(5));
    const memory = new Uint8Array(40);
    writer.reset(memory, 10, 40);
    writer.string(1, 'ok');
    assert.equal(writer.overflowed, false);
    assert.equal(new Reader(memory, 11).string(), 'ok');
  });
});

describe('Writer of what comes again and again', () => {
  const keys = ['http.route', 'n', '', 'ключ', 'k'.repeat(90)];
  const values: readonly AnyValue[] = [
    ...['', 'GET', '/a', '/b', '/products/:sku', 'é', 'e', '\u0080', 'x'.repeat(60), 'x'.repeat(200)],
    ...[0, -0, 1, 8, 9, -1, 200, 12.5, 2 ** 40, Number.NaN, Infinity, -Infinity, true, false, 8n],
    // With the key `n`, the first eight bytes of the attribute are a signalling NaN.
    Buffer.from([0xf1, 0x7f, 1, 1, 1, 1, 0x29, 0x40]).readDoubleLE(),
  ];
  const attribute = fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...values));

  it('writes the same bytes, whatever it has written before', () => {
    const memory = new Uint8Array(1024);
    const used = new Writer(memory);
    const write = (writer: Writer, key: string, value: AnyValue): string => {
      writer.reset(memory, 0, memory.length);
      writer.attributes(9, { keys: [key], values: [value], count: 1 });
      if (typeof value === 'string') writer.name(5, value);
      return hex(memory.subarray(0, writer.pos));
    };
    const repeated = fc.array(attribute, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(repeated, fc.integer({ min: 1, max: 40 }), (attributes, times) => {
        for (let i = 0; i < times; i++)
          for (const [key, value] of attributes)
            assert.equal(write(used, key, value), write(new Writer(memory), key, value));
      }),
    );
  });

  it('never writes past the end of the window', () => {
    const list = { keys: ['http.route', 'server.port'], values: ['/products/:sku', 8080], count: 2 };
    const step = (writer: Writer): void => {
      writer.attributes(9, list);
      writer.name(5, 'GET /products/:sku');
    };
    const used = new Writer(new Uint8Array(1024));
    for (let i = 0; i < 1000; i++) {
      used.reset(used.bytes, 0, 1024);
      step(used);
    }
    const full = written(step);
    for (let size = 0; size < full.length + 12; size++) {
      const memory = new Uint8Array(size + 20).fill(0xaa);
      used.reset(memory, 0, size);
      step(used);
      assert.deepEqual(memory.subarray(size), new Uint8Array(20).fill(0xaa));
      assert.equal(used.overflowed, size < full.length);
      if (!used.overflowed) assert.equal(hex(memory.subarray(0, used.pos)), hex(full));
    }
  });
});
