// The single-pass protobuf writer: primitives over one window of bytes, lengths reserved and back-filled.
import type { AnyValue, AttributeList } from './value.ts';

/** Protobuf wire types. */
export const WireType = { varint: 0, fixed64: 1, len: 2, fixed32: 5 } as const;

const LIMIT_DEPTH = 32;
const TWO_32 = 4294967296;
const doubles = new Float64Array(1);
const doubleWords = new Uint32Array(doubles.buffer);
const text = new TextEncoder();
const utf8 = new TextDecoder();

/**
 * Writes protobuf into a window that somebody else owns. It never throws and never writes past the window:
 * what does not fit sets `overflowed`, and the bytes written so far are worthless.
 *
 * Times are nanoseconds since the anchor (a float64, exact for 104 days), so that a record keeps one number
 * and the 64-bit addition happens once, here.
 */
export class Writer {
  bytes: Uint8Array;
  pos = 0;
  end: number;
  overflowed = false;
  readonly #anchorHigh: number;
  readonly #anchorLow: number;

  /** @param anchorUnixNanos wall time that record times count from, in nanoseconds since the Unix epoch */
  constructor(bytes: Uint8Array, anchorUnixNanos: bigint = 0n) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.#anchorHigh = Number(anchorUnixNanos >> 32n);
    this.#anchorLow = Number(anchorUnixNanos & 0xffffffffn);
  }

  /** Points the writer at `[pos, end)` of `bytes` and forgets an earlier overflow. */
  reset(bytes: Uint8Array, pos: number, end: number): void {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.overflowed = false;
  }

  /** True when `size` more bytes fit; otherwise marks the overflow. */
  #fits(size: number): boolean {
    if (this.pos + size <= this.end) return true;
    this.overflowed = true;
    this.end = this.pos;
    return false;
  }

  /** An unsigned integer below 2^53 as a bare varint. */
  varint(value: number): void {
    if (!this.#fits(10)) return;
    const { bytes } = this;
    let { pos } = this;
    if (value < 0x80) {
      bytes[pos] = value;
      this.pos = pos + 1;
      return;
    }
    while (value >= TWO_32) {
      bytes[pos++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    value >>>= 0;
    while (value > 0x7f) {
      bytes[pos++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[pos++] = value;
    this.pos = pos;
  }

  tag(field: number, wireType: number): void {
    const tag = field * 8 + wireType;
    if (tag < 0x80 && this.pos < this.end) this.bytes[this.pos++] = tag;
    else this.varint(tag);
  }

  /** `uint32`, `enum` or any non-negative integer field. */
  uint(field: number, value: number): void {
    this.tag(field, WireType.varint);
    this.varint(value);
  }

  /** `int64` field from a safe integer: two's complement over ten bytes when negative. */
  int(field: number, value: number): void {
    this.tag(field, WireType.varint);
    if (value >= 0) this.varint(value);
    else this.varint64(BigInt.asUintN(64, BigInt(value)));
  }

  /** `int64` or `uint64` field from a bigint; wraps modulo 2^64. */
  int64(field: number, value: bigint): void {
    this.tag(field, WireType.varint);
    this.varint64(BigInt.asUintN(64, value));
  }

  /** A non-negative bigint below 2^64 as a bare varint. */
  varint64(value: bigint): void {
    if (!this.#fits(10)) return;
    while (value > 0x7fn) {
      this.bytes[this.pos++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.bytes[this.pos++] = Number(value);
  }

  bool(field: number, value: boolean): void {
    this.uint(field, value ? 1 : 0);
  }

  /** `fixed32` field from the low 32 bits of `value`. */
  fixed32(field: number, value: number): void {
    this.tag(field, WireType.fixed32);
    if (this.#fits(4)) this.#word(value);
  }

  double(field: number, value: number): void {
    this.tag(field, WireType.fixed64);
    this.bareDouble(value);
  }

  /** A double without its tag, for packed repeated fields. */
  bareDouble(value: number): void {
    if (!this.#fits(8)) return;
    doubles[0] = value;
    this.#word(doubleWords[0]!);
    this.#word(doubleWords[1]!);
  }

  /** `fixed64` field from its two 32-bit words. */
  fixed64(field: number, high: number, low: number): void {
    this.tag(field, WireType.fixed64);
    this.bareFixed64(high, low);
  }

  /** A fixed64 without its tag, for packed repeated fields. */
  bareFixed64(high: number, low: number): void {
    if (!this.#fits(8)) return;
    this.#word(low);
    this.#word(high);
  }

  /** `fixed64` Unix time in nanoseconds, from nanoseconds since the anchor (may be negative). */
  time(field: number, sinceAnchor: number): void {
    const nanos = Math.round(sinceAnchor);
    const high = Math.floor(nanos / TWO_32);
    const low = this.#anchorLow + (nanos - high * TWO_32);
    const carry = low >= TWO_32 ? 1 : 0;
    this.fixed64(field, this.#anchorHigh + high + carry, low - carry * TWO_32);
  }

  /** Four bytes, least significant first. */
  #word(value: number): void {
    const { bytes } = this;
    const { pos } = this;
    bytes[pos] = value;
    bytes[pos + 1] = value >>> 8;
    bytes[pos + 2] = value >>> 16;
    bytes[pos + 3] = value >>> 24;
    this.pos = pos + 4;
  }

  /** Four bytes, most significant first: how IDs lie in memory and on the wire. */
  #wordBigEndian(value: number): void {
    const { bytes } = this;
    const { pos } = this;
    bytes[pos] = value >>> 24;
    bytes[pos + 1] = value >>> 16;
    bytes[pos + 2] = value >>> 8;
    bytes[pos + 3] = value;
    this.pos = pos + 4;
  }

  /** A 16-byte ID field from four big-endian words. */
  traceId(field: number, w0: number, w1: number, w2: number, w3: number): void {
    if (!this.#fits(18)) return;
    this.bytes[this.pos++] = field * 8 + WireType.len;
    this.bytes[this.pos++] = 16;
    this.#wordBigEndian(w0);
    this.#wordBigEndian(w1);
    this.#wordBigEndian(w2);
    this.#wordBigEndian(w3);
  }

  /** An 8-byte ID field from two big-endian words. */
  spanId(field: number, w0: number, w1: number): void {
    if (!this.#fits(10)) return;
    this.bytes[this.pos++] = field * 8 + WireType.len;
    this.bytes[this.pos++] = 8;
    this.#wordBigEndian(w0);
    this.#wordBigEndian(w1);
  }

  /** Bytes without tag or length. */
  raw(value: Uint8Array): void {
    if (!this.#fits(value.length)) return;
    this.bytes.set(value, this.pos);
    this.pos += value.length;
  }

  blob(field: number, value: Uint8Array): void {
    this.tag(field, WireType.len);
    this.varint(value.length);
    this.raw(value);
  }

  /** A string field: byte by byte while it is short and ASCII, by `TextEncoder` otherwise. */
  string(field: number, value: string): void {
    this.tag(field, WireType.len);
    const length = value.length;
    if (length >= 64) return this.#longString(value);
    if (!this.#fits(1 + length)) return;
    const { bytes } = this;
    const start = this.pos + 1;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return this.#longString(value);
      bytes[start + i] = code;
    }
    bytes[this.pos] = length;
    this.pos = start + length;
  }

  #longString(value: string): void {
    const mark = this.open();
    if (this.overflowed) return;
    const { read, written } = text.encodeInto(value, this.bytes.subarray(this.pos, this.end));
    if (read < value.length) {
      this.#fits(this.end - this.pos + 1);
      return;
    }
    this.pos += written;
    this.close(mark);
  }

  /** Starts a length-delimited field; give the returned mark to {@link close}. */
  message(field: number): number {
    const { pos } = this;
    if (field < 16 && pos + 2 <= this.end) {
      this.bytes[pos] = field * 8 + WireType.len;
      this.pos = pos + 2;
      return pos + 2;
    }
    this.tag(field, WireType.len);
    return this.open();
  }

  /** Reserves one length byte and returns the mark of what follows. */
  open(): number {
    if (this.#fits(1)) this.pos++;
    return this.pos;
  }

  /** Back-fills the length since `mark`; moves the content when the length needs more than the one reserved byte. */
  close(mark: number): void {
    if (this.overflowed) return;
    const length = this.pos - mark;
    if (length < 0x80) {
      this.bytes[mark - 1] = length;
      return;
    }
    const extra = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
    if (!this.#fits(extra)) return;
    this.bytes.copyWithin(mark + extra, mark, this.pos);
    const end = this.pos + extra;
    let rest = length;
    let at = mark - 1;
    for (let i = 0; i < extra; i++) {
      this.bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[at] = rest;
    this.pos = end;
  }

  /** Takes back what was written since `pos`; an overflow stays one. */
  rewind(pos: number): void {
    if (!this.overflowed) this.pos = pos;
  }

  /** What was written since `start`, read as UTF-8. */
  textSince(start: number): string {
    return utf8.decode(this.bytes.slice(start, this.pos));
  }

  /** Each attribute as a `KeyValue` in the repeated field `field`. */
  attributes(field: number, list: AttributeList): void {
    for (let i = 0; i < list.count; i++) this.keyValue(field, list.keys[i]!, list.values[i]);
  }

  keyValue(field: number, key: string, value: AnyValue, depth = 0): void {
    const mark = this.message(field);
    this.string(1, key);
    this.anyValue(2, value, depth);
    this.close(mark);
  }

  /** An `AnyValue`; deeper than the limit becomes an empty one. */
  anyValue(field: number, value: AnyValue, depth = 0): void {
    const mark = this.message(field);
    if (typeof value === 'string') this.string(1, value);
    else if (typeof value === 'boolean') this.bool(2, value);
    else if (typeof value === 'number') {
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.int(3, value);
      else this.double(4, value);
    } else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'object' && value !== null && depth < LIMIT_DEPTH)
      this.#structured(value, depth + 1);
    this.close(mark);
  }

  /** A bigint within int64, or its decimal text beyond. */
  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) this.int64(3, value);
    else this.string(1, value.toString());
  }

  #structured(
    value: Exclude<AnyValue, null | undefined | string | number | bigint | boolean>,
    depth: number,
  ): void {
    if (value instanceof Uint8Array) return this.blob(7, value);
    if (Array.isArray(value)) {
      const mark = this.message(5);
      for (const element of value as readonly AnyValue[]) this.anyValue(1, element, depth);
      return this.close(mark);
    }
    const mark = this.message(6);
    const entries = value as { readonly [key: string]: AnyValue };
    for (const key of Object.keys(entries)) this.keyValue(1, key, entries[key], depth);
    this.close(mark);
  }
}
