// A sampler of the OpenTelemetry SDK in the place of ours: asked for every span, and never believed blindly.
import type {
  Attributes,
  Context,
  Link,
  TraceState as OtelTraceState,
  SpanKind,
  SpanOptions,
} from '@opentelemetry/api';
import { FLAG_RANDOM, FLAG_SAMPLED, SpanIdentity } from '../context/identity.ts';
import type { ObservabilityContext } from '../context/observability-context.ts';
import { TraceState } from '../context/tracestate.ts';
import type { Sampler } from './sampler.ts';

/** `Sampler` of `@opentelemetry/sdk-trace` (specification, "Sampler"). */
export interface OtelSampler {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): OtelSamplingResult;
  toString(): string;
}

/** Its answer. */
export interface OtelSamplingResult {
  /** 0: not recorded; 1: recorded and not exported, which is here the same; 2: recorded and sampled. */
  readonly decision: 0 | 1 | 2;
  readonly attributes?: Readonly<Attributes>;
  /** Default: the parent's. */
  readonly traceState?: OtelTraceState;
}

const RECORD_AND_SAMPLED = 2;

export class PluggedSampler implements Sampler {
  readonly #sampler: OtelSampler;
  readonly #warn: (line: string) => void;
  #warned = false;
  /** What the last sampled span is to get. */
  #last: { readonly identity: SpanIdentity; readonly attributes: Attributes } | undefined;

  /** @param warn told the first time that the sampler throws */
  constructor(sampler: OtelSampler, warn: (line: string) => void) {
    this.#sampler = sampler;
    this.#warn = warn;
  }

  start(
    parent: SpanIdentity | undefined,
    name: string,
    options: SpanOptions,
    context: ObservabilityContext,
  ): SpanIdentity {
    const trace = parent ?? SpanIdentity.root(FLAG_RANDOM);
    const random = trace.traceFlags & FLAG_RANDOM;
    const { root, kind = 0, attributes = {}, links = [] } = options;
    const from = root === true ? context.withSpan(undefined) : context;
    try {
      const result = this.#sampler.shouldSample(from, trace.traceId, name, kind, attributes, links);
      const sampled = result.decision === RECORD_AND_SAMPLED;
      const state = result.traceState === undefined ? parent?.traceState : copied(result.traceState);
      const identity = trace.child(sampled ? random | FLAG_SAMPLED : random, state);
      this.#last =
        sampled && result.attributes !== undefined ? { identity, attributes: result.attributes } : undefined;
      return identity;
    } catch (error) {
      this.#tell(error);
      return trace.child(random | (trace.traceFlags & FLAG_SAMPLED), parent?.traceState);
    }
  }

  attributesOf(identity: SpanIdentity): Attributes | undefined {
    return this.#last?.identity === identity ? this.#last.attributes : undefined;
  }

  #tell(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#warn(
      `${described(this.#sampler)} threw: its spans follow their parents, and without one are left out: ${described(error)}`,
    );
  }
}

/** Within the bounds and the grammar of the header. */
function copied(state: OtelTraceState): TraceState | undefined {
  return state instanceof TraceState ? state : TraceState.parse(state.serialize());
}

/** What a foreign object says of itself. */
function described(object: unknown): string {
  try {
    return String(object);
  } catch {
    return 'something without a name';
  }
}
