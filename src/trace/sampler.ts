// Decides which spans are recorded: parent-based consistent probability sampling over the tracestate.
import type { TraceState as OtelTraceState } from '@opentelemetry/api';
import { FLAG_RANDOM, FLAG_SAMPLED, randomWord, SpanIdentity } from '../context/identity.ts';
import { TraceState } from '../context/tracestate.ts';

const BITS_56 = 2 ** 56;
const HEX_DIGITS = 14;
/** Hex digits that a threshold is rounded to, leading `f`s apart (TraceState probability sampling, "precision"). */
const PRECISION = 4;
const VENDOR = 'ot';

/** Gives a new span its identity, in which the decision stands: the sampled flag and the tracestate. */
export interface Sampler {
  /** @param parent the local or remote parent; undefined for the first span of a trace */
  start(parent: SpanIdentity | undefined): SpanIdentity;
}

/** 56 bits as the upper 24 and the lower 32. */
interface Bits56 {
  readonly high: number;
  readonly low: number;
}

/** The names that OTEL_TRACES_SAMPLER knows. */
export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

/** The sampler of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; `ratio` counts for the `traceidratio` ones. */
export function createSampler(name: SamplerName, ratio = 1): ConsistentSampler {
  const parentBased = name.startsWith('parentbased_');
  if (name.endsWith('always_on')) return new ConsistentSampler({ ratio: 1, parentBased });
  if (name.endsWith('always_off')) return new ConsistentSampler({ ratio: 0, parentBased });
  return new ConsistentSampler({ ratio, parentBased });
}

/**
 * Samples a trace when its 56 random bits R reach the rejection threshold T = (1 - ratio) * 2^56. R is `rv` of the
 * tracestate, or the low seven bytes of the trace ID. T is put into the tracestate (`ot=th:…`), so that every receiver
 * knows the weight 2^56 / (2^56 - T) of a span. Source: OpenTelemetry specification, "TraceState: Probability Sampling".
 *
 * Parent-based, a child follows its parent's flag and threshold, and the ratio speaks for the first span alone.
 */
export class ConsistentSampler implements Sampler {
  readonly #parentBased: boolean;
  #ratio = 1;
  #threshold: Bits56 = { high: 0, low: 0 };
  #thresholdText = '0';
  /** The tracestate of a sampled first span: one object for all of them. */
  #rootState: TraceState = TraceState.empty;

  constructor(options: { readonly ratio: number; readonly parentBased: boolean }) {
    this.#parentBased = options.parentBased;
    this.ratio = options.ratio;
  }

  /** The share of traces that is kept, 0 to 1. */
  get ratio(): number {
    return this.#ratio;
  }

  /** May be set at any time; holds for spans started from then on. NaN and values out of range are clamped to 0…1. */
  set ratio(ratio: number) {
    this.#ratio = Math.min(Math.max(Number.isNaN(ratio) ? 1 : ratio, 0), 1);
    const threshold = thresholdOf(this.#ratio);
    this.#threshold = { high: Number(threshold >> 32n), low: Number(threshold & 0xffffffffn) };
    this.#thresholdText = hexOf(threshold);
    this.#rootState = TraceState.empty.set(VENDOR, `th:${this.#thresholdText}`);
  }

  start(parent: SpanIdentity | undefined): SpanIdentity {
    if (parent === undefined) return this.#startRoot();
    return this.#parentBased ? followParent(parent) : this.#startIndependent(parent);
  }

  #startRoot(): SpanIdentity {
    const t2 = randomWord();
    const t3 = randomWord();
    const sampled = reaches(t2 & 0xffffff, t3 >>> 0, this.#threshold);
    const flags = sampled ? FLAG_RANDOM | FLAG_SAMPLED : FLAG_RANDOM;
    return SpanIdentity.root(flags, sampled ? this.#rootState : undefined, t2, t3);
  }

  /** The decision of this process alone, by the randomness that the whole trace shares. */
  #startIndependent(parent: SpanIdentity): SpanIdentity {
    const random = randomnessOf(parent);
    const sampled = reaches(random.high, random.low, this.#threshold);
    const state = withThreshold(parent.traceState, sampled ? this.#thresholdText : undefined);
    return parent.child((parent.traceFlags & FLAG_RANDOM) | (sampled ? FLAG_SAMPLED : 0), state);
  }
}

/** A child is sampled if its parent is. Of a remote parent, a threshold that contradicts its flag is taken out. */
function followParent(parent: SpanIdentity): SpanIdentity {
  const flags = parent.traceFlags & (FLAG_SAMPLED | FLAG_RANDOM);
  const state = parent.isRemote && parent.traceState !== undefined ? reconciled(parent) : parent.traceState;
  return parent.child(flags, state);
}

function reconciled(parent: SpanIdentity): OtelTraceState | undefined {
  const state = parent.traceState;
  const text = subkey(state, 'th');
  if (text === undefined) return state;
  const threshold = text === '' ? undefined : bitsFromHex(text.padEnd(HEX_DIGITS, '0'));
  const random = randomnessOf(parent);
  const consistent = parent.sampled && threshold !== undefined && reaches(random.high, random.low, threshold);
  return consistent ? state : withThreshold(state, undefined);
}

function reaches(high: number, low: number, threshold: Bits56): boolean {
  return high > threshold.high || (high === threshold.high && low >= threshold.low);
}

function randomnessOf(identity: SpanIdentity): Bits56 {
  const explicit = bitsFromHex(subkey(identity.traceState, 'rv') ?? '');
  return explicit ?? { high: identity.t2 & 0xffffff, low: identity.t3 >>> 0 };
}

/** From exactly 14 lowercase hex digits. */
function bitsFromHex(hex: string): Bits56 | undefined {
  if (!/^[0-9a-f]{14}$/.test(hex)) return undefined;
  return { high: Number.parseInt(hex.slice(0, 6), 16), low: Number.parseInt(hex.slice(6), 16) };
}

/** T for a ratio; 2^56, which no randomness reaches, for a ratio below 2^-56. Rounded to the precision of its text. */
function thresholdOf(ratio: number): bigint {
  const kept = BigInt(Math.round(ratio * BITS_56));
  const exact = (1n << 56n) - kept;
  if (kept === 0n) return exact;
  const leadingDigits = Math.floor(-Math.log2(ratio) / 4);
  const dropped = BigInt(4 * Math.max(HEX_DIGITS - PRECISION - leadingDigits, 0));
  const rounded = ((exact + ((1n << dropped) >> 1n)) >> dropped) << dropped;
  return rounded < 1n << 56n ? rounded : exact;
}

/** 14 hex digits without trailing zeros. */
function hexOf(threshold: bigint): string {
  const digits = threshold.toString(16).padStart(HEX_DIGITS, '0').replace(/0+$/, '');
  return digits === '' ? '0' : digits;
}

/** A sub-key of the `ot` entry: `ot=th:…;rv:…`. */
function subkey(state: OtelTraceState | undefined, name: string): string | undefined {
  const pair = state
    ?.get(VENDOR)
    ?.split(';')
    .find(each => each.startsWith(`${name}:`));
  return pair?.slice(name.length + 1);
}

/** The tracestate with this threshold, or with none; other sub-keys and vendors are kept. */
function withThreshold(
  state: OtelTraceState | undefined,
  threshold: string | undefined,
): OtelTraceState | undefined {
  const others = (state?.get(VENDOR) ?? '').split(';').filter(pair => pair !== '' && !pair.startsWith('th:'));
  const pairs = threshold === undefined ? others : [`th:${threshold}`, ...others];
  if (pairs.length === 0) return state?.get(VENDOR) === undefined ? state : state.unset(VENDOR);
  return (state ?? TraceState.empty).set(VENDOR, pairs.join(';'));
}
