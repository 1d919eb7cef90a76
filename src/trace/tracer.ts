// Starts spans: reads the parent from the context, lets the sampler decide, gives out the handle.

import type { Context, Tracer as OtelTracer, Span, SpanOptions } from '@opentelemetry/api';
import { INVALID_SPAN_CONTEXT } from '@opentelemetry/api';
import type { SpanIdentity } from '../context/identity.ts';
import { ObservabilityContext } from '../context/observability-context.ts';
import { CandidateSpan } from './candidate-span.ts';
import type { Keeping } from './keeping.ts';
import { NonRecordingSpan } from './non-recording-span.ts';
import type { Rules } from './rules.ts';
import type { Sampler } from './sampler.ts';
import type { Sampling } from './sampling.ts';
import type { SpanPipeline } from './span.ts';
import { RecordingSpan, wireKind } from './span.ts';

const NO_OPTIONS: SpanOptions = {};
const SUPPRESSED = new NonRecordingSpan(INVALID_SPAN_CONTEXT);

export class Tracer implements OtelTracer {
  readonly #pipeline: SpanPipeline;
  readonly #sampler: Sampler;
  readonly #rules: Rules | undefined;
  readonly #keeping: Keeping | undefined;
  readonly #scope: number;

  /** @param scope the number that the sink gave to the instrumentation scope */
  constructor(pipeline: SpanPipeline, sampling: Sampling, scope: number) {
    this.#pipeline = pipeline;
    this.#sampler = sampling.sampler;
    this.#rules = sampling.rules;
    this.#keeping = sampling.keeping;
    this.#scope = scope;
  }

  /**
   * Starts a span without making it active. Its parent is the span of `context`, by default of the active one, unless
   * `options.root` is set; the labels of the context become its first attributes. Never throws.
   */
  startSpan(name: string, options?: SpanOptions, context?: Context): Span {
    const from = context === undefined ? ObservabilityContext.active() : ObservabilityContext.from(context);
    return this.#start(name, options ?? NO_OPTIONS, from);
  }

  /** Starts a span and calls `fn` with it active. `fn` has to end it. Returns what `fn` returns and throws what it throws. */
  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    second: SpanOptions | F,
    third?: Context | F,
    fourth?: F,
  ): ReturnType<F> | undefined {
    const fn = fourth ?? (typeof third === 'function' ? third : second);
    if (typeof fn !== 'function') return undefined;
    const options = second === fn ? NO_OPTIONS : ((second as SpanOptions | undefined) ?? NO_OPTIONS);
    const given = third === fn ? undefined : (third as Context | undefined);
    const from = given === undefined ? ObservabilityContext.active() : ObservabilityContext.from(given);
    const span = this.#start(name, options, from);
    const timed = span instanceof RecordingSpan || span instanceof CandidateSpan;
    const startTime = timed ? span.startTime : undefined;
    return from.withSpan(span, startTime).run(fn, span) as ReturnType<F>;
  }

  #start(name: string, options: SpanOptions, context: ObservabilityContext): Span {
    if (context.suppressed) return SUPPRESSED;
    try {
      return this.#startAs(name, options, context);
    } catch {
      // Options that cannot be read: getters that throw, or a Proxy.
      this.#pipeline.counters.rejected++;
      return this.#startAs(name, NO_OPTIONS, context);
    }
  }

  #startAs(name: string, options: SpanOptions, context: ObservabilityContext): Span {
    const parent = options.root === true ? undefined : context.identity;
    const local = parent !== undefined && !parent.isRemote;
    const rule = local ? undefined : this.#rules?.find(name, options.attributes);
    const sampler = rule?.sampler ?? this.#sampler;
    const identity = sampler.start(parent, name, options, context);
    if (identity.sampled) {
      const span = this.#record(identity, parent, name, options, context);
      const added = sampler.attributesOf?.(identity);
      if (added !== undefined) span.setAttributes(added);
      return span;
    }
    this.#pipeline.counters.unsampled++;
    if (local || this.#keeping === undefined || rule?.never === true) return new NonRecordingSpan(identity);
    return this.#candidate(this.#keeping, identity, parent, name, options, context);
  }

  #record(
    identity: SpanIdentity,
    parent: SpanIdentity | undefined,
    name: string,
    options: SpanOptions,
    { labels }: ObservabilityContext,
  ): RecordingSpan {
    const { kind, startTime, attributes, links } = options;
    this.#pipeline.counters.started++;
    const span = new RecordingSpan(
      this.#pipeline,
      identity,
      parent,
      labels,
      name,
      wireKind(kind),
      this.#scope,
      startTime,
    );
    if (attributes !== undefined) span.setAttributes(attributes);
    if (links !== undefined) span.addLinks(links);
    return span;
  }

  #candidate(
    keeping: Keeping,
    identity: SpanIdentity,
    parent: SpanIdentity | undefined,
    name: string,
    options: SpanOptions,
    { labels }: ObservabilityContext,
  ): CandidateSpan {
    const later = makesAttributes(options) ? options : undefined;
    const { kind, startTime, links } = options;
    const attributes = later === undefined ? options.attributes : undefined;
    const pipeline = this.#pipeline;
    const scope = this.#scope;
    const make = (): RecordingSpan =>
      new RecordingSpan(pipeline, identity, parent, labels, name, wireKind(kind), scope, startTime);
    const span = new CandidateSpan(pipeline, keeping, identity, startTime, make, later);
    if (attributes !== undefined) span.setAttributes(attributes);
    if (links !== undefined) span.addLinks(links);
    return span;
  }
}

/** Whether attributes are made when they are read, by the accessor of a class: others may have changed until they are needed. */
function makesAttributes(options: SpanOptions): boolean {
  return 'attributes' in options && !Object.hasOwn(options, 'attributes');
}
