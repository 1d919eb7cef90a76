// Carries the context across processes as text: traceparent, tracestate and baggage of W3C.
import type {
  Context,
  Baggage as OtelBaggage,
  TextMapGetter,
  TextMapPropagator,
  TextMapSetter,
} from '@opentelemetry/api';
import { Baggage, parseBaggage, serializeBaggage } from './baggage.ts';
import { FLAG_RANDOM, FLAG_SAMPLED, SpanIdentity } from './identity.ts';
import type { Labels, LabelValue } from './labels.ts';
import { ObservabilityContext } from './observability-context.ts';
import { TraceState } from './tracestate.ts';

const TRACEPARENT = 'traceparent';
const TRACESTATE = 'tracestate';
const BAGGAGE = 'baggage';
/** `vv-tttttttttttttttttttttttttttttttt-ssssssssssssssss-ff` */
const VERSION_0_LENGTH = 55;
const DASH = 0x2d;
const HEX_PAIR = /^[0-9a-f]{2}$/;

export interface PropagatorOptions {
  /** Which headers are read and written. Default: all three. */
  readonly traceContext?: boolean;
  readonly baggage?: boolean;
  /** Labels that leave the process as baggage and are taken from incoming baggage. Default: none. */
  readonly labels?: readonly string[];
}

/**
 * W3C Trace Context (Level 2) and W3C Baggage as an OpenTelemetry propagator. What is malformed is ignored; nothing
 * that a carrier holds makes it throw.
 */
export class Propagator implements TextMapPropagator {
  readonly #traceContext: boolean;
  readonly #baggage: boolean;
  readonly #labels: readonly string[];

  constructor(options: PropagatorOptions = {}) {
    this.#traceContext = options.traceContext ?? true;
    this.#baggage = options.baggage ?? true;
    this.#labels = options.labels ?? [];
  }

  fields(): string[] {
    return [...(this.#traceContext ? [TRACEPARENT, TRACESTATE] : []), ...(this.#baggage ? [BAGGAGE] : [])];
  }

  /** Writes nothing while tracing is suppressed: then the call is our own. */
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const from = ObservabilityContext.from(context);
    if (from.suppressed) return;
    try {
      if (this.#traceContext && from.identity !== undefined) injectIdentity(from.identity, carrier, setter);
      if (this.#baggage) this.#injectBaggage(from, carrier, setter);
    } catch {
      // A carrier that takes no header, or something else in the place of baggage.
    }
  }

  #injectBaggage(from: ObservabilityContext, carrier: unknown, setter: TextMapSetter): void {
    const baggage =
      this.#labels.length === 0 ? from.baggage : withLabels(from.baggage, from.labels, this.#labels);
    const header = baggage && serializeBaggage(baggage);
    if (header !== undefined) setter.set(carrier, BAGGAGE, header);
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): ObservabilityContext {
    let to = ObservabilityContext.from(context);
    if (this.#traceContext) {
      const identity = extractIdentity(carrier, getter);
      if (identity !== undefined) to = to.withIdentity(identity);
    }
    if (this.#baggage) {
      const header = joined(read(carrier, BAGGAGE, getter));
      const baggage = header === undefined ? undefined : parseBaggage(header);
      if (baggage !== undefined) to = this.#takeLabels(to.withBaggage(baggage), baggage);
    }
    return to;
  }

  #takeLabels(context: ObservabilityContext, baggage: Baggage): ObservabilityContext {
    if (this.#labels.length === 0) return context;
    const labels: Record<string, LabelValue> = Object.create(null);
    for (const name of this.#labels) {
      const entry = baggage.getEntry(name);
      if (entry !== undefined) labels[name] = entry.value;
    }
    return context.withLabels(labels);
  }
}

function withLabels(
  baggage: OtelBaggage | undefined,
  labels: Labels,
  allowed: readonly string[],
): OtelBaggage | undefined {
  let result = baggage;
  for (const name of allowed) {
    const value = labels.get(name);
    if (value !== undefined) result = (result ?? Baggage.empty).setEntry(name, { value: String(value) });
  }
  return result;
}

function injectIdentity(identity: SpanIdentity, carrier: unknown, setter: TextMapSetter): void {
  const flags = identity.traceFlags & (FLAG_SAMPLED | FLAG_RANDOM);
  setter.set(carrier, TRACEPARENT, `00-${identity.traceId}-${identity.spanId}-0${flags}`);
  const state = identity.traceState?.serialize();
  if (state !== undefined && state !== '') setter.set(carrier, TRACESTATE, state);
}

function extractIdentity(carrier: unknown, getter: TextMapGetter): SpanIdentity | undefined {
  const header = read(carrier, TRACEPARENT, getter);
  // A header that came twice is no header (Trace Context §3.2): which of the two callers is the parent?
  const traceparent = typeof header === 'object' && header.length === 1 ? header[0] : header;
  if (typeof traceparent !== 'string') return undefined;
  const states = joined(read(carrier, TRACESTATE, getter));
  return parseTraceparent(traceparent, states === undefined ? undefined : TraceState.parse(states));
}

/**
 * Reads a `traceparent` header (Trace Context §3.2). Version ff, uppercase digits and all-zero IDs are invalid; of a
 * version to come the first four fields are read. Undefined when invalid.
 */
function parseTraceparent(header: string, traceState?: TraceState): SpanIdentity | undefined {
  const text = header.trim();
  if (text.length < VERSION_0_LENGTH) return undefined;
  const version = text.slice(0, 2);
  if (!HEX_PAIR.test(version) || version === 'ff') return undefined;
  if (text.length > VERSION_0_LENGTH && (version === '00' || text.charCodeAt(VERSION_0_LENGTH) !== DASH))
    return undefined;
  if (text.charCodeAt(2) !== DASH || text.charCodeAt(35) !== DASH || text.charCodeAt(52) !== DASH)
    return undefined;
  const flags = text.slice(53, 55);
  if (!HEX_PAIR.test(flags)) return undefined;
  const known = Number.parseInt(flags, 16) & (FLAG_SAMPLED | FLAG_RANDOM);
  return SpanIdentity.fromHex(text.slice(3, 35), text.slice(36, 52), known, traceState, true);
}

/** A header that came in several lines is one list (RFC 9110 §5.3). */
function joined(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'object' ? header.join(',') : header;
}

/** The text, or the lines, that the carrier has under `key`; a getter or carrier that throws has nothing. */
function read(carrier: unknown, key: string, getter: TextMapGetter): string | readonly string[] | undefined {
  try {
    const found: unknown = getter.get(carrier, key);
    if (typeof found === 'string') return found;
    return Array.isArray(found) ? found.filter(line => typeof line === 'string') : undefined;
  } catch {
    return undefined;
  }
}
