// Turns one line of newline-delimited JSON, as pino writes it, into a LogRecord.
import { FieldLevel, REDACTED } from '../field-rules.ts';
import { encodeLogContext, LogField } from '../logs.ts';
import { severityOfLevel, severityOfName, textOfLevel } from '../severity.ts';
import type { IdWords } from '../trace.ts';
import { varintBytes, Writer } from '../writer.ts';
import { type IsTold, keyOf, writeSent } from './line-fields.ts';
import { LINE_WORDS_BYTES, type LineKeys, LineWord, OUTSIDE_OF_SPANS } from './line-frame.ts';
import { type HeadFacts, LineHeads, millisOf } from './line-heads.ts';
import { CLOSE_BRACE, LineScanner, OPEN_BRACE, QUOTE } from './line-scanner.ts';
import { eachError, isOfException, writeException } from './serialized-error.ts';

const pinoKeys: LineKeys = { level: 'level', time: 'time', message: 'msg' };
/** Sets of key names whose readers are kept; an application has one or two. */
const READERS_MAX = 64;

const Role = { none: 0, level: 1, time: 2, message: 3, context: 4, process: 5, error: 6, nested: 7 } as const;
type Role = (typeof Role)[keyof typeof Role];

interface KnownKey {
  readonly bytes: Uint8Array;
  readonly role: Role;
}

/** What a record has beside the content of its line: times, IDs, severity. */
const RECORD_BYTES_BESIDE_LINE = 72;
/** A record takes at most so many times the bytes of its line: `-1,` is a varint of ten bytes, tag and lengths. */
const GROWTH_MAX = 5;
/** Stands for the body among the members, as the length of a key that no key has. */
const BODY_KEY_LENGTH = -1;

/** What happened to lines since the start. */
export interface LineCounters {
  /** Lines that were not one JSON object, or whose record was too large, and became a body as they are. */
  malformed: number;
  /** Values, and lines as bodies, that were cut to the length limit. */
  truncated: number;
}

/** Room that the record of any frame of so many bytes fits into. */
export const recordBytesMax = (frameBytes: number): number => frameBytes * GROWTH_MAX;

/** Reads frames that `encodeLine` wrote. */
export class LineReaders {
  readonly counters: LineCounters = { malformed: 0, truncated: 0 };
  readonly #fields: FieldLevel | undefined;
  readonly #pino: LineReader;
  readonly #others = new Map<string, LineReader>();

  /** @param fields what is sent of a record's attributes; by default all */
  constructor(fields?: FieldLevel) {
    this.#fields = fields;
    this.#pino = new LineReader(pinoKeys, this.counters, fields);
  }

  /**
   * Writes the frame at [start, end) of `source` as one element of `ScopeLogs.log_records`. A line that is not one JSON object,
   * or whose record the writer has no room for, is its record's body. Never throws.
   */
  read(source: Buffer, start: number, end: number, writer: Writer): void {
    const keysAt = start + LINE_WORDS_BYTES;
    const keysLength = varintAt(source, keysAt);
    const keysStart = keysAt + varintBytes(keysLength);
    const labelsAt = keysStart + keysLength;
    const labelsLength = varintAt(source, labelsAt);
    const labelsStart = labelsAt + varintBytes(labelsLength);
    const reader = keysLength === 0 ? this.#pino : this.#reader(source.toString('utf8', keysStart, labelsAt));
    reader.read(source, start, labelsStart, labelsStart + labelsLength, end, writer);
  }

  #reader(keys: string): LineReader {
    let reader = this.#others.get(keys);
    if (reader === undefined) {
      reader = new LineReader(JSON.parse(keys) as LineKeys, this.counters, this.#fields);
      if (this.#others.size < READERS_MAX) this.#others.set(keys, reader);
    }
    return reader;
  }
}

/**
 * Every line is read from its first byte to its last, but for what its writer says about its head: level and time are
 * known then, and bindings of nothing but the process need no look.
 */
class LineReader {
  readonly #scanner = new LineScanner();
  readonly #heads: LineHeads;
  readonly #counters: LineCounters;
  /** Known keys by their length: most keys of a line are told apart by that alone. */
  readonly #known: readonly (readonly KnownKey[])[];
  readonly #levels: ReadonlyMap<string, string>;
  readonly #fields: FieldLevel | undefined;
  readonly #ids = { t0: 0, t1: 0, t2: 0, t3: 0, s0: 0, s1: 0 };
  #attributesMax = 0;
  #valueLengthMax = 0;
  /** What of the line under way becomes fields of the record. */
  #severityNumber = 0;
  #severityText = '';
  #millis: number | undefined;
  #inSpan = false;
  #dropped = 0;
  /** 1 when a body stands among the members. */
  #bodies = 0;

  constructor(keys: LineKeys, counters: LineCounters, fields: FieldLevel | undefined) {
    this.#counters = counters;
    this.#known = knownKeys(keys);
    this.#levels = new Map(Object.entries(keys.levels ?? {}));
    this.#fields = fields;
    this.#heads = new LineHeads(keys.time, line => this.#factsOf(line));
  }

  /** @param start where the frame starts; its labels lie at [labels, line), its line at [line, end) */
  read(source: Buffer, start: number, labels: number, line: number, end: number, writer: Writer): void {
    const { pos, end: room } = writer;
    this.#begin(source, start);
    const known =
      source.readInt32LE(start + LineWord.units) === end - line ? this.#head(source, start, line) : 0;
    if (known > 0) this.#takeHead();
    const mark = writer.message(2, end - line - known + RECORD_BYTES_BESIDE_LINE);
    const wellFormed = this.#tryMembers(writer, source, labels, line, known, end);
    if (!wellFormed || writer.overflowed) {
      this.#counters.malformed++;
      writer.reset(writer.bytes, pos, room);
      this.#lineAsBody(writer, source, start, labels, line, end);
    } else this.#finish(writer, source, start, mark);
  }

  #begin(source: Buffer, start: number): void {
    this.#attributesMax = source.readInt32LE(start + LineWord.attributesMax);
    this.#valueLengthMax = source.readInt32LE(start + LineWord.valueLengthMax);
    this.#inSpan = source.readInt32LE(start + LineWord.flags) !== OUTSIDE_OF_SPANS;
    this.#forget();
  }

  #forget(): void {
    this.#severityNumber = 0;
    this.#severityText = '';
    this.#millis = undefined;
    this.#dropped = 0;
    this.#bodies = 0;
  }

  /** How many bytes of the line need no look. */
  #head(source: Buffer, start: number, line: number): number {
    const { level, time, context, bindings } = LineWord;
    const length = (word: number): number => source.readInt32LE(start + word);
    return this.#heads.read(source, line, length(level), length(time), length(context), length(bindings));
  }

  #takeHead(): void {
    const { severityNumber, severityText, millis } = this.#heads;
    this.#severityNumber = severityNumber;
    this.#severityText = severityText;
    this.#millis = millis;
  }

  /** What a line tells that stands alone, in a span or outside; undefined when it is none. */
  #factsOf(line: Buffer): HeadFacts | undefined {
    const writer = new Writer(new Uint8Array(recordBytesMax(line.length)));
    const [inSpan, attributesMax] = [this.#inSpan, this.#attributesMax];
    this.#inSpan = false;
    this.#attributesMax = Number.POSITIVE_INFINITY;
    const wellFormed = this.#tryMembers(writer, line, 0, 0, 0, line.length);
    const facts = {
      severityNumber: this.#severityNumber,
      severityText: this.#severityText,
      hasTime: this.#millis !== undefined,
      members: this.#scanner.members.count,
    };
    this.#inSpan = inSpan;
    this.#attributesMax = attributesMax;
    this.#forget();
    return wellFormed ? facts : undefined;
  }

  #tryMembers(
    writer: Writer,
    source: Buffer,
    labels: number,
    line: number,
    known: number,
    end: number,
  ): boolean {
    const scanner = this.#scanner;
    scanner.begin(source, line + known, end, this.#valueLengthMax);
    try {
      this.#writeLabels(writer, source, labels, line);
      scanner.skipSpace();
      if (known > 0) {
        while (scanner.more(CLOSE_BRACE)) this.#member(writer);
      } else {
        if (scanner.peek() !== OPEN_BRACE) return false;
        if (scanner.enter(CLOSE_BRACE)) {
          do this.#member(writer);
          while (scanner.more(CLOSE_BRACE));
        }
      }
      scanner.expectEnd();
      return true;
    } catch {
      return false;
    } finally {
      this.#counters.truncated += scanner.truncated;
      scanner.truncated = 0;
    }
  }

  #writeLabels(writer: Writer, source: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const length = varintAt(source, at + 1);
      const content = at + 1 + varintBytes(length);
      const keyLength = varintAt(source, content + 1);
      const start = writer.pos;
      writer.raw(source.subarray(at, content + length));
      this.#scanner.noteMember(writer, 0, start, start + 2, 1 + varintBytes(keyLength), keyLength);
      at = content + length;
    }
  }

  /** One member of the line: written as an attribute, unless its key is known and its value of the kind expected. */
  #member(writer: Writer): void {
    const scanner = this.#scanner;
    const start = writer.pos;
    if (this.#fields === undefined && this.#plainMember(writer, start)) return;
    const mark = writer.message(LogField.attributes);
    const from = scanner.pos;
    const length = scanner.key(writer);
    const key = writer.pos - length;
    const role = this.#roleOf(writer.bytes, key, length);
    if (role !== Role.none && this.#takeKnown(writer, role, start, key)) return;
    if (this.#fields === undefined) scanner.anyValue(writer, 2);
    else if (!writeSent(scanner, writer, 2, this.#fields.at(keyOf(scanner, from))))
      return writer.rewind(start);
    writer.close(mark);
    this.#keep(writer, start, mark, key - mark, length);
  }

  /** The short way of nearly all members: attributes and the body, of short text or a small integer. */
  #plainMember(writer: Writer, start: number): boolean {
    const scanner = this.#scanner;
    const keyEnd = scanner.plainKeyEnd();
    if (keyEnd < 0) return false;
    const length = keyEnd - scanner.pos - 1;
    const candidates = this.#known[length];
    if (candidates !== undefined) {
      for (let i = 0; i < candidates.length; i++) {
        const { bytes, role } = candidates[i]!;
        if (!scanner.isPlainKey(bytes)) continue;
        if (role !== Role.message || !scanner.plainValue(writer, LogField.body, keyEnd)) return false;
        this.#noteBody(writer, start);
        return true;
      }
    }
    if (!scanner.plainMember(writer, LogField.attributes, keyEnd)) return false;
    this.#keep(writer, start, start + 2, 2, length);
    return true;
  }

  /** Takes note of an attribute, or takes it back when there are too many. */
  #keep(writer: Writer, start: number, mark: number, keyBehindMark: number, length: number): void {
    if (this.#scanner.members.count - this.#bodies >= this.#attributesMax) {
      writer.rewind(start);
      this.#dropped++;
    } else this.#scanner.noteMember(writer, 0, start, mark, keyBehindMark, length);
  }

  #roleOf(bytes: Uint8Array, key: number, length: number): Role {
    const candidates = this.#known[length];
    if (candidates === undefined) return Role.none;
    for (let i = 0; i < candidates.length; i++) {
      const known = candidates[i]!;
      let same = 0;
      while (same < length && known.bytes[same] === bytes[key + same]) same++;
      if (same === length) return known.role;
    }
    return Role.none;
  }

  /** Reads the value as its role asks and takes the key back; false, with nothing changed, when it is of another kind. */
  #takeKnown(writer: Writer, role: Role, start: number, key: number): boolean {
    switch (role) {
      case Role.level:
        return this.#takeLevel(writer, start);
      case Role.time:
        return this.#takeTime(writer, start);
      case Role.message:
        this.#takeMessage(writer, start);
        return true;
      case Role.error:
        return this.#takeError(writer, start, key);
      case Role.nested:
        return this.#takeNested(writer, start, key);
      default:
        if (role === Role.context && !this.#inSpan) return false;
        this.#scanner.value(writer);
        writer.rewind(start);
        return true;
    }
  }

  #takeLevel(writer: Writer, start: number): boolean {
    const scanner = this.#scanner;
    if (scanner.atNumber()) {
      const level = scanner.number();
      const name = this.#levels.size === 0 ? undefined : this.#levels.get(String(level));
      this.#severityNumber = (name !== undefined && severityOfName(name)) || severityOfLevel(level);
      this.#severityText = name ?? textOfLevel(level);
    } else if (scanner.peek() === QUOTE) {
      this.#severityText = this.#readText(writer);
      this.#severityNumber = severityOfName(this.#severityText);
    } else return false;
    writer.rewind(start);
    return true;
  }

  #takeTime(writer: Writer, start: number): boolean {
    const scanner = this.#scanner;
    const { pos } = scanner;
    let millis = Number.NaN;
    if (scanner.atNumber()) millis = millisOf(scanner.number());
    else if (scanner.peek() === QUOTE) millis = Date.parse(this.#readText(writer));
    if (Number.isNaN(millis)) {
      scanner.pos = pos;
      return false;
    }
    this.#millis = millis;
    writer.rewind(start);
    return true;
  }

  /** The string at the position as a string: for the members that are not copied but understood. */
  #readText(writer: Writer): string {
    const before = writer.pos;
    const length = this.#scanner.string(writer, 1);
    const text = writer.textSince(writer.pos - length);
    writer.rewind(before);
    return text;
  }

  #takeMessage(writer: Writer, start: number): void {
    writer.rewind(start);
    this.#scanner.anyValue(writer, LogField.body);
    if (!writer.overflowed) this.#noteBody(writer, start);
  }

  #noteBody(writer: Writer, start: number): void {
    const { members } = this.#scanner;
    const before = members.count;
    members.add(writer, 0, start, start, BODY_KEY_LENGTH);
    if (members.count > before) this.#bodies = 1;
  }

  /** A serialized error as an exception; what else it has stays an attribute of its name, from a second pass over it. */
  #takeError(writer: Writer, start: number, key: number): boolean {
    const scanner = this.#scanner;
    if (scanner.peek() !== OPEN_BRACE) return false;
    const name = writer.textSince(key);
    const { pos } = scanner;
    writer.rewind(start);
    if (this.#writeException(writer) === 0) return true;
    scanner.pos = pos;
    this.#writeNamed(writer, name, (to, length) => isOfException(to, length, scanner));
    return true;
  }

  /** What all members are nested in stays an attribute, but for an error whose exception tells all of it. */
  #takeNested(writer: Writer, start: number, key: number): boolean {
    const scanner = this.#scanner;
    if (scanner.peek() !== OPEN_BRACE) return false;
    const name = writer.textSince(key);
    const { pos } = scanner;
    writer.rewind(start);
    let told = false;
    const isError: IsTold = (to, length) => this.#roleOf(to.bytes, to.pos - length, length) === Role.error;
    eachError(scanner, writer, isError, () => {
      told = this.#writeException(writer) === 0;
    });
    scanner.pos = pos;
    const isTold: IsTold = (to, length) => isError(to, length) && scanner.peek() === OPEN_BRACE;
    this.#writeNamed(writer, name, told ? isTold : undefined);
    return true;
  }

  #writeException(writer: Writer): number {
    return writeException(this.#scanner, writer, (...at) => this.#keep(writer, ...at), this.#fields);
  }

  /** The value at the position as an attribute, as far as it is sent. */
  #writeNamed(writer: Writer, name: string, isTold: IsTold | undefined): void {
    const start = writer.pos;
    const mark = writer.message(LogField.attributes);
    writer.string(1, name);
    const length = Buffer.byteLength(name);
    const keyBehindMark = writer.pos - length - mark;
    const level = this.#fields?.at(name) ?? FieldLevel.whole;
    if (!writeSent(this.#scanner, writer, 2, level, 0, isTold)) return writer.rewind(start);
    writer.close(mark);
    this.#keep(writer, start, mark, keyBehindMark, length);
  }

  /** The record of a line that could not be read, in the place of what was written of it. */
  #lineAsBody(
    writer: Writer,
    source: Buffer,
    start: number,
    labels: number,
    line: number,
    end: number,
  ): void {
    const mark = writer.message(2, end - line + RECORD_BYTES_BESIDE_LINE);
    this.#forget();
    if (labels < line) writer.raw(source.subarray(labels, line));
    // What cannot be read cannot be told apart from what is not to be seen.
    const text = this.#fields === undefined ? source.toString('utf8', line, end) : REDACTED;
    if (text.length > this.#valueLengthMax) this.#counters.truncated++;
    writer.anyValue(LogField.body, text.slice(0, this.#valueLengthMax).replace(/\r?\n$/, ''));
    this.#finish(writer, source, start, mark);
  }

  /** Times, severity and IDs, behind what the line says. */
  #finish(writer: Writer, source: Buffer, start: number, mark: number): void {
    if (this.#millis !== undefined) writer.unixMillis(LogField.time, this.#millis);
    if (this.#severityNumber !== 0) writer.uint(LogField.severityNumber, this.#severityNumber);
    if (this.#severityText !== '') writer.string(LogField.severityText, this.#severityText);
    if (this.#dropped > 0) writer.uint(LogField.droppedAttributes, this.#dropped);
    if (this.#inSpan)
      encodeLogContext(writer, this.#span(source, start), source.readInt32LE(start + LineWord.flags));
    const low = source.readInt32LE(start + LineWord.observedTime);
    const high = source.readInt32LE(start + LineWord.observedTime + 4);
    // Seen when it was written: the line's time, where it has one (log data model, "Field: ObservedTimestamp").
    if ((low | high) === 0) writer.unixMillis(LogField.observedTime, this.#millis ?? Date.now());
    else writer.fixed64(LogField.observedTime, high, low);
    writer.close(mark);
  }

  #span(source: Buffer, start: number): IdWords {
    const ids = this.#ids;
    ids.t0 = source.readInt32LE(start + LineWord.traceId);
    ids.t1 = source.readInt32LE(start + LineWord.traceId + 4);
    ids.t2 = source.readInt32LE(start + LineWord.traceId + 8);
    ids.t3 = source.readInt32LE(start + LineWord.traceId + 12);
    ids.s0 = source.readInt32LE(start + LineWord.spanId);
    ids.s1 = source.readInt32LE(start + LineWord.spanId + 4);
    return ids;
  }
}

function knownKeys(keys: LineKeys): KnownKey[][] {
  const roles: [string, Role][] = [
    [keys.level, Role.level],
    [keys.time, Role.time],
    [keys.message, Role.message],
    ['trace_id', Role.context],
    ['span_id', Role.context],
    ['trace_flags', Role.context],
    ['pid', Role.process],
    ['hostname', Role.process],
    ['err', Role.error],
    ['error', Role.error],
  ];
  if (keys.error !== undefined) roles.push([keys.error, Role.error]);
  if (keys.nested !== undefined) roles.push([keys.nested, Role.nested]);
  const byLength: KnownKey[][] = [];
  for (const [name, role] of roles) {
    const bytes = Buffer.from(name);
    byLength[bytes.length] ??= [];
    byLength[bytes.length]!.push({ bytes, role });
  }
  return byLength;
}

/** A length below 2^28. */
function varintAt(source: Buffer, at: number): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = source[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}
