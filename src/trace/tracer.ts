// Starts spans: reads the parent from the context, lets the sampler decide, gives out the handle.

import type { Context, Tracer as OtelTracer, Span, SpanOptions, TimeInput } from '@opentelemetry/api';
import { INVALID_SPAN_CONTEXT } from '@opentelemetry/api';
import { ObservabilityContext } from '../context/observability-context.ts';
import type { Sampler } from './sampler.ts';
import type { SpanPipeline } from './span.ts';
import { NonRecordingSpan, RecordingSpan, wireKind } from './span.ts';

const NO_OPTIONS: SpanOptions = {};
const SUPPRESSED = new NonRecordingSpan(INVALID_SPAN_CONTEXT);

export class Tracer implements OtelTracer {
  readonly #pipeline: SpanPipeline;
  readonly #sampler: Sampler;
  readonly #scope: number;

  /** @param scope the number that the sink gave to the instrumentation scope */
  constructor(pipeline: SpanPipeline, sampler: Sampler, scope: number) {
    this.#pipeline = pipeline;
    this.#sampler = sampler;
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
    const startTime = span instanceof RecordingSpan ? span.startTime : undefined;
    return from.withSpan(span, startTime).run(fn, span) as ReturnType<F>;
  }

  #start(name: string, options: SpanOptions, context: ObservabilityContext): Span {
    if (context.suppressed) return SUPPRESSED;
    try {
      const { root, kind, startTime, attributes, links } = options;
      const span = this.#startAs(name, root === true, wireKind(kind), startTime, context);
      if (attributes !== undefined) span.setAttributes(attributes);
      if (links !== undefined) span.addLinks(links);
      return span;
    } catch {
      // Options that cannot be read: getters that throw, or a Proxy.
      this.#pipeline.counters.rejected++;
      return this.#startAs(name, false, wireKind(undefined), undefined, context);
    }
  }

  #startAs(
    name: string,
    root: boolean,
    kind: number,
    startTime: TimeInput | undefined,
    context: ObservabilityContext,
  ): Span {
    const parent = root ? undefined : context.identity;
    const identity = this.#sampler.start(parent);
    if (!identity.sampled) {
      this.#pipeline.counters.unsampled++;
      return new NonRecordingSpan(identity);
    }
    return new RecordingSpan(
      this.#pipeline,
      identity,
      parent,
      context.labels,
      name,
      kind,
      this.#scope,
      startTime,
    );
  }
}
