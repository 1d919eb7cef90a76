// Turns one line of newline-delimited JSON, as pino writes it, into a LogRecord.
import type { AttributeLimits, ValueCounters } from '../context/attributes.ts';
import type { Clock } from '../context/clock.ts';
import { ObservabilityContext } from '../context/observability-context.ts';
import { limits } from '../limits.ts';
import { encodeLogContext, LogField } from '../transport/otlp/logs.ts';
import { Writer } from '../transport/otlp/writer.ts';
import { CLOSE_BRACE, JsonScanner, MALFORMED, OPEN_BRACE, QUOTE } from './json-scanner.ts';
import { type HeadFacts, type LineHead, LineHeads, millisOf } from './line-head.ts';
import { writeException, writeOtherMembers } from './serialized-error.ts';
import { severityOfLevel, severityOfName, textOfLevel } from './severity.ts';

/** The names of the keys that become fields of the record; pino's own by default. */
export interface LineKeys {
  readonly level: string;
  readonly time: string;
  readonly message: string;
}

const pinoKeys: LineKeys = { level: 'level', time: 'time', message: 'msg' };

const Role = { none: 0, level: 1, time: 2, message: 3, context: 4, process: 5, error: 6 } as const;
type Role = (typeof Role)[keyof typeof Role];

interface KnownKey {
  readonly bytes: Uint8Array;
  readonly role: Role;
}

/** What a record has beside the content of its line: times, IDs, severity. */
const RECORD_BYTES_BESIDE_LINE = 72;
/** Stands for the body among the members, as the length of a key that no key has. */
const BODY_KEY_LENGTH = -1;

/**
 * Every line is read from its first byte to its last, but for what its writer says about its head: level and time are
 * known then, and bindings of nothing but the process need no look.
 */
export class JsonLineScanner {
  readonly #scanner: JsonScanner;
  readonly #heads: LineHeads;
  readonly #clock: Clock;
  readonly #limits: AttributeLimits;
  readonly #counters: ValueCounters;
  /** Known keys by their length: most keys of a line are told apart by that alone. */
  readonly #known: readonly (readonly KnownKey[])[];
  /** What of the line under way becomes fields of the record. */
  #severityNumber = 0;
  #severityText = '';
  #time: number | undefined;
  #inSpan = false;
  #dropped = 0;
  /** 1 when a body stands among the members. */
  #bodies = 0;

  constructor(
    clock: Clock,
    attributeLimits: AttributeLimits,
    counters: ValueCounters,
    keys: LineKeys = pinoKeys,
  ) {
    this.#scanner = new JsonScanner(attributeLimits.valueLength);
    this.#clock = clock;
    this.#limits = attributeLimits;
    this.#counters = counters;
    this.#known = knownKeys(keys);
    this.#heads = new LineHeads(keys.time, line => this.#factsOf(line));
  }

  /**
   * Writes the line as one element of `ScopeLogs.log_records`, with the IDs and labels of `context`.
   * False when it is not one JSON object: then the line itself is the body. Never throws.
   */
  write(writer: Writer, line: string, context: ObservabilityContext, head?: LineHead): boolean {
    const from = head === undefined ? 0 : this.#heads.read(head);
    this.#reset(context.identity !== undefined);
    if (from > 0) this.#takeHead();
    const mark = writer.message(2, line.length - from + RECORD_BYTES_BESIDE_LINE);
    const wellFormed = this.#tryMembers(writer, line, from, context);
    if (!wellFormed) this.#lineAsBody(writer, mark, line, context);
    if (this.#time !== undefined) writer.time(LogField.time, this.#time);
    if (this.#severityNumber !== 0) writer.uint(LogField.severityNumber, this.#severityNumber);
    if (this.#severityText !== '') writer.string(LogField.severityText, this.#severityText);
    if (this.#dropped > 0) writer.uint(LogField.droppedAttributes, this.#dropped);
    encodeLogContext(writer, context.identity, context.identity?.traceFlags ?? 0);
    // Seen when it was written: the line's time, where it has one (log data model, "Field: ObservedTimestamp").
    writer.time(LogField.observedTime, this.#time ?? this.#clock.now());
    writer.close(mark);
    return wellFormed;
  }

  #reset(inSpan: boolean): void {
    this.#severityNumber = 0;
    this.#severityText = '';
    this.#time = undefined;
    this.#inSpan = inSpan;
    this.#dropped = 0;
    this.#bodies = 0;
  }

  #takeHead(): void {
    const { severityNumber, severityText, millis } = this.#heads;
    this.#severityNumber = severityNumber;
    this.#severityText = severityText;
    if (millis !== undefined) this.#time = this.#clock.fromUnixMillis(millis);
  }

  /** What a line tells that stands alone; undefined when it is none. */
  #factsOf(line: string): HeadFacts | undefined {
    this.#reset(false);
    const writer = new Writer(new Uint8Array(line.length * 3 + RECORD_BYTES_BESIDE_LINE));
    if (!this.#tryMembers(writer, line, 0, ObservabilityContext.root)) return undefined;
    const facts = { severityNumber: this.#severityNumber, severityText: this.#severityText };
    return { ...facts, hasTime: this.#time !== undefined, members: this.#scanner.members.count };
  }

  #tryMembers(writer: Writer, line: string, from: number, context: ObservabilityContext): boolean {
    if (line.length > limits.frame_bytes_max) return false;
    const scanner = this.#scanner;
    try {
      scanner.load(from === 0 ? line : line.slice(from));
      this.#writeLabels(writer, context);
      scanner.skipSpace();
      if (from > 0) {
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
    } catch (error) {
      if (error !== MALFORMED) this.#counters.rejected++;
      return writer.overflowed;
    } finally {
      this.#counters.truncated += scanner.truncated;
      scanner.truncated = 0;
    }
  }

  #writeLabels(writer: Writer, context: ObservabilityContext): void {
    const { keys, values, count } = context.labels;
    for (let i = 0; i < count; i++) {
      const start = writer.pos;
      const mark = writer.message(LogField.attributes);
      writer.string(1, keys[i]!);
      const keyEnd = writer.pos;
      writer.anyValue(2, values[i]!);
      writer.close(mark);
      const length = Buffer.byteLength(keys[i]!);
      this.#scanner.noteMember(writer, 0, start, mark, keyEnd - length - mark, length);
    }
  }

  /** One member of the line: written as an attribute, unless its key is known and its value of the kind expected. */
  #member(writer: Writer): void {
    const scanner = this.#scanner;
    const start = writer.pos;
    if (this.#plainMember(writer, start)) return;
    const mark = writer.message(LogField.attributes);
    const length = scanner.key(writer);
    const key = writer.pos - length;
    const role = this.#roleOf(writer.bytes, key, length);
    if (role !== Role.none && this.#takeKnown(writer, role, start, key)) return;
    scanner.anyValue(writer, 2);
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
    if (this.#scanner.members.count - this.#bodies >= this.#limits.attributes) {
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
      this.#severityNumber = severityOfLevel(level);
      this.#severityText = textOfLevel(level);
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
    this.#time = this.#clock.fromUnixMillis(millis);
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
    const others = writeException(scanner, writer, (...at) => this.#keep(writer, ...at));
    if (others === 0) return true;
    scanner.pos = pos;
    const rest = writer.pos;
    const mark = writer.message(LogField.attributes);
    writer.string(1, name);
    const keyBehindMark = writer.pos - name.length - mark;
    writeOtherMembers(scanner, writer);
    writer.close(mark);
    this.#keep(writer, rest, mark, keyBehindMark, name.length);
    return true;
  }

  #lineAsBody(writer: Writer, mark: number, line: string, context: ObservabilityContext): void {
    writer.rewind(mark);
    this.#scanner.members.count = 0;
    this.#writeLabels(writer, context);
    this.#severityNumber = 0;
    this.#severityText = '';
    this.#time = undefined;
    this.#dropped = 0;
    const text = line.slice(0, this.#limits.valueLength).replace(/\r?\n$/, '');
    if (line.length > this.#limits.valueLength) this.#counters.truncated++;
    writer.anyValue(LogField.body, text);
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
  const byLength: KnownKey[][] = [];
  for (const [name, role] of roles) {
    const bytes = Buffer.from(name);
    byLength[bytes.length] ??= [];
    byLength[bytes.length]!.push({ bytes, role });
  }
  return byLength;
}
