// The bounds-checked protobuf reader: primitives over one window of bytes, nothing allocated before it is known to be there.
import { textOf } from './string-cache.ts';
import { WireType } from './writer.ts';

const VARINT_BYTES_MAX = 10;
const UINT32_MAX = 0xffffffff;

/** Protobuf or JSON that is not the OTLP message it should be. The message names the place and never quotes the content. */
export class WireError extends Error {
  readonly reason: string;
  /** Where the reading stopped, in bytes from the start. */
  readonly offset: number;
  /** Path of the field at fault, `resource_spans[3].scope_spans[0].spans[7].trace_id`; empty when it is not known. */
  readonly place: string;

  constructor(reason: string, offset: number, place = '', options?: ErrorOptions) {
    super(`${place && `${place}: `}${reason} (offset ${offset})`, options);
    this.name = 'WireError';
    this.reason = reason;
    this.offset = offset;
    this.place = place;
  }
}

/**
 * Reads protobuf from `[pos, end)` of bytes that somebody else owns. A message within is read by narrowing `end`:
 * `const outer = reader.enter(); while (reader.more()) …; reader.leave(outer);`
 *
 * Throws {@link WireError} for a read past `end`, a varint of more than 64 bits, a group, and field number zero.
 */
export class Reader {
  readonly bytes: Uint8Array;
  pos: number;
  end: number;
  /** The same memory as `bytes`. */
  readonly data: DataView;
  readonly #text: Buffer;

  constructor(bytes: Uint8Array, pos = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  more(): boolean {
    return this.pos < this.end;
  }

  /** Field number × 8 + wire type. */
  tag(): number {
    const at = this.pos;
    const tag = this.varint();
    if (tag > UINT32_MAX || tag < 8) throw new WireError('a field number out of range', at);
    const wireType = tag & 7;
    if (wireType === 3 || wireType === 4) throw new WireError('groups are not supported', at);
    if (wireType > 5) throw new WireError(`unknown wire type ${wireType}`, at);
    return tag;
  }

  /** A varint as a number: exact up to 2^53, rounded above. */
  varint(): number {
    const { bytes, end } = this;
    let { pos } = this;
    let byte = pos < end ? bytes[pos++]! : this.#short();
    let value = byte & 0x7f;
    let scale = 128;
    while (byte > 0x7f) {
      if (pos === this.pos + VARINT_BYTES_MAX)
        throw new WireError('a varint of more than 10 bytes', this.pos);
      if (pos >= end) this.#short();
      byte = bytes[pos++]!;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if (pos === this.pos + VARINT_BYTES_MAX && byte > 1)
      throw new WireError('a varint of more than 64 bits', this.pos);
    this.pos = pos;
    return value;
  }

  /** `uint32`, `enum` and `bool`: the low 32 bits, unsigned, as protobuf truncates them. */
  uint32(): number {
    const at = this.pos;
    const value = this.varint();
    if (value <= UINT32_MAX) return value;
    this.pos = at;
    return Number(this.uint64() & 0xffffffffn);
  }

  /** `sint32`, zigzag. */
  sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  /** `uint64` as a bigint. */
  uint64(): bigint {
    const at = this.pos;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    let exact = 0n;
    for (let i = this.pos - 1; i >= at; i--) exact = (exact << 7n) | BigInt(this.bytes[i]! & 0x7f);
    return exact;
  }

  /** `int64`: a number where it is a safe integer, else a bigint. */
  int64(): number | bigint {
    const at = this.pos;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    this.pos = at;
    return narrow(BigInt.asIntN(64, this.uint64()));
  }

  fixed32(): number {
    return this.data.getUint32(this.#take(4), true);
  }

  /** Also twice {@link fixed32}, the low word first, where a bigint would cost too much. */
  fixed64(): bigint {
    return this.data.getBigUint64(this.#take(8), true);
  }

  /** `fixed64` as a number: exact up to 2^53, rounded above. */
  fixed64Number(): number {
    const low = this.fixed32();
    return this.fixed32() * 4294967296 + low;
  }

  /** `sfixed64`: a number where it is a safe integer, else a bigint. */
  sfixed64(): number | bigint {
    return narrow(this.data.getBigInt64(this.#take(8), true));
  }

  double(): number {
    return this.data.getFloat64(this.#take(8), true);
  }

  /** A length, checked against the window. Reads no further than itself. */
  length(): number {
    const at = this.pos;
    const length = this.varint();
    if (length > this.end - this.pos)
      throw new WireError(`a length of ${length} bytes where fewer are left`, at);
    return length;
  }

  /** Narrows the window to the message that follows, and returns the end of the outer one for {@link leave}. */
  enter(): number {
    const outer = this.end;
    this.end = this.length() + this.pos;
    return outer;
  }

  /** Steps behind the message entered, whatever of it was read. */
  leave(outer: number): void {
    this.pos = this.end;
    this.end = outer;
  }

  /** A view: valid only as long as the bytes underneath are. */
  view(): Uint8Array {
    const length = this.length();
    this.pos += length;
    return this.bytes.subarray(this.pos - length, this.pos);
  }

  /** All that is left of the window, as a view; the reader stays where it is. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.pos, this.end);
  }

  /** A string; what is not UTF-8 becomes U+FFFD. */
  string(): string {
    const length = this.length();
    this.pos += length;
    return textOf(this.bytes, this.#text, this.pos - length, this.pos);
  }

  /** Steps over the value of the field whose tag was read last. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === WireType.varint) this.varint();
    else if (wireType === WireType.len) this.#take(this.length());
    else this.#take(wireType === WireType.fixed64 ? 8 : 4);
  }

  /** Steps over `size` bytes and returns where they start. */
  #take(size: number): number {
    const { pos } = this;
    if (size > this.end - pos) this.#short();
    this.pos = pos + size;
    return pos;
  }

  #short(): never {
    throw new WireError('the message ends within a field', this.pos);
  }
}

const narrow = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
