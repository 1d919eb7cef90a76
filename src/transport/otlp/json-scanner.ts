// The JSON tokens of RFC 8259, read in place: no object is built, so memory stays that of the text.
import { JSON_NUMBER } from './json-number.ts';
import { WireError } from './reader.ts';
import { textOf } from './string-cache.ts';
import { isUtf8 } from './utf8.ts';

/** Objects and arrays within each other. OTLP's own messages with 100 nested values need 411. */
const NESTING_MAX = 512;

const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/** The first byte of each kind of token. */
export const Token = {
  string: 0x22,
  array: 0x5b,
  object: 0x7b,
  true: 0x74,
  false: 0x66,
  null: 0x6e,
  end: -1,
} as const;

const ARRAY_END = 0x5d;
const OBJECT_END = 0x7d;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isNumberPart = (byte: number): boolean =>
  isDigit(byte) || byte === 0x2e || byte === 0x2d || byte === 0x2b || byte === 0x65 || byte === 0x45;

/**
 * Reads one JSON text, token by token. Objects and arrays:
 * `for (let more = scanner.openObject(); more; more = scanner.nextInObject()) { scanner.key(); … }`
 *
 * Throws {@link WireError} with the byte offset for anything RFC 8259 forbids and for nesting beyond 512.
 */
export class JsonScanner {
  readonly bytes: Uint8Array;
  pos = 0;
  /** The last string read, without its quotes: `[stringStart, stringEnd)`. */
  stringStart = 0;
  stringEnd = 0;
  /** Whether the last string read has escapes, and so is not its own bytes. */
  escaped = false;
  readonly #text: Buffer;
  #nesting = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!isUtf8(bytes, data, 0, bytes.length)) this.fault('not UTF-8');
  }

  fault(reason: string): never {
    throw new WireError(reason, this.pos);
  }

  /** Steps to the next token and returns its first byte, {@link Token.end} when there is none. */
  peek(): number {
    const { bytes } = this;
    while (this.pos < bytes.length && isSpace(bytes[this.pos]!)) this.pos++;
    return this.pos < bytes.length ? bytes[this.pos]! : Token.end;
  }

  openObject(): boolean {
    return this.#open(Token.object, OBJECT_END, 'an object');
  }

  openArray(): boolean {
    return this.#open(Token.array, ARRAY_END, 'an array');
  }

  nextInObject(): boolean {
    return this.#next(OBJECT_END);
  }

  nextInArray(): boolean {
    return this.#next(ARRAY_END);
  }

  /** False when the brackets are empty. */
  #open(start: number, end: number, name: string): boolean {
    if (this.peek() !== start) this.fault(`expected ${name}`);
    if (++this.#nesting > NESTING_MAX) this.fault(`more than ${NESTING_MAX} brackets within each other`);
    this.pos++;
    if (this.peek() !== end) return true;
    return this.#close();
  }

  #next(end: number): boolean {
    const byte = this.peek();
    if (byte === end) return this.#close();
    if (byte !== COMMA) this.fault('expected a comma or the end of the brackets');
    this.pos++;
    return true;
  }

  #close(): false {
    this.pos++;
    this.#nesting--;
    return false;
  }

  /** A key and its colon. */
  key(): string {
    this.readString();
    const key = this.string();
    if (this.peek() !== COLON) this.fault('expected a colon');
    this.pos++;
    return key;
  }

  /** Finds the bounds of a string; {@link string} gives its text. */
  readString(): void {
    if (this.peek() !== Token.string) this.fault('expected a string');
    const { bytes } = this;
    let pos = this.pos + 1;
    this.stringStart = pos;
    this.escaped = false;
    for (; pos < bytes.length; pos++) {
      const byte = bytes[pos]!;
      if (byte === Token.string) {
        this.stringEnd = pos;
        this.pos = pos + 1;
        return;
      }
      if (byte === BACKSLASH) {
        this.escaped = true;
        pos++;
      } else if (byte < 0x20) break;
    }
    this.pos = pos;
    this.fault('an unfinished string');
  }

  /** The text of the last string read. A lone surrogate escape stays one. */
  string(): string {
    if (!this.escaped) return textOf(this.bytes, this.#text, this.stringStart, this.stringEnd);
    try {
      return JSON.parse(this.#text.toString('utf8', this.stringStart - 1, this.stringEnd + 1)) as string;
    } catch {
      return this.fault('an unknown escape');
    }
  }

  /** A number as it is written. */
  number(): string {
    const { bytes } = this;
    const start = this.pos;
    while (this.pos < bytes.length && isNumberPart(bytes[this.pos]!)) this.pos++;
    const number = this.#text.toString('latin1', start, this.pos);
    if (!JSON_NUMBER.test(number)) this.fault('expected a value');
    return number;
  }

  /** `true`, `false` or `null`. */
  word(word: string): void {
    if (this.#text.toString('latin1', this.pos, this.pos + word.length) !== word)
      this.fault('expected a value');
    this.pos += word.length;
  }

  /** Steps over any value. */
  skip(): void {
    switch (this.peek()) {
      case Token.string:
        this.readString();
        if (this.escaped) this.string();
        return;
      case Token.object:
        for (let more = this.openObject(); more; more = this.nextInObject()) {
          this.key();
          this.skip();
        }
        return;
      case Token.array:
        for (let more = this.openArray(); more; more = this.nextInArray()) this.skip();
        return;
      case Token.true:
        return this.word('true');
      case Token.false:
        return this.word('false');
      case Token.null:
        return this.word('null');
      default:
        this.number();
    }
  }
}
