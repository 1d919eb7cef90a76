// Who a span is: trace and span ID as machine words, hex only when somebody asks for it.
import { randomFillSync } from 'node:crypto';
import type { TraceState as OtelTraceState, SpanContext } from '@opentelemetry/api';
import { TraceState } from './tracestate.ts';

/** Bit 0 of the trace flags: the trace is sampled (W3C Trace Context §3.2.3). */
export const FLAG_SAMPLED = 0x01;
/** Bit 1: the last seven bytes of the trace ID are random (W3C Trace Context Level 2). */
export const FLAG_RANDOM = 0x02;

/** State of the generator: xoshiro128** by Blackman and Vigna, seeded by the system. It is no secret who a span is. */
const state = randomFillSync(new Int32Array(4));
if (state.every(word => word === 0)) state[0] = 1;

/** One random word. */
export function randomWord(): number {
  const s1 = state[1]!;
  const product = Math.imul(s1, 5);
  const word = Math.imul((product << 7) | (product >>> 25), 9);
  const s2 = state[2]! ^ state[0]!;
  const s3 = state[3]! ^ s1;
  state[1] = s1 ^ s2;
  state[0]! ^= s3;
  state[2] = s2 ^ (s1 << 9);
  state[3] = (s3 << 11) | (s3 >>> 21);
  return word;
}

/** The two hex digits of each byte, as the little-endian word that writes them. */
const hexPairs = Uint16Array.from({ length: 256 }, (_, byte) => {
  const [high, low] = byte.toString(16).padStart(2, '0');
  return high!.charCodeAt(0) | (low!.charCodeAt(0) << 8);
});

/** Text with IDs in it, built in place: one conversion to a string, whatever its length. */
class HexText {
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(text: string) {
    this.#bytes = Buffer.from(text, 'latin1');
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  /** Eight digits at `at`. */
  word(at: number, word: number): void {
    const view = this.#view;
    view.setUint16(at, hexPairs[word >>> 24]!, true);
    view.setUint16(at + 2, hexPairs[(word >>> 16) & 0xff]!, true);
    view.setUint16(at + 4, hexPairs[(word >>> 8) & 0xff]!, true);
    view.setUint16(at + 6, hexPairs[word & 0xff]!, true);
  }

  /** The two digits of the low byte at `at`. */
  byte(at: number, byte: number): void {
    this.#view.setUint16(at, hexPairs[byte & 0xff]!, true);
  }

  text(end: number = this.#bytes.length): string {
    return this.#bytes.toString('latin1', 0, end);
  }
}

const digits = new HexText('0'.repeat(32));
const TRACE_ID_AT = ',"trace_id":"'.length;
const SPAN_ID_AT = TRACE_ID_AT + 32 + '","span_id":"'.length;
const FLAGS_AT = SPAN_ID_AT + 16 + '","trace_flags":"'.length;
const members = new HexText(
  `,"trace_id":"${'0'.repeat(32)}","span_id":"${'0'.repeat(16)}","trace_flags":"00"`,
);

const NOT_HEX = 0x10;
const nibbles = new Uint8Array(128).fill(NOT_HEX);
for (let i = 0; i < 16; i++) nibbles['0123456789abcdef'.charCodeAt(i)] = i;

/**
 * Reads eight lowercase hex digits at `at` into one word. Undefined when one of them is something else;
 * uppercase is something else (W3C Trace Context §3.2.2).
 */
function wordFromHex(hex: string, at: number): number | undefined {
  let word = 0;
  let seen = 0;
  for (let i = at; i < at + 8; i++) {
    const nibble = nibbles[hex.charCodeAt(i)] ?? NOT_HEX;
    seen |= nibble;
    word = (word << 4) | nibble;
  }
  return seen >= NOT_HEX ? undefined : word;
}

/**
 * The immutable identity of a span: an OpenTelemetry `SpanContext` whose IDs are signed 32-bit words in big-endian
 * order (`t0`…`t3`, `s0`, `s1`), which V8 keeps without an allocation. `traceId` and `spanId` are built at first use.
 */
export class SpanIdentity implements SpanContext {
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
  readonly s0: number;
  readonly s1: number;
  readonly traceFlags: number;
  readonly isRemote: boolean;
  readonly traceState?: OtelTraceState;
  #traceId: string | undefined;
  #spanId: string | undefined;

  constructor(
    t0: number,
    t1: number,
    t2: number,
    t3: number,
    s0: number,
    s1: number,
    traceFlags: number,
    traceState: OtelTraceState | undefined,
    isRemote: boolean,
  ) {
    this.t0 = t0;
    this.t1 = t1;
    this.t2 = t2;
    this.t3 = t3;
    this.s0 = s0;
    this.s1 = s1;
    this.traceFlags = traceFlags;
    this.isRemote = isRemote;
    if (traceState !== undefined) this.traceState = traceState;
  }

  /** 32 lowercase hex digits. */
  get traceId(): string {
    this.#traceId ??= this.#traceIdIn(digits, 0).text(32);
    return this.#traceId;
  }

  /** 16 lowercase hex digits. */
  get spanId(): string {
    this.#spanId ??= this.#spanIdIn(digits, 0).text(16);
    return this.#spanId;
  }

  #traceIdIn(text: HexText, at: number): HexText {
    text.word(at, this.t0);
    text.word(at + 8, this.t1);
    text.word(at + 16, this.t2);
    text.word(at + 24, this.t3);
    return text;
  }

  #spanIdIn(text: HexText, at: number): HexText {
    text.word(at, this.s0);
    text.word(at + 8, this.s1);
    return text;
  }

  /** Members of a JSON object: `,"trace_id":"…","span_id":"…","trace_flags":"01"`, as log lines carry them. */
  jsonMembers(): string {
    this.#traceIdIn(members, TRACE_ID_AT);
    this.#spanIdIn(members, SPAN_ID_AT);
    members.byte(FLAGS_AT, this.traceFlags);
    return members.text();
  }

  get sampled(): boolean {
    return (this.traceFlags & FLAG_SAMPLED) !== 0;
  }

  /** Neither ID is all zero. */
  get valid(): boolean {
    return (this.t0 | this.t1 | this.t2 | this.t3) !== 0 && (this.s0 | this.s1) !== 0;
  }

  /** The 16 bytes of the trace ID followed by the 8 bytes of the span ID. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(24);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, this.t0);
    view.setInt32(4, this.t1);
    view.setInt32(8, this.t2);
    view.setInt32(12, this.t3);
    view.setInt32(16, this.s0);
    view.setInt32(20, this.s1);
    return bytes;
  }

  /** The plain shape of a `SpanContext`, since accessors do not survive `JSON.stringify` by themselves. */
  toJSON(): SpanContext {
    const { traceId, spanId, traceFlags, isRemote } = this;
    return { traceId, spanId, traceFlags, isRemote };
  }

  /**
   * A random identity of the first span of a new trace. `t2` and `t3` hold the randomness that sampling looks at: a
   * sampler draws them first, to know the flags.
   */
  static root(
    flags: number,
    traceState?: OtelTraceState,
    t2: number = randomWord(),
    t3: number = randomWord(),
  ): SpanIdentity {
    const t0 = randomWord();
    let t1 = randomWord();
    while ((t0 | t1 | t2 | t3) === 0) t1 = randomWord();
    return SpanIdentity.#withRandomSpanId(t0, t1, t2, t3, flags, traceState);
  }

  /** A random span ID within the trace of this identity. */
  child(flags: number, traceState?: OtelTraceState): SpanIdentity {
    return SpanIdentity.#withRandomSpanId(this.t0, this.t1, this.t2, this.t3, flags, traceState);
  }

  static #withRandomSpanId(
    t0: number,
    t1: number,
    t2: number,
    t3: number,
    flags: number,
    traceState: OtelTraceState | undefined,
  ): SpanIdentity {
    const s0 = randomWord();
    let s1 = randomWord();
    while ((s0 | s1) === 0) s1 = randomWord();
    return new SpanIdentity(t0, t1, t2, t3, s0, s1, flags, traceState, false);
  }

  /**
   * From 32 and 16 lowercase hex digits. Undefined when a length or a digit is wrong or an ID is all zero.
   */
  static fromHex(
    traceId: string,
    spanId: string,
    flags: number,
    traceState?: OtelTraceState,
    isRemote = false,
  ): SpanIdentity | undefined {
    const identity = SpanIdentity.#parse(traceId, spanId, flags, traceState, isRemote);
    return identity?.valid ? identity : undefined;
  }

  static #parse(
    traceId: string,
    spanId: string,
    flags: number,
    traceState: OtelTraceState | undefined,
    isRemote: boolean,
  ): SpanIdentity | undefined {
    if (typeof traceId !== 'string' || typeof spanId !== 'string') return undefined;
    if (traceId.length !== 32 || spanId.length !== 16) return undefined;
    const t0 = wordFromHex(traceId, 0);
    const t1 = wordFromHex(traceId, 8);
    const t2 = wordFromHex(traceId, 16);
    const t3 = wordFromHex(traceId, 24);
    const s0 = wordFromHex(spanId, 0);
    const s1 = wordFromHex(spanId, 8);
    if (t0 === undefined || t1 === undefined || t2 === undefined || t3 === undefined) return undefined;
    if (s0 === undefined || s1 === undefined) return undefined;
    return new SpanIdentity(t0, t1, t2, t3, s0, s1, flags & 0xff, traceState, isRemote);
  }

  /** From the 24 bytes of {@link toBytes} at `at`. Undefined when they are not there or an ID is all zero. */
  static fromBytes(
    bytes: Uint8Array,
    at: number,
    flags: number,
    traceState?: OtelTraceState,
    isRemote = false,
  ): SpanIdentity | undefined {
    if (at < 0 || at + 24 > bytes.length) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 24);
    const identity = new SpanIdentity(
      view.getInt32(0),
      view.getInt32(4),
      view.getInt32(8),
      view.getInt32(12),
      view.getInt32(16),
      view.getInt32(20),
      flags & 0xff,
      traceState,
      isRemote,
    );
    return identity.valid ? identity : undefined;
  }

  /** The same identity for any `SpanContext`, of ours or of another implementation; undefined when it is not valid. */
  static from(context: SpanContext): SpanIdentity | undefined {
    if (context instanceof SpanIdentity) return context.valid ? context : undefined;
    const { traceId, spanId, traceFlags, traceState, isRemote } = context;
    return SpanIdentity.fromHex(traceId, spanId, traceFlags, ownState(traceState), isRemote === true);
  }

  /** As {@link SpanIdentity.from}, but an ID may be all zero: what a link without a span is told by. */
  static ofLink(context: SpanContext): SpanIdentity | undefined {
    if (context instanceof SpanIdentity) return context;
    const { traceId, spanId, traceFlags, traceState, isRemote } = context;
    return SpanIdentity.#parse(traceId, spanId, traceFlags, ownState(traceState), isRemote === true);
  }
}

/** A tracestate of another implementation as one of ours, which is valid and throws nothing; none for what is none. */
function ownState(state: OtelTraceState | undefined): OtelTraceState | undefined {
  if (state === undefined || state === null) return undefined;
  try {
    return state instanceof TraceState ? state : TraceState.parse(String(state.serialize()));
  } catch {
    return undefined;
  }
}
