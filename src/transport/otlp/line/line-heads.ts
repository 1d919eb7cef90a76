// What is known of the head of a line without reading it again: the level's and the bindings' texts recur.

/** What a text tells as a line of its own. */
export interface HeadFacts {
  readonly severityNumber: number;
  readonly severityText: string;
  readonly hasTime: boolean;
  /** How many of its members become attributes or the body. */
  readonly members: number;
}

interface KnownLevel {
  readonly text: Buffer;
  /** Undefined when the text tells more than a severity. */
  readonly facts: HeadFacts | undefined;
}

/** Texts of levels that are kept; a logger has as many as it has levels. */
const LEVELS_MAX = 64;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;

export class LineHeads {
  /** What {@link read} has found. */
  severityNumber = 0;
  severityText = '';
  /** Since the epoch; undefined when the line has no time. */
  millis: number | undefined;
  readonly #factsOf: (line: Buffer) => HeadFacts | undefined;
  readonly #timeStart: Buffer;
  readonly #levels: KnownLevel[] = [];
  /** Bindings that tell nothing but the process, and those of the last line that may do so. */
  #process: Buffer = Buffer.alloc(0);
  #candidate: Buffer = Buffer.alloc(0);

  /** @param factsOf reads a whole line; undefined when it is none */
  constructor(timeKey: string, factsOf: (line: Buffer) => HeadFacts | undefined) {
    this.#factsOf = factsOf;
    this.#timeStart = Buffer.from(`,${JSON.stringify(timeKey)}:`);
  }

  /**
   * Looks at the line that starts at `at`, and at the bytes that each part of its head takes. Returns how many of them need
   * no further look: none, when the head is not understood.
   */
  read(source: Buffer, at: number, level: number, time: number, context: number, bindings: number): number {
    if (level === 0 || !this.#readLevel(source, at, level)) return 0;
    if (!this.#readTime(source, at + level, time)) return 0;
    const known = level + time + context;
    return this.#isProcess(source, at + known, bindings) ? known + bindings : known;
  }

  /** False when the text tells more than a severity. */
  #readLevel(source: Buffer, at: number, length: number): boolean {
    const levels = this.#levels;
    for (let i = 0; i < levels.length; i++) {
      const { text, facts } = levels[i]!;
      if (isAt(source, at, length, text)) return this.#takeFacts(facts);
    }
    const text = Buffer.from(source.subarray(at, at + length));
    let facts = this.#factsOf(Buffer.concat([text, Buffer.from('}')]));
    if (facts !== undefined && (facts.members > 0 || facts.hasTime)) facts = undefined;
    if (levels.length < LEVELS_MAX) levels.push({ text, facts });
    return this.#takeFacts(facts);
  }

  #takeFacts(facts: HeadFacts | undefined): boolean {
    if (facts === undefined) return false;
    this.severityNumber = facts.severityNumber;
    this.severityText = facts.severityText;
    return true;
  }

  /** False when the text is anything but digits behind the key of the time. */
  #readTime(source: Buffer, at: number, length: number): boolean {
    this.millis = undefined;
    if (length === 0) return true;
    const start = this.#timeStart;
    if (length <= start.length || !isAt(source, at, start.length, start)) return false;
    let time = 0;
    for (let i = at + start.length; i < at + length; i++) {
      const digit = source[i]!;
      if (digit < DIGIT_ZERO || digit > DIGIT_NINE) return false;
      time = time * 10 + (digit - DIGIT_ZERO);
    }
    this.millis = millisOf(time);
    return true;
  }

  /** Whether the bindings tell nothing that a record has. Found out when the same ones come twice in a row. */
  #isProcess(source: Buffer, at: number, length: number): boolean {
    if (isAt(source, at, length, this.#process)) return true;
    if (!isAt(source, at, length, this.#candidate)) {
      this.#candidate = Buffer.from(source.subarray(at, at + length));
      return false;
    }
    const facts = this.#factsOf(Buffer.from(`{${this.#candidate.toString('utf8', 1)}}`));
    const says = facts === undefined || facts.members > 0 || facts.hasTime || facts.severityText !== '';
    if (says) return false;
    this.#process = this.#candidate;
    return true;
  }
}

/** Whether exactly `text` stands at `at`, over `length` bytes. */
function isAt(source: Buffer, at: number, length: number, text: Buffer): boolean {
  if (length !== text.length) return false;
  for (let i = 0; i < length; i++) if (source[at + i] !== text[i]) return false;
  return true;
}

/** A number of seconds is smaller than this, one of milliseconds than the next, and so on to nanoseconds. */
const SECONDS_MAX = 1e11;
const MILLIS_MAX = 1e14;
const MICROS_MAX = 1e17;

/** Milliseconds since the epoch from a time in seconds, milliseconds, microseconds or nanoseconds, told by its size. */
export function millisOf(time: number): number {
  if (time < SECONDS_MAX) return time * 1e3;
  if (time < MILLIS_MAX) return time;
  return time < MICROS_MAX ? time / 1e3 : time / 1e6;
}
