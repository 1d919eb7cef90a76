// Who a span is: trace and span ID as machine words, hex only when somebody asks for it.
import { randomFillSync } from 'node:crypto';
import type { SpanContext, TraceState } from '@opentelemetry/api';

/** Bit 0 of the trace flags: the trace is sampled (W3C Trace Context §3.2.3). */
export const FLAG_SAMPLED = 0x01;
/** Bit 1: the last seven bytes of the trace ID are random (W3C Trace Context Level 2). */
export const FLAG_RANDOM = 0x02;

const POOL_WORDS = 2048;
const pool = new Int32Array(POOL_WORDS);
let poolNext = POOL_WORDS;

/** One random word from the pool, which is filled in bulk: a call into the system per 2048 words. */
export function randomWord(): number {
  if (poolNext === POOL_WORDS) {
    randomFillSync(pool);
    poolNext = 0;
  }
  return pool[poolNext++]!;
}

const scratch = Buffer.alloc(16);
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
  readonly traceState?: TraceState;
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
    traceState: TraceState | undefined,
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
    if (this.#traceId === undefined) {
      scratch.writeInt32BE(this.t0, 0);
      scratch.writeInt32BE(this.t1, 4);
      scratch.writeInt32BE(this.t2, 8);
      scratch.writeInt32BE(this.t3, 12);
      this.#traceId = scratch.toString('hex', 0, 16);
    }
    return this.#traceId;
  }

  /** 16 lowercase hex digits. */
  get spanId(): string {
    if (this.#spanId === undefined) {
      scratch.writeInt32BE(this.s0, 0);
      scratch.writeInt32BE(this.s1, 4);
      this.#spanId = scratch.toString('hex', 0, 8);
    }
    return this.#spanId;
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
    traceState?: TraceState,
    t2: number = randomWord(),
    t3: number = randomWord(),
  ): SpanIdentity {
    const t0 = randomWord();
    let t1 = randomWord();
    while ((t0 | t1 | t2 | t3) === 0) t1 = randomWord();
    return SpanIdentity.#withRandomSpanId(t0, t1, t2, t3, flags, traceState);
  }

  /** A random span ID within the trace of this identity. */
  child(flags: number, traceState?: TraceState): SpanIdentity {
    return SpanIdentity.#withRandomSpanId(this.t0, this.t1, this.t2, this.t3, flags, traceState);
  }

  static #withRandomSpanId(
    t0: number,
    t1: number,
    t2: number,
    t3: number,
    flags: number,
    traceState: TraceState | undefined,
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
    traceState?: TraceState,
    isRemote = false,
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
    const identity = new SpanIdentity(t0, t1, t2, t3, s0, s1, flags & 0xff, traceState, isRemote);
    return identity.valid ? identity : undefined;
  }

  /** From the 24 bytes of {@link toBytes} at `at`. Undefined when they are not there or an ID is all zero. */
  static fromBytes(
    bytes: Uint8Array,
    at: number,
    flags: number,
    traceState?: TraceState,
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
    return SpanIdentity.fromHex(traceId, spanId, traceFlags, traceState, isRemote === true);
  }
}
