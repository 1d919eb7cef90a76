// What is known of the head of a line without reading it again: the level's, the time's and the bindings' texts recur.

/** How a line begins, where its writer knows: with these texts, one after the other. */
export interface LineHead {
  /** The opening brace and what tells the level: `{"level":30`. */
  readonly level: string;
  /** The member with the time, its comma in front; or nothing: `,"time":1700000000000`. */
  readonly time: string;
  /** Members that say in the line what the context says to the record: `,"trace_id":"…"`. */
  readonly context: string;
  /** Members that all lines of one logger have: `,"pid":7,"hostname":"h","module":"orders"`. */
  readonly bindings: string;
}

/** What a text tells as a line of its own. */
export interface HeadFacts {
  readonly severityNumber: number;
  readonly severityText: string;
  readonly hasTime: boolean;
  /** How many of its members become attributes or the body. */
  readonly members: number;
}

/** Texts of levels that are kept; a logger has as many as it has levels. */
const LEVELS_MAX = 64;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;

export class LineHeads {
  /** What {@link read} has found. */
  severityNumber = 0;
  severityText = '';
  /** Since the epoch; undefined when the lines have no time. */
  millis: number | undefined;
  readonly #factsOf: (line: string) => HeadFacts | undefined;
  readonly #timeStart: string;
  readonly #levels = new Map<string, HeadFacts | undefined>();
  #time = '';
  /** Bindings that tell nothing but the process, and those of the last line that may do so. */
  #process = '';
  #candidate = '';

  /** @param factsOf reads a whole line; undefined when it is none */
  constructor(timeKey: string, factsOf: (line: string) => HeadFacts | undefined) {
    this.#factsOf = factsOf;
    this.#timeStart = `,${JSON.stringify(timeKey)}:`;
  }

  /** Returns where the line is to be read from: 0, its beginning, when the head is not understood. */
  read({ level, time, context, bindings }: LineHead): number {
    if (!this.#readLevel(level) || !this.#readTime(time)) return 0;
    const at = level.length + time.length + context.length;
    return this.#isProcess(bindings) ? at + bindings.length : at;
  }

  /** False when the text tells more than a severity. */
  #readLevel(text: string): boolean {
    let facts = this.#levels.get(text);
    if (facts === undefined && !this.#levels.has(text)) {
      facts = this.#factsOf(`${text}}`);
      if (facts !== undefined && (facts.members > 0 || facts.hasTime)) facts = undefined;
      if (this.#levels.size < LEVELS_MAX) this.#levels.set(text, facts);
    }
    if (facts === undefined) return false;
    this.severityNumber = facts.severityNumber;
    this.severityText = facts.severityText;
    return true;
  }

  /** False when the text is anything but digits behind the key of the time. Lines of one millisecond share it. */
  #readTime(text: string): boolean {
    if (text === this.#time) return true;
    const millis = text === '' ? undefined : this.#millisIn(text);
    if (text !== '' && millis === undefined) return false;
    this.#time = text;
    this.millis = millis;
    return true;
  }

  #millisIn(text: string): number | undefined {
    const start = this.#timeStart.length;
    if (text.length === start || !text.startsWith(this.#timeStart)) return undefined;
    let time = 0;
    for (let i = start; i < text.length; i++) {
      const digit = text.charCodeAt(i);
      if (digit < DIGIT_ZERO || digit > DIGIT_NINE) return undefined;
      time = time * 10 + (digit - DIGIT_ZERO);
    }
    return millisOf(time);
  }

  /** Whether the bindings tell nothing that a record has. Found out when the same ones come twice in a row. */
  #isProcess(bindings: string): boolean {
    if (bindings === this.#process) return true;
    if (bindings !== this.#candidate) {
      this.#candidate = bindings;
      return false;
    }
    const facts = this.#factsOf(`{${bindings.slice(1)}}`);
    const says = facts === undefined || facts.members > 0 || facts.hasTime || facts.severityText !== '';
    if (says) return false;
    this.#process = bindings;
    return true;
  }
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
