// The reader: every primitive at its bounds, and an error, before any allocation, for what is not there.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reader, WireError } from '../../../src/transport/otlp/index.ts';
import * as wire from './wire.ts';

const reader = (...parts: wire.Part[]): Reader => new Reader(wire.bytes(...parts));

function fails(read: () => unknown, reason: RegExp, offset: number): void {
  assert.throws(read, (error: unknown) => {
    assert.ok(error instanceof WireError);
    assert.match(error.message, reason);
    assert.equal(error.offset, offset);
    return true;
  });
}

describe('Reader', () => {
  it('reads varints of every length, minimal or not', () => {
    const values = [
      0n,
      1n,
      127n,
      128n,
      16384n,
      2n ** 32n - 1n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n - 1n,
    ];
    for (const value of values)
      for (const padding of [0, 10 - wire.varint(value).length]) {
        const encoded = wire.varint(value, padding);
        assert.equal(reader(encoded).uint64(), value);
        assert.equal(reader(encoded).varint(), Number(value));
        assert.equal(reader(encoded).uint32(), Number(value & 0xffffffffn));
        assert.equal(BigInt(reader(encoded).int64()), BigInt.asIntN(64, value));
      }
  });

  it('keeps integers numbers while they are safe, and makes them bigints beyond', () => {
    for (const [value, expected] of [
      [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
      [2n ** 53n, 2n ** 53n],
      [-(2n ** 53n) + 1n, -Number.MAX_SAFE_INTEGER],
      [-(2n ** 53n), -(2n ** 53n)],
      [-1n, -1],
    ] as const) {
      assert.equal(reader(wire.varint(value)).int64(), expected);
      assert.equal(reader(wire.fixed64(1, value).subarray(1)).sfixed64(), expected);
    }
  });

  it('refuses a varint of 11 bytes and one of more than 64 bits', () => {
    fails(() => reader(wire.varint(1, 10)).varint(), /more than 10 bytes/, 0);
    const tenth = Array<number>(9).fill(0xff);
    assert.equal(reader(tenth, [1]).uint64(), 2n ** 64n - 1n);
    fails(() => reader(tenth, [2]).varint(), /more than 64 bits/, 0);
  });

  it('reads zigzag, fixed words and doubles', () => {
    for (const [encoded, value] of [
      [0, 0],
      [1, -1],
      [2, 1],
      [4294967294, 2147483647],
      [4294967295, -2147483648],
    ] as const)
      assert.equal(reader(wire.varint(encoded)).sint32(), value);
    assert.equal(reader(wire.fixed32(1, 0xfedcba98).subarray(1)).fixed32(), 0xfedcba98);
    const word = wire.fixed64(1, 0xfedcba9876543210n).subarray(1);
    assert.equal(reader(word).fixed64(), 0xfedcba9876543210n);
    assert.equal(reader(word).fixed64Number(), Number(0xfedcba9876543210n));
    const words = reader(word);
    assert.deepEqual([words.fixed32(), words.fixed32()], [0x76543210, 0xfedcba98]);
    assert.ok(Object.is(reader(wire.double(1, -0).subarray(1)).double(), -0));
  });

  it('enters a message and leaves it at its end, whatever was read', () => {
    const r = reader(wire.len(1, wire.int(2, 3), wire.int(4, 5)), wire.int(6, 7));
    assert.equal(r.tag(), 10);
    const outer = r.enter();
    assert.equal(r.tag(), 16);
    r.leave(outer);
    assert.deepEqual([r.tag(), r.varint(), r.more()], [48, 7, false]);
  });

  it('skips each wire type and nothing else', () => {
    for (const field of [wire.int(1, 2 ** 40), wire.fixed64(1, 1n), wire.len(1, 'abc'), wire.fixed32(1, 1)]) {
      const r = reader(field, [0x99]);
      r.skip(r.tag());
      assert.equal(r.pos, field.length);
    }
  });

  it('refuses groups, field 0, wire types 6 and 7 and field numbers beyond 29 bits', () => {
    fails(() => reader([3 + 8]).tag(), /groups/, 0);
    fails(() => reader([4 + 8]).tag(), /groups/, 0);
    fails(() => reader([2]).tag(), /field number/, 0);
    fails(() => reader([6 + 8]).tag(), /wire type 6/, 0);
    fails(() => reader([7 + 8]).tag(), /wire type 7/, 0);
    assert.equal(reader(wire.tag(2 ** 29 - 1, 0)).tag(), (2 ** 29 - 1) * 8);
    fails(() => reader(wire.tag(2 ** 29, 0)).tag(), /field number/, 0);
  });

  it('refuses what the window does not hold', () => {
    fails(() => reader().varint(), /ends within/, 0);
    fails(() => reader([0x80]).varint(), /ends within/, 0);
    fails(() => reader([1, 2, 3]).fixed32(), /ends within/, 0);
    fails(() => reader([1, 2, 3, 4, 5, 6, 7]).double(), /ends within/, 0);
    assert.deepEqual(reader([2, 1, 2]).view(), Uint8Array.of(1, 2));
    fails(() => reader([3, 1, 2]).view(), /3 bytes where fewer/, 0);
    for (const length of [-1, 2 ** 31, 2 ** 32 - 1])
      fails(() => reader(wire.varint(length)).string(), /where fewer/, 0);
  });

  it('stays within a window in the middle of the bytes', () => {
    const bytes = wire.bytes([9, 9], wire.len(1, 'in'), 'out');
    const r = new Reader(bytes, 2, 6);
    assert.deepEqual([r.tag(), r.string(), r.more()], [10, 'in', false]);
    fails(() => new Reader(bytes, 2, 5).skip(10), /where fewer/, 2);
    fails(() => new Reader(bytes, 2, 5).fixed32(), /ends within/, 2);
    fails(() => new Reader(wire.bytes([0x80, 1]), 0, 1).varint(), /ends within/, 0);
  });

  it('tells apart strings that are alike at both ends and in the middle', () => {
    const texts = [
      'abXdefghij',
      'abYdefghij',
      'aéXdefghj',
      'ab',
      'ba',
      'a\u0000',
      'x'.repeat(32),
      'x'.repeat(33),
    ];
    for (let round = 0; round < 2; round++)
      for (const text of texts) {
        const encoded = wire.len(1, text).subarray(1);
        assert.equal(reader(encoded).string(), text);
        assert.equal(
          reader([encoded.length - 1], new Uint8Array(encoded.length - 1).fill(0xff))
            .string()
            .at(0),
          '\ufffd',
        );
      }
  });

  it('reads bytes that are themselves a view', () => {
    const memory = wire.bytes([1, 1, 1], wire.double(1, 2.5), wire.len(2, 'é'));
    const r = new Reader(memory.subarray(3));
    assert.deepEqual([r.tag(), r.double(), r.tag(), r.string()], [9, 2.5, 18, 'é']);
  });
});
