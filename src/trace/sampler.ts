// Decides which spans are recorded: parent-based consistent probability sampling over the tracestate.
import type { Attributes, TraceState as OtelTraceState, SpanOptions } from '@opentelemetry/api';
import { FLAG_RANDOM, FLAG_SAMPLED, randomWord, SpanIdentity } from '../context/identity.ts';
import type { ObservabilityContext } from '../context/observability-context.ts';
import { randomnessOf, Threshold, thresholdIn, withThreshold } from '../context/threshold.ts';
import { type Pressure, Signal } from '../transport/otlp/record.ts';
import type { Budget } from './budget.ts';

/** Gives a new span its identity, in which the decision stands: the sampled flag and the tracestate. */
export interface Sampler {
  /**
   * @param parent the local or remote parent; undefined for the first span of a trace
   * @param name as the application gives it, as are the options
   */
  start(
    parent: SpanIdentity | undefined,
    name: string,
    options: SpanOptions,
    context: ObservabilityContext,
  ): SpanIdentity;
  /** What the sampler itself says of a span that it has just sampled. */
  attributesOf?(identity: SpanIdentity): Attributes | undefined;
}

/** The names that OTEL_TRACES_SAMPLER knows: those of the specification, and our own, of what a budget leaves. */
export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio'
  | 'parentbased_dynamic';

/** `ratio` counts for the `traceidratio` samplers of OTEL_TRACES_SAMPLER, the budget for the dynamic one. */
export function createSampler(
  name: SamplerName,
  ratio = 1,
  pressure?: Pressure,
  budget?: Budget,
): ConsistentSampler {
  const parentBased = name.startsWith('parentbased_');
  if (name.endsWith('dynamic')) return new ConsistentSampler({ parentBased, pressure, budget });
  if (name.endsWith('always_on')) return new ConsistentSampler({ ratio: 1, parentBased, pressure });
  if (name.endsWith('always_off')) return new ConsistentSampler({ ratio: 0, parentBased, pressure });
  return new ConsistentSampler({ ratio, parentBased, pressure });
}

const NO_PRESSURE: Pressure = { room: () => 1, samplingProbability: () => 1, leaveOut() {} };
/** Thresholds of remote parents that are remembered with what they become while there is less room. */
const PARENTS_MAX = 64;

/**
 * Samples a trace when its randomness reaches the threshold, which is put into the tracestate (`ot=th:…`), so that every
 * receiver knows the weight of a span. Source: OpenTelemetry specification, "TraceState: Probability Sampling".
 *
 * Parent-based, a child follows its parent's flag and threshold, and the ratio speaks for the first span alone. Without a ratio,
 * it is what the budget leaves.
 *
 * While there is less room than for everything, the same share of all traces that begin in this process is left out, those
 * with a remote parent among them: the threshold rises, and what is kept carries the higher weight. A trace that has begun
 * here is kept whole.
 */
export class ConsistentSampler implements Sampler {
  readonly #parentBased: boolean;
  readonly #pressure: Pressure;
  /** What recorded spans are counted against. */
  readonly #budget: Budget | undefined;
  /** Whether the ratio is what the budget leaves. */
  readonly #dynamic: boolean;
  #ratio = 1;
  /** What the ratio alone asks for. */
  #own: Threshold = Threshold.none;
  #room = 1;
  #bound = 1;
  /** What holds: the ratio within the collector's bound, and of that what there is room for. */
  #threshold: Threshold = Threshold.none;
  /** The tracestate of a sampled first span: one object for all of them. */
  #rootState: OtelTraceState | undefined;
  /** By the text of a remote parent's threshold: what becomes of it with the room there is. */
  readonly #parents = new Map<string, Threshold>();

  constructor(options: {
    /** Default: what the budget leaves. */
    readonly ratio?: number;
    readonly parentBased: boolean;
    /** Default: there is room for everything. */
    readonly pressure?: Pressure | undefined;
    /** What recorded spans are counted against. Default: nothing, and then it leaves everything. */
    readonly budget?: Budget | undefined;
  }) {
    this.#parentBased = options.parentBased;
    this.#pressure = options.pressure ?? NO_PRESSURE;
    this.#budget = options.budget;
    this.#dynamic = options.ratio === undefined;
    this.ratio = options.ratio ?? 1;
  }

  /** The share of traces that is kept while there is room, 0 to 1. */
  get ratio(): number {
    return this.#ratio;
  }

  /** May be set at any time; holds for spans started from then on. NaN and values out of range are clamped to 0…1. */
  set ratio(ratio: number) {
    this.#ratio = Math.min(Math.max(Number.isNaN(ratio) ? 1 : ratio, 0), 1);
    this.#adapt();
  }

  start(parent: SpanIdentity | undefined): SpanIdentity {
    const identity = this.#identify(parent);
    if (this.#budget !== undefined && identity.sampled) this.#budget.spent++;
    return identity;
  }

  #identify(parent: SpanIdentity | undefined): SpanIdentity {
    if (parent === undefined) return this.#startRoot();
    if (!this.#parentBased) return this.#startIndependent(parent);
    if (parent.isRemote) return this.#followRemote(parent);
    return parent.child(parent.traceFlags & (FLAG_SAMPLED | FLAG_RANDOM), parent.traceState);
  }

  #startRoot(): SpanIdentity {
    this.#look();
    const t2 = randomWord();
    const t3 = randomWord();
    const sampled = this.#decide(t2 & 0xffffff, t3 >>> 0);
    const flags = sampled ? FLAG_RANDOM | FLAG_SAMPLED : FLAG_RANDOM;
    return SpanIdentity.root(flags, sampled ? this.#rootState : undefined, t2, t3);
  }

  /** The decision of this process alone, by the randomness that the whole trace shares. */
  #startIndependent(parent: SpanIdentity): SpanIdentity {
    this.#look();
    const { high, low } = randomnessOf(parent);
    const sampled = this.#decide(high, low);
    const state = withThreshold(parent.traceState, sampled ? this.#threshold : undefined);
    return parent.child((parent.traceFlags & FLAG_RANDOM) | (sampled ? FLAG_SAMPLED : 0), state);
  }

  /** A parent that was sampled is followed as far as there is room. A threshold that contradicts its flag is taken out. */
  #followRemote(parent: SpanIdentity): SpanIdentity {
    const flags = parent.traceFlags & (FLAG_SAMPLED | FLAG_RANDOM);
    const state = parent.traceState === undefined ? undefined : reconciled(parent);
    if (!parent.sampled || this.#pressure.room() === 1) return parent.child(flags, state);
    this.#look();
    const threshold = this.#further(thresholdIn(state) ?? Threshold.none.text);
    if (threshold.keepsRandomness(randomnessOf(parent)))
      return parent.child(flags, withThreshold(state, threshold));
    this.#pressure.leaveOut(Signal.traces);
    return parent.child(flags & FLAG_RANDOM, withThreshold(state, undefined));
  }

  #decide(high: number, low: number): boolean {
    if (this.#threshold.keeps(high, low)) return true;
    if (this.#room < 1 && this.#own.keeps(high, low)) this.#pressure.leaveOut(Signal.traces);
    return false;
  }

  /** Takes notice of what has changed since the last span. */
  #look(): void {
    const room = this.#pressure.room();
    const bound = this.#pressure.samplingProbability();
    const ratio = this.#dynamic && this.#budget !== undefined ? this.#budget.share() : this.#ratio;
    if (room === this.#room && bound === this.#bound && ratio === this.#ratio) return;
    this.#room = room;
    this.#bound = bound;
    this.#ratio = ratio;
    this.#adapt();
  }

  #adapt(): void {
    this.#own = Threshold.of(this.#ratio);
    this.#threshold = Threshold.of(Math.min(this.#ratio, this.#bound) * this.#room);
    this.#rootState = withThreshold(undefined, this.#threshold);
    this.#parents.clear();
  }

  #further(parent: string): Threshold {
    let threshold = this.#parents.get(parent);
    if (threshold === undefined) {
      threshold = Threshold.of((Threshold.parse(parent) ?? Threshold.none).ratio * this.#room);
      if (this.#parents.size >= PARENTS_MAX) this.#parents.clear();
      this.#parents.set(parent, threshold);
    }
    return threshold;
  }
}

function reconciled(parent: SpanIdentity): OtelTraceState | undefined {
  const state = parent.traceState;
  const text = thresholdIn(state);
  if (text === undefined) return state;
  const threshold = Threshold.parse(text);
  const consistent = parent.sampled && threshold?.keepsRandomness(randomnessOf(parent)) === true;
  return consistent ? state : withThreshold(state, undefined);
}
