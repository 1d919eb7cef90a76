// A tracer provider of the agent over a sink in memory, and the spans that it has recorded.
import assert from 'node:assert/strict';
import type { Context, Span, SpanContext, SpanOptions, Tracer } from '@opentelemetry/api';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { DecodedSpan } from 'tricord/otlp';
import { Clock, processClock } from '../../../src/context/clock.ts';
import { TracerProvider, type TracerProviderOptions } from '../../../src/trace/tracer-provider.ts';
import { spansIn } from '../../decoded-records.ts';
import { MemorySink } from '../../memory-sink.ts';

export interface Recorder {
  readonly provider: TracerProvider;
  readonly tracer: Tracer;
  readonly sink: MemorySink;
  /** Those that have ended. */
  spans(): DecodedSpan[];
}

export type RecorderOptions = Omit<TracerProviderOptions, 'sink'>;

export function recorder(options: RecorderOptions = {}): Recorder {
  const sink = new MemorySink((options.clock ?? processClock).anchorUnixNanos);
  const provider = new TracerProvider({ ...options, sink });
  return { provider, tracer: provider.getTracer('conformance'), sink, spans: () => spansIn(sink) };
}

/** The span that `use` was given, ended and decoded. */
export function recorded(
  use: (span: Span) => unknown = () => {},
  { options, ...provider }: RecorderOptions & { readonly options?: SpanOptions } = {},
): DecodedSpan {
  const { tracer, spans } = recorder(provider);
  const span = tracer.startSpan('span', options, ROOT_CONTEXT);
  use(span);
  span.end();
  const found = spans();
  assert.equal(found.length, 1);
  return found[0]!;
}

/** A clock that stands still until it is set, at milliseconds since the epoch. */
export class SetClock {
  ms: number = Date.UTC(2026, 0, 1);
  readonly clock: Clock = new Clock({ monotonic: () => this.ms, wall: () => this.ms });

  get nanos(): bigint {
    return BigInt(this.ms) * 1_000_000n;
  }
}

export const parentContext: SpanContext = {
  traceId: '5b8aa5a2d2c872e8321cf37308d69df2',
  spanId: '051581bf3cb55c13',
  traceFlags: 1,
};

/** Without what a float64 cannot hold of nanoseconds that lie years away. */
export const micros = (nanos: bigint): bigint => (nanos + 500n) / 1000n;

/** A context with this span in it. */
export const contextOf = (spanContext: Partial<SpanContext> = {}): Context =>
  trace.setSpanContext(ROOT_CONTEXT, { ...parentContext, ...spanContext });
