// The single-pass protobuf writer: primitives over one window of bytes, lengths reserved and back-filled.
import { type EncodedKey, KeyTable, NameTable } from './text-table.ts';
import type { AnyValue, AttributeList } from './value.ts';

/** Protobuf wire types. */
export const WireType = { varint: 0, fixed64: 1, len: 2, fixed32: 5 } as const;

const LIMIT_DEPTH = 32;
const TWO_12 = 4096;
const TWO_20 = 1048576;
const TWO_32 = 4294967296;
const NANOS_PER_MS = 1e6;
/** Texts up to this length are copied character by character, longer ones by the runtime: see `bench -- span`. */
const SHORT_TEXT_MAX = 40;
/** The most bytes that UTF-8 needs for one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
/** The most bytes that UTF-8 needs for one character. */
const UTF8_CHARACTER_MAX = 4;
/** What a `KeyValue` with a number takes beside its key: tags, lengths, and a varint of ten bytes. */
const NUMBER_BYTES_MAX = 16;
/** Content of a message whose length takes one byte. */
const SMALL_MESSAGE_MAX = 0x7f;
const utf8 = new TextDecoder();

/** Bytes that a varint below 2^32 takes. */
export const varintBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;

/**
 * Writes protobuf into a window that somebody else owns. It never throws and never writes past the window:
 * what does not fit sets `overflowed`, and the bytes written so far are worthless.
 *
 * Times are nanoseconds since the anchor (a float64, exact for 104 days), so that a record keeps one number
 * and the 64-bit addition happens once, here.
 */
export class Writer {
  bytes!: Uint8Array;
  pos = 0;
  end: number;
  overflowed = false;
  readonly #anchorHigh: number;
  readonly #anchorLow: number;
  /** Made when they are needed: many a writer only frames. */
  #keys: KeyTable | undefined;
  #names: NameTable | undefined;
  /** The memory of `bytes` once more, for whole words and for text. */
  #view!: DataView;
  #text!: Buffer;

  /** @param anchorUnixNanos wall time that record times count from, in nanoseconds since the Unix epoch */
  constructor(bytes: Uint8Array, anchorUnixNanos: bigint = 0n) {
    this.#turnTo(bytes);
    this.end = bytes.length;
    this.#anchorHigh = Number(anchorUnixNanos >> 32n);
    this.#anchorLow = Number(anchorUnixNanos & 0xffffffffn);
  }

  /** Points the writer at `[pos, end)` of `bytes` and forgets an earlier overflow. */
  reset(bytes: Uint8Array, pos: number, end: number): void {
    if (bytes !== this.bytes) this.#turnTo(bytes);
    this.pos = pos;
    this.end = end;
    this.overflowed = false;
  }

  #turnTo(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
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
    if (!this.#fits(4)) return;
    this.#view.setInt32(this.pos, value, true);
    this.pos += 4;
  }

  /** The low 32 bits of each, without tags. */
  words(a: number, b: number, c: number, d: number): void {
    if (!this.#fits(16)) return;
    const { pos } = this;
    const view = this.#view;
    view.setInt32(pos, a, true);
    view.setInt32(pos + 4, b, true);
    view.setInt32(pos + 8, c, true);
    view.setInt32(pos + 12, d, true);
    this.pos = pos + 16;
  }

  double(field: number, value: number): void {
    this.tag(field, WireType.fixed64);
    this.bareDouble(value);
  }

  /** A double without its tag, for packed repeated fields. */
  bareDouble(value: number): void {
    if (!this.#fits(8)) return;
    this.#view.setFloat64(this.pos, value, true);
    this.pos += 8;
  }

  /** `fixed64` field from its two 32-bit words. */
  fixed64(field: number, high: number, low: number): void {
    this.tag(field, WireType.fixed64);
    this.bareFixed64(high, low);
  }

  /** A fixed64 without its tag, for packed repeated fields. */
  bareFixed64(high: number, low: number): void {
    if (!this.#fits(8)) return;
    this.#view.setUint32(this.pos, low, true);
    this.#view.setUint32(this.pos + 4, high, true);
    this.pos += 8;
  }

  /** `fixed64` Unix time in nanoseconds, from nanoseconds since the anchor (may be negative). */
  time(field: number, sinceAnchor: number): void {
    this.tag(field, WireType.fixed64);
    this.bareTime(sinceAnchor);
  }

  /** The same without its tag. */
  bareTime(sinceAnchor: number): void {
    const nanos = Math.round(sinceAnchor);
    const high = Math.floor(nanos / TWO_32);
    const low = this.#anchorLow + (nanos - high * TWO_32);
    const carry = low >= TWO_32 ? 1 : 0;
    this.bareFixed64(this.#anchorHigh + high + carry, low - carry * TWO_32);
  }

  /** `fixed64` Unix time in nanoseconds, from milliseconds since the Unix epoch, whatever the anchor. */
  unixMillis(field: number, millis: number): void {
    const high = Math.floor(millis / TWO_20);
    const nanos = high * NANOS_PER_MS;
    // Both products are exact: units of 2^20 ns, and what is below one.
    const low = (nanos % TWO_12) * TWO_20 + Math.round((millis - high * TWO_20) * NANOS_PER_MS);
    this.fixed64(field, Math.floor(nanos / TWO_12) + Math.floor(low / TWO_32), low);
  }

  /** A 16-byte ID field from four big-endian words. */
  traceId(field: number, w0: number, w1: number, w2: number, w3: number): void {
    if (!this.#fits(18)) return;
    const { pos } = this;
    const view = this.#view;
    this.bytes[pos] = field * 8 + WireType.len;
    this.bytes[pos + 1] = 16;
    view.setInt32(pos + 2, w0);
    view.setInt32(pos + 6, w1);
    view.setInt32(pos + 10, w2);
    view.setInt32(pos + 14, w3);
    this.pos = pos + 18;
  }

  /** An 8-byte ID field from two big-endian words. */
  spanId(field: number, w0: number, w1: number): void {
    if (!this.#fits(10)) return;
    const { pos } = this;
    this.bytes[pos] = field * 8 + WireType.len;
    this.bytes[pos + 1] = 8;
    this.#view.setInt32(pos + 2, w0);
    this.#view.setInt32(pos + 6, w1);
    this.pos = pos + 10;
  }

  /** Bytes without tag or length. */
  raw(value: Uint8Array): void {
    if (!this.#fits(value.length)) return;
    this.bytes.set(value, this.pos);
    this.pos += value.length;
  }

  /** Text as UTF-8, without tag or length. */
  text(value: string): void {
    const room = this.end - this.pos;
    if (value.length * UTF8_BYTES_MAX > room && !this.#fits(Buffer.byteLength(value))) return;
    this.pos += this.#text.write(value, this.pos, room);
  }

  blob(field: number, value: Uint8Array): void {
    this.tag(field, WireType.len);
    this.varint(value.length);
    this.raw(value);
  }

  /** A string field: character by character while it is short and ASCII, by the runtime's encoder otherwise. */
  string(field: number, value: string): void {
    this.tag(field, WireType.len);
    const { length } = value;
    if (length > SHORT_TEXT_MAX) return this.#longString(value);
    if (!this.#fits(1 + length)) return;
    const end = this.#ascii(value, this.pos + 1);
    if (end < 0) return this.#longString(value);
    this.bytes[this.pos] = length;
    this.pos = end;
  }

  /** A string field whose text is most likely one of a few. */
  name(field: number, value: string): void {
    const { pos } = this;
    this.#names ??= new NameTable();
    const usual = this.#names.find(value);
    if (usual === undefined || field > 15 || pos + 8 * usual.chunks.length > this.end)
      return this.string(field, value);
    this.#copy(usual.chunks, pos);
    this.bytes[pos] = field * 8 + WireType.len;
    this.pos = pos + usual.length;
  }

  /** Writes text at `at`, where it fits; returns the position behind it, or -1 when it is more than ASCII. */
  #ascii(value: string, at: number): number {
    const { bytes } = this;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return -1;
      bytes[at + i] = code;
    }
    return at + value.length;
  }

  /** Length and bytes of a string; the length is most likely that of ASCII. */
  #longString(value: string): void {
    const mark = this.open(value.length);
    this.text(value);
    this.close(mark);
  }

  /**
   * Starts a length-delimited field; give the returned mark to {@link close}.
   * @param expected bytes that its content will most likely have: a wrong guess is right, and costs a copy
   */
  message(field: number, expected = 0): number {
    const { pos } = this;
    if (expected <= SMALL_MESSAGE_MAX && field < 16 && pos + 2 <= this.end) {
      this.bytes[pos] = field * 8 + WireType.len;
      this.bytes[pos + 1] = 1;
      this.pos = pos + 2;
      return pos + 2;
    }
    this.tag(field, WireType.len);
    return this.open(expected);
  }

  /** Reserves a length and returns the mark of what follows. Until {@link close}, the number of reserved bytes stands there. */
  open(expected = 0): number {
    const reserved = varintBytes(expected);
    if (!this.#fits(reserved)) return this.pos;
    this.pos += reserved;
    this.bytes[this.pos - 1] = reserved;
    return this.pos;
  }

  /** Back-fills the length since `mark`; moves the content when the length takes more or fewer bytes than were reserved. */
  close(mark: number): void {
    if (this.overflowed) return;
    const { bytes, pos } = this;
    const length = pos - mark;
    const reserved = bytes[mark - 1]!;
    const needed = varintBytes(length);
    if (needed !== reserved && !this.#move(mark, needed - reserved)) return;
    let rest = length;
    let at = mark - reserved;
    for (let i = 1; i < needed; i++) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at] = rest;
  }

  /** Moves what was written since `mark`; false when there is no room. */
  #move(mark: number, by: number): boolean {
    if (by > 0 && !this.#fits(by)) return false;
    this.bytes.copyWithin(mark + by, mark, this.pos);
    this.pos += by;
    return true;
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
    const { keys, values, count } = list;
    this.#keys ??= new KeyTable();
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      const value = values[i];
      const encoded = this.#keys.find(key, (field << 4) + i);
      if (encoded === undefined || field > 15) this.keyValue(field, key, value);
      else if (!this.#usualKeyValue(field, encoded, value) && !this.#smallKeyValue(field, encoded, value))
        this.keyValue(field, key, value);
    }
  }

  /** A `KeyValue` that was encoded before; false, with nothing written, when it was not, or does not fit. */
  #usualKeyValue(field: number, key: EncodedKey, value: AnyValue): boolean {
    const { bytes, pos } = this;
    const { chunks, length } = key.with(value);
    if (length === 0 || pos + 2 + 8 * chunks.length > this.end) return false;
    bytes[pos] = field * 8 + WireType.len;
    bytes[pos + 1] = length;
    this.#copy(chunks, pos + 2);
    this.pos = pos + 2 + length;
    return true;
  }

  /**
   * A `KeyValue` whose lengths are known before they are written: a known key, and a number, a boolean, or ASCII text
   * with which it stays below 128 bytes. False, with nothing written, for any other.
   */
  #smallKeyValue(field: number, key: EncodedKey, value: AnyValue): boolean {
    const start = this.pos;
    const textLength = typeof value === 'string' ? value.length : 0;
    const contentMax = key.length + NUMBER_BYTES_MAX + textLength;
    if (contentMax > SMALL_MESSAGE_MAX || start + 2 + contentMax > this.end) return false;
    const at = start + 2 + key.length;
    this.#copy(key.chunks, start + 2);
    const end = typeof value === 'string' ? this.#smallText(value, at) : this.#smallScalar(value, at);
    if (end < 0) return false;
    const { bytes } = this;
    bytes[start] = field * 8 + WireType.len;
    bytes[start + 1] = end - start - 2;
    this.pos = end;
    if (key.isNext()) key.adopt(value, bytes.slice(start + 2, end));
    return true;
  }

  /** What lies behind the bytes up to the next multiple of eight is overwritten. */
  #copy(chunks: Float64Array, at: number): void {
    for (let i = 0; i < chunks.length; i++) this.#view.setFloat64(at + 8 * i, chunks[i]!, true);
  }

  /** `value = 2 { string_value = 1 }` at a place where it fits. */
  #smallText(value: string, at: number): number {
    const { bytes } = this;
    const { length } = value;
    bytes[at] = 0x12;
    bytes[at + 1] = length + 2;
    bytes[at + 2] = 0x0a;
    bytes[at + 3] = length;
    return length > SHORT_TEXT_MAX ? this.#asciiByRuntime(value, at + 4) : this.#ascii(value, at + 4);
  }

  /** As {@link #ascii}. One character more would fit: so it is ASCII when exactly its length is written. */
  #asciiByRuntime(value: string, at: number): number {
    const { length } = value;
    return this.#text.write(value, at, length + UTF8_CHARACTER_MAX) === length ? at + length : -1;
  }

  /** `value = 2 { bool_value = 2 | int_value = 3 | double_value = 4 }` at a place where it fits; -1 for anything else. */
  #smallScalar(value: AnyValue, at: number): number {
    const { bytes } = this;
    bytes[at] = 0x12;
    if (typeof value === 'boolean') {
      bytes[at + 1] = 2;
      bytes[at + 2] = 0x10;
      bytes[at + 3] = value ? 1 : 0;
      return at + 4;
    }
    if (typeof value !== 'number') return -1;
    if (value >= 0 && value < TWO_32 && Number.isInteger(value) && !Object.is(value, -0)) {
      bytes[at + 2] = 0x18;
      let end = at + 3;
      let rest = value >>> 0;
      while (rest > 0x7f) {
        bytes[end++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      bytes[end] = rest;
      bytes[at + 1] = end - at - 1;
      return end + 1;
    }
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return -1;
    bytes[at + 1] = 9;
    bytes[at + 2] = 0x21;
    this.#view.setFloat64(at + 3, value, true);
    return at + 11;
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
