// The rejection threshold of consistent probability sampling, and the randomness that is held against it.
import type { TraceState as OtelTraceState } from '@opentelemetry/api';
import { randomWord, type SpanIdentity } from './identity.ts';
import { TraceState } from './tracestate.ts';

const BITS_56 = 2 ** 56;
const HEX_DIGITS = 14;
/** Hex digits that a threshold is rounded to, leading `f`s apart (TraceState probability sampling, "precision"). */
const PRECISION = 4;
const VENDOR = 'ot';
/** Characters of the whole entry (TraceState handling). */
const ENTRY_LENGTH_MAX = 256;

/** 56 bits as the upper 24 and the lower 32. */
export interface Bits56 {
  readonly high: number;
  readonly low: number;
}

/**
 * T = (1 - ratio) * 2^56: what has 56 random bits R of at least T is kept, and stands for 2^56 / (2^56 - T) of its kind.
 * Source: OpenTelemetry specification, "TraceState: Probability Sampling".
 */
export class Threshold implements Bits56 {
  static readonly none: Threshold = Threshold.of(1);

  readonly high: number;
  readonly low: number;
  /** As it is written in `ot=th:…` and `sampling.threshold`: hex digits without trailing zeros. */
  readonly text: string;

  private constructor(bits: bigint) {
    this.high = Number(bits >> 32n);
    this.low = Number(bits & 0xffffffffn);
    this.text = hexOf(bits);
  }

  /** For a share of 0 to 1. 2^56, which no randomness reaches, for one below 2^-56. Rounded to the precision of its text. */
  static of(ratio: number): Threshold {
    return new Threshold(bitsOf(ratio));
  }

  /** Of one to fourteen lowercase hex digits, of which trailing zeros are left out; undefined when they are none. */
  static parse(text: string): Threshold | undefined {
    return /^[0-9a-f]{1,14}$/.test(text)
      ? new Threshold(BigInt(`0x${text.padEnd(HEX_DIGITS, '0')}`))
      : undefined;
  }

  /** The share that is kept, 0 to 1. */
  get ratio(): number {
    return 1 - (this.high * 2 ** 32 + this.low) / BITS_56;
  }

  keeps(high: number, low: number): boolean {
    return high > this.high || (high === this.high && low >= this.low);
  }

  keepsRandomness({ high, low }: Bits56): boolean {
    return this.keeps(high, low);
  }
}

/** R of a trace: `rv` of the tracestate, or the low seven bytes of the trace ID. */
export function randomnessOf(identity: SpanIdentity): Bits56 {
  const explicit = subkey(identity.traceState, 'rv') ?? '';
  if (!/^[0-9a-f]{14}$/.test(explicit)) return { high: identity.t2 & 0xffffff, low: identity.t3 >>> 0 };
  return { high: Number.parseInt(explicit.slice(0, 6), 16), low: Number.parseInt(explicit.slice(6), 16) };
}

/** Randomness for what belongs to no trace. */
export function randomWord56(): Bits56 {
  return { high: randomWord() & 0xffffff, low: randomWord() >>> 0 };
}

/** The text of the threshold in a tracestate; undefined where there is none. */
export function thresholdIn(state: OtelTraceState | undefined): string | undefined {
  return subkey(state, 'th');
}

/**
 * The tracestate with this threshold, or with none, as where there is no room for it; other sub-keys and vendors are kept.
 */
export function withThreshold(
  state: OtelTraceState | undefined,
  threshold: Threshold | undefined,
): OtelTraceState | undefined {
  const others = (state?.get(VENDOR) ?? '').split(';').filter(pair => pair !== '' && !pair.startsWith('th:'));
  const pairs = threshold === undefined ? others : [`th:${threshold.text}`, ...others];
  if (pairs.length === 0) return state?.get(VENDOR) === undefined ? state : state.unset(VENDOR);
  const entry = pairs.join(';');
  if (threshold !== undefined && entry.length > ENTRY_LENGTH_MAX) return withThreshold(state, undefined);
  return (state ?? TraceState.empty).set(VENDOR, entry);
}

/** A sub-key of the `ot` entry: `ot=th:…;rv:…`. */
function subkey(state: OtelTraceState | undefined, name: string): string | undefined {
  const pair = state
    ?.get(VENDOR)
    ?.split(';')
    .find(each => each.startsWith(`${name}:`));
  return pair?.slice(name.length + 1);
}

function bitsOf(ratio: number): bigint {
  const kept = BigInt(Math.round(ratio * BITS_56));
  const exact = (1n << 56n) - kept;
  if (kept === 0n) return exact;
  const leadingDigits = Math.floor(-Math.log2(ratio) / 4);
  const dropped = BigInt(4 * Math.max(HEX_DIGITS - PRECISION - leadingDigits, 0));
  const rounded = ((exact + ((1n << dropped) >> 1n)) >> dropped) << dropped;
  return rounded < 1n << 56n ? rounded : exact;
}

/** 14 hex digits without trailing zeros. */
function hexOf(bits: bigint): string {
  const digits = bits.toString(16).padStart(HEX_DIGITS, '0').replace(/0+$/, '');
  return digits === '' ? '0' : digits;
}
