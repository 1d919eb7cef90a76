// Rewrites JSON text as protobuf AnyValues in one pass over its bytes: no strings, no objects in between.

import type { Writer } from '../writer.ts';
import { WireType } from '../writer.ts';
import { MemberTable } from './member-table.ts';

export const QUOTE = 0x22;
const COMMA = 0x2c;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;

const DEPTH_MAX = 32;
/** What most members are: short keys, and values whose lengths take one byte each. */
const PLAIN_KEY_MAX = 64;
const PLAIN_MESSAGE_MAX = 2 + 0x7f;
const PLAIN_DIGITS_MAX = 9;
/** Digits that surely stay below 2^53. */
const SAFE_DIGITS = 15;
const POWERS_OF_10 = Array.from({ length: SAFE_DIGITS + 1 }, (_, i) => 10 ** i);

const ESCAPES = new Uint8Array(128);
for (const [letter, character] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  ESCAPES[letter!.charCodeAt(0)] = character!.charCodeAt(0);

/** What the scanner throws at the first byte that is not JSON: always this object, which costs no stack trace. */
const MALFORMED: { readonly name: string } = Object.freeze({ name: 'MalformedJson' });

/**
 * Reads what `JSON.parse` reads, with two differences: integers of up to 64 bits stay exact, and what is nested deeper
 * than 32 levels becomes its own text. Of duplicate keys the last value is kept (among an object's first 128 members).
 *
 * Output goes to the given writer; bytes are copied only within the window that the writer owns.
 */
export class LineScanner {
  readonly members: MemberTable = new MemberTable();
  /** Longest string value that is kept, in bytes. */
  #lengthMax = 0;
  #source: Buffer = Buffer.alloc(0);
  #end = 0;
  pos = 0;
  /** Strings that were cut to the length limit. */
  truncated = 0;

  /** Starts on the text at [start, end) of `source`. */
  begin(source: Buffer, start: number, end: number, lengthMax: number): void {
    this.#source = source;
    this.#end = end;
    this.#lengthMax = lengthMax;
    this.pos = start;
    this.members.count = 0;
  }

  /** The byte at the position; -1 at the end. */
  peek(): number {
    return this.pos < this.#end ? this.#source[this.pos]! : -1;
  }

  /** The text between two positions. */
  text(start: number, end: number): string {
    return this.#source.toString('utf8', start, end);
  }

  skipSpace(): void {
    const source = this.#source;
    while (this.pos < this.#end) {
      const byte = source[this.pos]!;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return;
      this.pos++;
    }
  }

  /** Steps over the opening bracket at the position; false when the closing one follows at once. */
  enter(close: number): boolean {
    this.pos++;
    this.skipSpace();
    if (this.peek() !== close) return true;
    this.pos++;
    return false;
  }

  /** Steps over a comma to the next element, or over the closing bracket: false. */
  more(close: number): boolean {
    this.skipSpace();
    const byte = this.peek();
    if (byte !== COMMA && byte !== close) throw MALFORMED;
    this.pos++;
    if (byte === close) return false;
    this.skipSpace();
    return true;
  }

  /** The text is over, white space apart. */
  expectEnd(): void {
    this.skipSpace();
    if (this.pos !== this.#end) throw MALFORMED;
  }

  /** The position is at a number. */
  atNumber(): boolean {
    const byte = this.peek();
    return byte === MINUS || (byte >= ZERO && byte <= NINE);
  }

  /** A member's key as string field 1 and the colon. Returns the number of the key's bytes, which end at `writer.pos`. */
  key(writer: Writer): number {
    if (this.peek() !== QUOTE) throw MALFORMED;
    const length = this.string(writer, 1);
    this.skipSpace();
    if (this.peek() !== COLON) throw MALFORMED;
    this.pos++;
    this.skipSpace();
    return length;
  }

  /**
   * Where the key at the position ends when it is written as `JSON.stringify` does, without escapes and white space around
   * it; -1 otherwise. Moves nothing.
   */
  plainKeyEnd(): number {
    const source = this.#source;
    const last = this.#end - 1;
    if (source[this.pos] !== QUOTE) return -1;
    for (let at = this.pos + 1; at < last; at++) {
      const byte = source[at]!;
      if (byte === QUOTE) return source[at + 1] === COLON ? at : -1;
      if (byte === BACKSLASH || byte < 0x20) return -1;
    }
    return -1;
  }

  /** Whether the plain key at the position, which is as long, is this one. */
  isPlainKey(key: Uint8Array): boolean {
    const from = this.pos + 1;
    for (let i = 0; i < key.length; i++) if (this.#source[from + i] !== key[i]) return false;
    return true;
  }

  /**
   * The member whose plain key ends at `keyEnd` as a `KeyValue` in field `field`, when its value is plain too and all of it
   * stays below 128 bytes. False, with nothing moved, otherwise.
   */
  plainMember(writer: Writer, field: number, keyEnd: number): boolean {
    const start = writer.pos;
    const from = this.pos + 1;
    const keyLength = keyEnd - from;
    if (keyLength > PLAIN_KEY_MAX || start + PLAIN_MESSAGE_MAX > writer.end) return false;
    const out = writer.bytes;
    const key = start + 4;
    for (let i = 0; i < keyLength; i++) out[key + i] = this.#source[from + i]!;
    const end = this.#plainValue(out, 2, key + keyLength, keyEnd + 2, start + PLAIN_MESSAGE_MAX);
    if (end < 0) return false;
    out[start] = field * 8 + WireType.len;
    out[start + 1] = end - start - 2;
    out[start + 2] = 0x0a;
    out[start + 3] = keyLength;
    writer.pos = end;
    return true;
  }

  /** The value behind a plain key that ends at `keyEnd` as an `AnyValue` in field `field`; as {@link plainMember}. */
  plainValue(writer: Writer, field: number, keyEnd: number): boolean {
    const start = writer.pos;
    if (start + PLAIN_MESSAGE_MAX > writer.end) return false;
    const end = this.#plainValue(writer.bytes, field, start, keyEnd + 2, start + PLAIN_MESSAGE_MAX);
    if (end < 0) return false;
    writer.pos = end;
    return true;
  }

  /** Writes a string without escapes or a small integer at `start`, below `limit`; returns where it ends, or -1. */
  #plainValue(out: Uint8Array, field: number, start: number, at: number, limit: number): number {
    const source = this.#source;
    const first = source[at]!;
    let to = start + 4;
    if (first === QUOTE) {
      let from = at + 1;
      const end = Math.min(this.#end, from + Math.min(limit - to, this.#lengthMax + 1));
      for (; from < end; from++) {
        const byte = source[from]!;
        if (byte === QUOTE) break;
        if (byte === BACKSLASH || byte < 0x20) return -1;
        out[to++] = byte;
      }
      if (from >= end) return -1;
      this.pos = from + 1;
      out[start + 2] = 0x0a;
      out[start + 3] = to - start - 4;
    } else {
      to = this.#plainInteger(out, start + 2, at);
      if (to < 0) return -1;
    }
    out[start] = field * 8 + WireType.len;
    out[start + 1] = to - start - 2;
    return to;
  }

  /** `int_value = 3`, of up to nine digits. */
  #plainInteger(out: Uint8Array, start: number, at: number): number {
    const source = this.#source;
    const end = Math.min(this.#end, at + PLAIN_DIGITS_MAX + 1);
    let value = 0;
    let from = at;
    for (; from < end; from++) {
      const byte = source[from]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
    }
    const next = source[from];
    const whole = from > at && from < end && (next === COMMA || next === CLOSE_BRACE);
    if (!whole || (source[at] === ZERO && from > at + 1)) return -1;
    this.pos = from;
    out[start] = 0x18;
    let to = start + 1;
    for (; value > 0x7f; value >>>= 7) out[to++] = (value & 0x7f) | 0x80;
    out[to] = value;
    return to + 1;
  }

  /** The string at the position as field `field`. Returns the number of its bytes, which end at `writer.pos`. */
  string(writer: Writer, field: number): number {
    writer.tag(field, WireType.len);
    const mark = writer.open();
    this.#copyString(writer);
    let length = writer.pos - mark;
    if (length > this.#lengthMax) length = this.#truncate(writer, mark);
    writer.close(mark);
    return length;
  }

  /**
   * Copies up to the closing quote. Decoding never makes text longer, so that the room bounds the loop; only a `\u`
   * at its very end needs a look. Without room the writer is marked as overflowed and the scan given up.
   */
  #copyString(writer: Writer): void {
    const source = this.#source;
    const out = writer.bytes;
    const end = Math.min(this.#end, this.pos + 1 + writer.end - writer.pos);
    let to = writer.pos;
    let from = this.pos + 1;
    while (from < end) {
      const byte = source[from++]!;
      if (byte === QUOTE) {
        this.pos = from;
        writer.pos = to;
        return;
      }
      if (byte !== BACKSLASH) {
        if (byte < 0x20) throw MALFORMED;
        out[to++] = byte;
      } else if (source[from] === 0x75) {
        if (to + 4 > writer.end) break;
        const escaped = this.#unicodeEscape(from + 1);
        from += escaped > 0xffff ? 11 : 5;
        to = putUtf8(out, to, escaped);
      } else {
        const character = from < this.#end ? (ESCAPES[source[from]!] ?? 0) : 0;
        if (character === 0) throw MALFORMED;
        out[to++] = character;
        from++;
      }
    }
    if (from < this.#end) {
      writer.overflowed = true;
      writer.end = writer.pos;
    }
    throw MALFORMED;
  }

  /** The code point of the four digits at `at`, and of the low surrogate escaped behind them; U+FFFD for a lone surrogate. */
  #unicodeEscape(at: number): number {
    const unit = this.#hex4(at);
    if (unit < 0) throw MALFORMED;
    if (unit < 0xd800 || unit > 0xdfff) return unit;
    const source = this.#source;
    if (unit < 0xdc00 && source[at + 4] === BACKSLASH && source[at + 5] === 0x75) {
      const low = this.#hex4(at + 6);
      if (low >= 0xdc00 && low <= 0xdfff) return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    return 0xfffd;
  }

  #hex4(at: number): number {
    if (at + 4 > this.#end) return -1;
    let value = 0;
    for (let i = at; i < at + 4; i++) {
      const byte = this.#source[i]!;
      const lower = byte | 0x20;
      if (byte >= ZERO && byte <= NINE) value = (value << 4) | (byte - ZERO);
      else if (lower >= 0x61 && lower <= 0x66) value = (value << 4) | (lower - 0x57);
      else return -1;
    }
    return value;
  }

  /** Cuts the string since `mark` to the limit, between two characters. */
  #truncate(writer: Writer, mark: number): number {
    let end = mark + this.#lengthMax;
    while (end > mark && (writer.bytes[end]! & 0xc0) === 0x80) end--;
    writer.pos = end;
    this.truncated++;
    return end - mark;
  }

  /** The value at the position as the content of an `AnyValue`. */
  value(writer: Writer, depth = 0): void {
    const byte = this.peek();
    if (byte === QUOTE) this.string(writer, 1);
    else if (this.atNumber()) this.#number(writer);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth >= DEPTH_MAX) this.#rawText(writer);
      else if (byte === OPEN_BRACE) this.#object(writer, depth + 1);
      else this.#array(writer, depth + 1);
    } else if (byte === 0x74) {
      this.#literal('true');
      writer.bool(2, true);
    } else if (byte === 0x66) {
      this.#literal('false');
      writer.bool(2, false);
    } else this.#literal('null');
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.pos >= this.#end || this.#source[this.pos] !== word.charCodeAt(i)) throw MALFORMED;
      this.pos++;
    }
  }

  #object(writer: Writer, depth: number): void {
    const list = writer.message(6);
    const base = this.members.count;
    if (this.enter(CLOSE_BRACE)) {
      do {
        const start = writer.pos;
        const member = writer.message(1);
        const length = this.key(writer);
        const keyBehindMark = writer.pos - length - member;
        this.anyValue(writer, 2, depth);
        writer.close(member);
        this.noteMember(writer, base, start, member, keyBehindMark, length);
      } while (this.more(CLOSE_BRACE));
    }
    this.members.count = base;
    writer.close(list);
  }

  /**
   * Takes note of the member just closed. Its key lies `keyBehindMark` behind the mark of its message, further when the
   * message's length took more than the one byte reserved.
   */
  noteMember(
    writer: Writer,
    base: number,
    start: number,
    mark: number,
    keyBehindMark: number,
    length: number,
  ): void {
    if (writer.overflowed) return;
    let lengthBytes = 1;
    while (writer.bytes[mark - 2 + lengthBytes]! > 0x7f) lengthBytes++;
    this.members.add(writer, base, start, mark - 1 + lengthBytes + keyBehindMark, length);
  }

  #array(writer: Writer, depth: number): void {
    const list = writer.message(5);
    if (this.enter(CLOSE_BRACKET)) {
      do this.anyValue(writer, 1, depth);
      while (this.more(CLOSE_BRACKET));
    }
    writer.close(list);
  }

  /** The value at the position as an `AnyValue` in field `field`. */
  anyValue(writer: Writer, field: number, depth = 0): void {
    const mark = writer.message(field);
    this.value(writer, depth);
    writer.close(mark);
  }

  /** What is nested too deeply, as text; only its brackets and strings are checked. */
  #rawText(writer: Writer): void {
    const source = this.#source;
    const start = this.pos;
    let open = 0;
    let quoted = false;
    while (this.pos < this.#end) {
      const byte = source[this.pos++]!;
      if (byte === BACKSLASH && quoted) this.pos++;
      else if (byte === QUOTE) quoted = !quoted;
      else if (quoted) continue;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) open++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --open === 0) {
        writer.blob(1, source.subarray(start, Math.min(this.pos, start + this.#lengthMax)));
        return;
      }
    }
    throw MALFORMED;
  }

  /** An integer as `int_value` where int64 holds it, anything else as `double_value`. */
  #number(writer: Writer): void {
    const start = this.pos;
    const value = this.number();
    if (Number.isSafeInteger(value)) {
      if (Object.is(value, -0)) writer.double(4, value);
      else writer.int(3, value);
      return;
    }
    const exact = this.pos - start > SAFE_DIGITS ? exactInteger(this.text(start, this.pos)) : undefined;
    if (exact !== undefined) writer.int64(3, exact);
    else writer.double(4, value);
  }

  /** The number at the position, by the grammar of RFC 8259 §6. */
  number(): number {
    const source = this.#source;
    const start = this.pos;
    const negative = source[start] === MINUS;
    const first = negative ? start + 1 : start;
    const whole = this.#digits(first, 0);
    let digits = this.pos - first;
    let value = whole;
    if (digits > 1 && source[first] === ZERO) throw MALFORMED;
    if (this.peek() === DOT) {
      const point = this.pos;
      value = this.#digits(point + 1, whole);
      const decimals = this.pos - point - 1;
      digits += decimals;
      // Both are exact, so that the quotient is the double nearest to the text.
      if (digits <= SAFE_DIGITS) value /= POWERS_OF_10[decimals]!;
    }
    const exponent = (this.peek() | 0x20) === 0x65;
    if (exponent) this.#exponent();
    if (exponent || digits > SAFE_DIGITS) return Number(this.text(start, this.pos));
    return negative ? -value : value;
  }

  #exponent(): void {
    this.pos++;
    const sign = this.peek();
    this.#digits(sign === MINUS || sign === PLUS ? this.pos + 1 : this.pos, 0);
  }

  /** One digit and more from `at` on, appended to `value`. */
  #digits(at: number, value: number): number {
    const source = this.#source;
    const end = this.#end;
    let pos = at;
    while (pos < end) {
      const byte = source[pos]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
      pos++;
    }
    if (pos === at) throw MALFORMED;
    this.pos = pos;
    return value;
  }
}

/** The integer of a text without point and exponent, where int64 holds it. */
function exactInteger(text: string): bigint | undefined {
  if (!/^-?\d{16,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** A code point as UTF-8; returns the position behind it. */
function putUtf8(out: Uint8Array, to: number, code: number): number {
  if (code < 0x80) {
    out[to++] = code;
    return to;
  }
  if (code < 0x800) out[to++] = 0xc0 | (code >> 6);
  else {
    if (code < 0x10000) out[to++] = 0xe0 | (code >> 12);
    else {
      out[to++] = 0xf0 | (code >> 18);
      out[to++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[to++] = 0x80 | ((code >> 6) & 0x3f);
  }
  out[to++] = 0x80 | (code & 0x3f);
  return to;
}
