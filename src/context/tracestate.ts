// The tracestate of W3C Trace Context: an immutable list of vendors' entries, newest first.
import type { TraceState as OtelTraceState } from '@opentelemetry/api';
import { limits } from '../limits.ts';

/** Trace Context Level 2 §3.3.1.3.1: a key may begin with a letter or digit, `@` separates tenant and system. */
const KEY = /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/;
/** §3.3.1.3.2: printable ASCII without comma and equals sign, not ending in a space. */
const VALUE = /^[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;
/** Entries longer than this go first when the header is too long (§3.3.1.5). */
const LONG_ENTRY = 128;
/** The longest header that the grammar can produce, optional white space apart. */
const HEADER_LENGTH_MAX = limits.tracestate_members_max * 2 * 257;

export class TraceState implements OtelTraceState {
  static readonly empty: TraceState = new TraceState([], []);

  readonly #keys: readonly string[];
  readonly #values: readonly string[];
  #text: string | undefined;

  private constructor(keys: readonly string[], values: readonly string[]) {
    this.#keys = keys;
    this.#values = values;
  }

  /**
   * Reads a tracestate header. Undefined when it has no entry or is malformed as a whole: one bad entry, or more than
   * 32 of them, discards all (§3.3.1.1, §4.3). Of a repeated key the first, newest entry counts.
   */
  static parse(header: string): TraceState | undefined {
    if (header.length > HEADER_LENGTH_MAX) return undefined;
    const keys: string[] = [];
    const values: string[] = [];
    let members = 0;
    for (const part of header.split(',')) {
      const member = trimOptionalWhiteSpace(part);
      if (member === '') continue;
      const split = member.indexOf('=');
      const key = member.slice(0, split);
      const value = member.slice(split + 1);
      if (split < 0 || !KEY.test(key) || !VALUE.test(value)) return undefined;
      if (++members > limits.tracestate_members_max) return undefined;
      if (keys.includes(key)) continue;
      keys.push(key);
      values.push(value);
    }
    return keys.length === 0 ? undefined : new TraceState(keys, values);
  }

  get(key: string): string | undefined {
    const index = this.#keys.indexOf(key);
    return index < 0 ? undefined : this.#values[index];
  }

  /** With `key` in front. An invalid key or value leaves the list as it is; the 33rd entry pushes the oldest out. */
  set(key: string, value: string): TraceState {
    if (!matches(KEY, key) || !matches(VALUE, value)) return this;
    const rest = this.unset(key);
    const kept = limits.tracestate_members_max - 1;
    return new TraceState([key, ...rest.#keys.slice(0, kept)], [value, ...rest.#values.slice(0, kept)]);
  }

  unset(key: string): TraceState {
    const index = this.#keys.indexOf(key);
    if (index < 0) return this;
    return new TraceState(this.#keys.toSpliced(index, 1), this.#values.toSpliced(index, 1));
  }

  /** The header, at most 512 characters: long entries, then the oldest ones, are left out until it fits (§3.3.1.5). */
  serialize(): string {
    this.#text ??= this.#join();
    return this.#text;
  }

  #join(): string {
    const entries = this.#keys.map((key, i) => `${key}=${this.#values[i]}`);
    let length = entries.reduce((sum, entry) => sum + entry.length + 1, -1);
    for (let i = entries.length - 1; i >= 0 && length > limits.tracestate_bytes_max; i--) {
      if (entries[i]!.length > LONG_ENTRY) length -= entries.splice(i, 1)[0]!.length + 1;
    }
    while (length > limits.tracestate_bytes_max) length -= entries.pop()!.length + 1;
    return entries.join(',');
  }
}

/** A pattern alone would take `undefined` for the text of it. */
const matches = (pattern: RegExp, text: unknown): boolean => typeof text === 'string' && pattern.test(text);

/** Spaces and tabs around a list member; `trim()` would take more. */
function trimOptionalWhiteSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpaceOrTab(text.charCodeAt(start))) start++;
  while (end > start && isSpaceOrTab(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpaceOrTab(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
