// The context of the work under way: which span, which labels, which baggage; what all three signals read.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Baggage, Context, Span, TimeInput } from '@opentelemetry/api';
import { createContextKey, trace } from '@opentelemetry/api';
import { decodeContext, encodeContext } from './binary-form.ts';
import { processClock } from './clock.ts';
import { SpanIdentity } from './identity.ts';
import type { LabelValue } from './labels.ts';
import { Labels } from './labels.ts';

/** The keys under which the OpenTelemetry API and its SDK keep what is a direct field here. */
const SPAN_KEY = createContextKey('OpenTelemetry Context Key SPAN');
const BAGGAGE_KEY = createContextKey('OpenTelemetry Baggage Key');
const SUPPRESS_KEY = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const LABELS_KEY = createContextKey('tricord Labels');

/** A value under any other key: a persistent list, newest first, each key at most once. */
interface Entry {
  readonly key: symbol;
  readonly value: unknown;
  readonly next: Entry | undefined;
}

/**
 * An immutable OpenTelemetry `Context` with direct fields for what hot paths read. It travels by `AsyncLocalStorage`:
 * whatever is awaited, scheduled or called within {@link ObservabilityContext.with} sees it.
 *
 * Contexts of other implementations (the API's `ROOT_CONTEXT` among them) are accepted wherever a context is taken.
 */
export class ObservabilityContext implements Context {
  /** The active span, if it was started in this process. */
  readonly span: Span | undefined;
  /** Trace and span ID of the active span or of the remote parent. */
  readonly identity: SpanIdentity | undefined;
  readonly baggage: Baggage | undefined;
  /** What spans, log records and metric points made under this context carry. */
  readonly labels: Labels;
  /** True where tracing is suppressed, so that instrumentation of our own work makes no spans. */
  readonly suppressed: boolean;
  /** When the unit of work began that `identity` names: nanoseconds since the anchor of the process' clock. */
  readonly timestamp: number;
  readonly #entries: Entry | undefined;
  /** A wrapped context of another implementation: where keys are looked up that are not in the list. */
  readonly #foreign: Context | undefined;

  /** The context that everything else derives from. */
  static readonly root: ObservabilityContext = new ObservabilityContext(
    undefined,
    undefined,
    undefined,
    Labels.empty,
    false,
    0,
    undefined,
    undefined,
  );

  private constructor(
    span: Span | undefined,
    identity: SpanIdentity | undefined,
    baggage: Baggage | undefined,
    labels: Labels,
    suppressed: boolean,
    timestamp: number,
    entries: Entry | undefined,
    foreign: Context | undefined,
  ) {
    this.span = span;
    this.identity = identity;
    this.baggage = baggage;
    this.labels = labels;
    this.suppressed = suppressed;
    this.timestamp = timestamp;
    this.#entries = entries;
    this.#foreign = foreign;
  }

  /** The context of the code that is running; {@link ObservabilityContext.root} outside of any. */
  static active(): ObservabilityContext {
    return storage.getStore() ?? ObservabilityContext.root;
  }

  /** Calls `fn` with `context` active in it and in everything asynchronous that it starts; returns what `fn` returns. */
  static with<A extends unknown[], R>(context: Context, fn: (...args: A) => R, ...args: A): R {
    return storage.run(ObservabilityContext.from(context), fn, ...args);
  }

  /**
   * Makes `context` active for the rest of the current synchronous execution and all that follows from it. For
   * instrumentation at places that no callback encloses; {@link ObservabilityContext.with} is the safe way.
   */
  static enter(context: Context): void {
    storage.enterWith(ObservabilityContext.from(context));
  }

  /**
   * What {@link timestamp} is for work that began at `time`, a `performance.now()` reading for example: nanoseconds since the
   * anchor of the process' clock.
   */
  static timestampOf(time: TimeInput): number {
    return processClock.fromTimeInput(time);
  }

  /** This context, or a wrapped one of another implementation, which keeps answering for its own keys. */
  static from(context: Context | null | undefined): ObservabilityContext {
    try {
      if (context instanceof ObservabilityContext) return context;
      return typeof context?.getValue === 'function'
        ? ObservabilityContext.#wrap(context)
        : ObservabilityContext.root;
    } catch {
      return ObservabilityContext.root;
    }
  }

  static #wrap(context: Context): ObservabilityContext {
    const span = asSpan(context.getValue(SPAN_KEY));
    const labels = context.getValue(LABELS_KEY);
    return new ObservabilityContext(
      span,
      identityOf(span),
      context.getValue(BAGGAGE_KEY) as Baggage | undefined,
      labels instanceof Labels ? labels : Labels.empty,
      context.getValue(SUPPRESS_KEY) === true,
      span === undefined ? 0 : processClock.now(),
      undefined,
      context,
    );
  }

  /** Calls `fn` with this context active; see {@link ObservabilityContext.with}. */
  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    return storage.run(this, fn, ...args);
  }

  /**
   * With these labels over the present ones; `undefined` removes one. At most 32 labels of at most 1024 characters.
   *
   * `ObservabilityContext.active().withLabels({ tenant: 'acme' }).run(() => …)`
   */
  withLabels(labels: Readonly<Record<string, LabelValue | null | undefined>>): ObservabilityContext {
    return this.#withLabelSet(this.labels.with(labels));
  }

  #withLabelSet(labels: Labels): ObservabilityContext {
    const { span, identity, baggage, suppressed, timestamp } = this;
    return new ObservabilityContext(
      span,
      identity,
      baggage,
      labels,
      suppressed,
      timestamp,
      this.#entries,
      this.#foreign,
    );
  }

  /**
   * With this span active, or with none.
   * @param timestamp when its work began, in nanoseconds since the anchor of the process' clock
   */
  withSpan(span: Span | undefined, timestamp: number = processClock.now()): ObservabilityContext {
    return this.#withWork(span, identityOf(span), timestamp);
  }

  /** With the span of this identity as the parent of what follows: a remote caller's, as a propagator reads it. */
  withIdentity(identity: SpanIdentity | undefined): ObservabilityContext {
    return this.#withWork(undefined, identity, processClock.now());
  }

  #withWork(
    span: Span | undefined,
    identity: SpanIdentity | undefined,
    timestamp: number,
  ): ObservabilityContext {
    const { baggage, labels, suppressed } = this;
    return new ObservabilityContext(
      span,
      identity,
      baggage,
      labels,
      suppressed,
      timestamp,
      this.#entries,
      this.#foreign,
    );
  }

  withBaggage(baggage: Baggage | undefined): ObservabilityContext {
    const { span, identity, labels, suppressed, timestamp } = this;
    return new ObservabilityContext(
      span,
      identity,
      baggage,
      labels,
      suppressed,
      timestamp,
      this.#entries,
      this.#foreign,
    );
  }

  /** With tracing suppressed, or no longer: spans started under it record nothing. */
  withSuppression(suppressed: boolean): ObservabilityContext {
    const { span, identity, baggage, labels, timestamp } = this;
    return new ObservabilityContext(
      span,
      identity,
      baggage,
      labels,
      suppressed,
      timestamp,
      this.#entries,
      this.#foreign,
    );
  }

  getValue(key: symbol): unknown {
    switch (key) {
      case SPAN_KEY:
        return this.span ?? (this.identity && trace.wrapSpanContext(this.identity));
      case BAGGAGE_KEY:
        return this.baggage;
      case SUPPRESS_KEY:
        return this.suppressed ? true : undefined;
      case LABELS_KEY:
        return this.labels;
      default:
        return this.#lookUp(key);
    }
  }

  #lookUp(key: symbol): unknown {
    for (let entry = this.#entries; entry !== undefined; entry = entry.next) {
      if (entry.key === key) return entry.value;
    }
    return this.#foreign?.getValue(key);
  }

  setValue(key: symbol, value: unknown): ObservabilityContext {
    switch (key) {
      case SPAN_KEY:
        return this.withSpan(asSpan(value));
      case BAGGAGE_KEY:
        return this.withBaggage((value ?? undefined) as Baggage | undefined);
      case SUPPRESS_KEY:
        return this.withSuppression(value === true);
      case LABELS_KEY:
        return this.#withLabelSet(value instanceof Labels ? value : Labels.empty);
      default:
        return this.#withEntries({ key, value, next: without(this.#entries, key) });
    }
  }

  /** Without a value for `key`; undefined shadows what a wrapped context has under it. */
  deleteValue(key: symbol): ObservabilityContext {
    const direct = key === SPAN_KEY || key === BAGGAGE_KEY || key === SUPPRESS_KEY || key === LABELS_KEY;
    if (direct || this.#foreign?.getValue(key) !== undefined) return this.setValue(key, undefined);
    const entries = without(this.#entries, key);
    return entries === this.#entries ? this : this.#withEntries(entries);
  }

  #withEntries(entries: Entry | undefined): ObservabilityContext {
    const { span, identity, baggage, labels, suppressed, timestamp } = this;
    return new ObservabilityContext(
      span,
      identity,
      baggage,
      labels,
      suppressed,
      timestamp,
      entries,
      this.#foreign,
    );
  }

  /** IDs, flags, tracestate, baggage and labels as bytes, for carriers that are not text; see `binary-form.ts`. */
  toBinary(): Uint8Array {
    return encodeContext(this);
  }

  /**
   * Reads {@link ObservabilityContext.toBinary}; the identity is then a remote one. Undefined when the bytes are not a
   * whole, well-formed context of a known version. Never throws.
   */
  static fromBinary(bytes: Uint8Array): ObservabilityContext | undefined {
    const parts = decodeContext(bytes);
    if (parts === undefined) return undefined;
    const timestamp = processClock.now();
    const { identity, baggage, labels } = parts;
    return new ObservabilityContext(
      undefined,
      identity,
      baggage,
      labels,
      false,
      timestamp,
      undefined,
      undefined,
    );
  }
}

/** The carrier of the active context. What it holds is small and immutable: no pooled record hangs on it. */
const storage = new AsyncLocalStorage<ObservabilityContext>();

/** The list without `key`: itself when the key is not in it, otherwise shared from behind the key on. */
function without(entries: Entry | undefined, key: symbol): Entry | undefined {
  let found = entries;
  while (found !== undefined && found.key !== key) found = found.next;
  if (found === undefined) return entries;
  const before: Entry[] = [];
  for (let entry = entries; entry !== found; entry = entry!.next) before.push(entry!);
  return before.reduceRight<Entry | undefined>(
    (next, entry) => ({ key: entry.key, value: entry.value, next }),
    found.next,
  );
}

/** Undefined for what is no span, or refuses to say what it is. */
function asSpan(value: unknown): Span | undefined {
  try {
    return typeof (value as Span | undefined)?.spanContext === 'function' ? (value as Span) : undefined;
  } catch {
    return undefined;
  }
}

/** The identity behind any span; undefined when it has none or its implementation fails to say. */
function identityOf(span: Span | undefined): SpanIdentity | undefined {
  if (span === undefined) return undefined;
  try {
    return SpanIdentity.from(span.spanContext());
  } catch {
    return undefined;
  }
}
