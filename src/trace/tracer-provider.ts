// The OpenTelemetry TracerProvider over the pooled span path.
import { diag, type TracerProvider as OtelTracerProvider, type TracerOptions } from '@opentelemetry/api';
import type { Clock } from '../context/clock.ts';
import { processClock } from '../context/clock.ts';
import type { Sink } from '../transport/otlp/record.ts';
import { createSampler, type Sampler } from './sampler.ts';
import type { Sampling } from './sampling.ts';
import type { SlowRoots, SpanLimits } from './span.ts';
import { defaultSpanLimits, SpanPipeline } from './span.ts';
import type { TraceCounters } from './span-record.ts';
import { Tracer } from './tracer.ts';

export interface TracerProviderOptions extends Omit<Sampling, 'sampler'> {
  /** Where ended spans are written. */
  readonly sink: Sink;
  /** Default: the clock of the process. Its anchor must be the one that the sink's writer adds. */
  readonly clock?: Clock | undefined;
  /** Default: every trace, parent-based. */
  readonly sampler?: Sampler | undefined;
  readonly limits?: Partial<SpanLimits> | undefined;
  /** Hears of slow local roots. Default: nobody does. */
  readonly slow?: SlowRoots | undefined;
}

export class TracerProvider implements OtelTracerProvider {
  readonly #pipeline: SpanPipeline;
  readonly #sampling: Sampling;
  readonly #tracers = new Map<number, Tracer>();

  constructor(options: TracerProviderOptions) {
    const spanLimits = { ...defaultSpanLimits, ...options.limits };
    this.#pipeline = new SpanPipeline(options.sink, options.clock ?? processClock, spanLimits, options.slow);
    const { sampler = createSampler('parentbased_always_on'), rules, keeping } = options;
    this.#sampling = { sampler, rules, keeping };
  }

  /**
   * The same tracer for the same name, version and schema URL. What is no text counts as not given; without a name it works,
   * and is reported.
   */
  getTracer(name: string, version?: string, options?: TracerOptions): Tracer {
    if (!text(name)) diag.warn('A tracer was asked for without a name.');
    const scope = this.#pipeline.sink.scope({
      name: text(name) ?? '',
      version: text(version),
      schemaUrl: text(schemaUrlOf(options)),
    });
    let tracer = this.#tracers.get(scope);
    if (tracer === undefined) {
      tracer = new Tracer(this.#pipeline, this.#sampling, scope);
      this.#tracers.set(scope, tracer);
    }
    return tracer;
  }

  /** What happened to spans since the start. */
  get counters(): Readonly<TraceCounters> {
    return this.#pipeline.counters;
  }

  /** Records that wait in the pool. */
  get pooledRecords(): number {
    return this.#pipeline.pooled;
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Options that cannot be read have none. */
function schemaUrlOf(options: TracerOptions | undefined): unknown {
  try {
    return options?.schemaUrl;
  } catch {
    return undefined;
  }
}
