// OTLP/JSON → protobuf: one pass from text to bytes, led by the table of messages.
import { shortened } from './fault.ts';
import { INT64, parseDouble, parseInteger, SINT32, UINT32, UINT64 } from './json-number.ts';
import { JsonScanner, Token } from './json-scanner.ts';
import { WireError } from './reader.ts';
import type { Signal } from './record.ts';
import { ANY_VALUE_DEPTH_MAX, type Field, type MessageType, messageType, requestTypes } from './schema.ts';
import { Writer } from './writer.ts';

const SLACK_BYTES = 64;
const FIELDS_MAX = 32;
/** Thrown to give up on a window that is too small: there will be a larger one. */
const WINDOW_FULL = new Error('the window is full');
/** Plain or URL-safe, with or without padding. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

const anyValueType = messageType('AnyValue');
const packable: ReadonlySet<Field['kind']> = new Set<Field['kind']>(['double', 'fixed64', 'uint64']);

/**
 * Transcodes an OTLP/JSON request into the protobuf of the same request.
 *
 * As the OTLP specification maps them: IDs are hexadecimal in either case, other bytes base64, 64-bit integers strings or
 * numbers (exact either way), enums numbers or names, keys lowerCamelCase or as in the `.proto` file. Unknown keys are
 * ignored, `null` is absent, of equal keys the last one counts. Throws {@link WireError}, which names the JSON path, for
 * anything else, for more than 100 nested values, and when the protobuf would exceed `bytesMax`
 * (`[1,1,1…]` grows fourfold). What protobuf can say but OTLP forbids is for `checkRequest` to find.
 */
export function requestFromJson(
  signal: Signal,
  json: string | Uint8Array,
  bytesMax: number = Number.POSITIVE_INFINITY,
): Uint8Array {
  const text = typeof json === 'string' ? Buffer.from(json) : json;
  for (let size = text.length + SLACK_BYTES; ; size *= 2) {
    const writer = new Writer(new Uint8Array(Math.min(size, bytesMax + SLACK_BYTES)));
    new Transcoder(text, writer).request(requestTypes[signal]);
    if (!writer.overflowed && writer.pos <= bytesMax) return writer.bytes.slice(0, writer.pos);
    if (size > bytesMax) throw new WireError(`more than ${bytesMax} bytes as protobuf`, text.length);
  }
}

class Transcoder {
  readonly #scanner: JsonScanner;
  readonly #writer: Writer;
  readonly #path: (string | number)[] = ['$'];
  /** Where each field of each open message was written, `[start, end)`, at `level × FIELDS_MAX + field number`. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #level = -1;
  #depth = 0;

  constructor(text: Uint8Array, writer: Writer) {
    this.#scanner = new JsonScanner(text);
    this.#writer = writer;
  }

  /** Writes the request; the writer tells whether it found room. */
  request(type: MessageType): void {
    try {
      this.#fields(type);
      if (this.#scanner.peek() !== Token.end) this.#scanner.fault('more after the end');
    } catch (error) {
      if (error === WINDOW_FULL) return;
      if (!(error instanceof WireError)) throw error;
      throw new WireError(error.reason, error.offset, this.#place(), { cause: error });
    }
  }

  #place(): string {
    const steps = this.#path.map((step, i) =>
      typeof step === 'number' ? `[${step}]` : i > 0 ? `.${step}` : step,
    );
    return shortened(steps.join(''));
  }

  /** The fields of a message, from an object. */
  #fields(type: MessageType): void {
    const scanner = this.#scanner;
    const base = ++this.#level * FIELDS_MAX;
    let seen = 0;
    for (let more = scanner.openObject(); more; more = scanner.nextInObject()) {
      const field = type.byName.get(scanner.key());
      if (field === undefined) {
        scanner.skip();
        continue;
      }
      this.#path.push(field.jsonName);
      if (seen & (1 << field.number)) this.#retract(base, field.number, seen);
      seen |= 1 << field.number;
      this.#starts[base + field.number] = this.#writer.pos;
      this.#field(field);
      if (this.#writer.overflowed) throw WINDOW_FULL;
      this.#ends[base + field.number] = this.#writer.pos;
      this.#path.pop();
    }
    this.#level--;
  }

  /** Takes back what an earlier key of the same name wrote. */
  #retract(base: number, number: number, seen: number): void {
    const start = this.#starts[base + number]!;
    const end = this.#ends[base + number]!;
    if (start === end) return;
    this.#writer.bytes.copyWithin(start, end, this.#writer.pos);
    this.#writer.pos -= end - start;
    for (let i = base; i < base + FIELDS_MAX; i++) {
      if ((seen & (1 << (i - base))) === 0 || this.#starts[i]! <= start) continue;
      this.#starts[i]! -= end - start;
      this.#ends[i]! -= end - start;
    }
  }

  #field(field: Field): void {
    if (this.#scanner.peek() === Token.null) return this.#scanner.word('null');
    if (!field.repeated) return this.#value(field);
    if (!packable.has(field.kind)) return this.#elements(() => this.#value(field));
    const mark = this.#writer.message(field.number);
    this.#elements(() => this.#packed(field));
    this.#writer.close(mark);
  }

  #elements(element: () => void): void {
    const scanner = this.#scanner;
    let index = 0;
    for (let more = scanner.openArray(); more; more = scanner.nextInArray()) {
      this.#path.push(index++);
      element();
      if (this.#writer.overflowed) throw WINDOW_FULL;
      this.#path.pop();
    }
  }

  #value(field: Field): void {
    const writer = this.#writer;
    const { number, kind } = field;
    switch (kind) {
      case 'message':
        return this.#message(number, field.message!);
      case 'string':
        return this.#string(number);
      case 'bytes':
        return writer.blob(number, this.#base64());
      case 'traceId':
      case 'traceIdOrNone':
        return writer.blob(number, this.#id(16));
      case 'spanId':
      case 'spanIdOrNone':
        return writer.blob(number, this.#id(8));
      case 'bool':
        return writer.bool(number, this.#bool());
      case 'enum':
        return writer.int64(number, this.#enum(field));
      case 'uint32':
        return writer.int64(number, this.#integer(UINT32));
      case 'sint32':
        return writer.int64(number, zigzag(this.#integer(SINT32)));
      case 'int64':
        return writer.int64(number, this.#integer(INT64));
      case 'uint64':
        return writer.int64(number, this.#integer(UINT64));
      case 'fixed32':
        return writer.fixed32(number, Number(this.#integer(UINT32)));
      case 'fixed64':
        return writer.fixed64(number, ...words(this.#integer(UINT64)));
      case 'sfixed64':
        return writer.fixed64(number, ...words(this.#integer(INT64)));
      case 'double':
        return writer.double(number, this.#double());
    }
  }

  /** One element of packed numbers. */
  #packed({ kind }: Field): void {
    if (kind === 'double') this.#writer.bareDouble(this.#double());
    else if (kind === 'fixed64') this.#writer.bareFixed64(...words(this.#integer(UINT64)));
    else this.#writer.varint64(this.#integer(UINT64));
  }

  #message(number: number, type: MessageType): void {
    const weight = type === anyValueType ? 1 : 0;
    this.#depth += weight;
    if (this.#depth > ANY_VALUE_DEPTH_MAX)
      this.#scanner.fault(`more than ${ANY_VALUE_DEPTH_MAX} nested values`);
    const mark = this.#writer.message(number);
    this.#fields(type);
    this.#writer.close(mark);
    this.#depth -= weight;
  }

  /** A string without escapes is its own bytes. */
  #string(number: number): void {
    const scanner = this.#scanner;
    scanner.readString();
    if (scanner.escaped) this.#writer.string(number, scanner.string());
    else this.#writer.blob(number, scanner.bytes.subarray(scanner.stringStart, scanner.stringEnd));
  }

  #id(length: number): Uint8Array {
    const scanner = this.#scanner;
    scanner.readString();
    const hex = scanner.string();
    if (hex.length !== length * 2 && hex.length !== 0)
      scanner.fault(`${hex.length} characters, expected ${length * 2} hexadecimal digits`);
    const id = Buffer.from(hex, 'hex');
    return id.length * 2 === hex.length ? id : scanner.fault('not hexadecimal');
  }

  #base64(): Uint8Array {
    const scanner = this.#scanner;
    scanner.readString();
    const text = scanner.string();
    return BASE64.test(text) ? Buffer.from(text, 'base64') : scanner.fault('not base64');
  }

  #bool(): boolean {
    const scanner = this.#scanner;
    const value = scanner.peek() === Token.true;
    if (!value && scanner.peek() !== Token.false) scanner.fault('expected true or false');
    scanner.word(value ? 'true' : 'false');
    return value;
  }

  #enum(field: Field): bigint {
    const scanner = this.#scanner;
    if (scanner.peek() !== Token.string) return this.#integer(SINT32);
    scanner.readString();
    return BigInt(field.names!.get(scanner.string()) ?? scanner.fault('an unknown name'));
  }

  #integer(range: readonly [bigint, bigint]): bigint {
    return parseInteger(this.#number(), range) ?? this.#scanner.fault('expected an integer in range');
  }

  #double(): number {
    return parseDouble(this.#number()) ?? this.#scanner.fault('expected a number');
  }

  /** The text of a number, with or without quotes. */
  #number(): string {
    const scanner = this.#scanner;
    if (scanner.peek() !== Token.string) return scanner.number();
    scanner.readString();
    return scanner.string();
  }
}

/** The high and the low 32 bits. */
function words(value: bigint): [high: number, low: number] {
  const bits = BigInt.asUintN(64, value);
  return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
}

const zigzag = (value: bigint): bigint => (value << 1n) ^ (value >> 31n);
