// Puts the three paths over a memory sink behind the OpenTelemetry API, and shows a test what instrumentations gave them.
import { EventEmitter, once } from 'node:events';
import { context, logs, metrics, propagation, trace } from '@opentelemetry/api';
import type { AnyValue, DecodedLogRecord, DecodedMetric, DecodedSpan } from 'tricord/otlp';
import { decodeMetrics, Signal } from 'tricord/otlp';
import { processClock } from '../../src/context/clock.ts';
import { ContextManager } from '../../src/context/context-manager.ts';
import { Propagator } from '../../src/context/propagator.ts';
import { LoggerProvider } from '../../src/log/logger-provider.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import type { Sampling } from '../../src/trace/sampling.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { attributesOf, hex, logRecordsIn, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

/** A span as tests compare it. */
export interface SeenSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly status: number;
  readonly attributes: Readonly<Record<string, AnyValue>>;
  readonly span: DecodedSpan;
}

export interface SeenRecord {
  readonly body: AnyValue;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Readonly<Record<string, AnyValue>>;
  readonly record: DecodedLogRecord;
}

/** What came in the whole life of a {@link Telemetry}, cleared or not. */
export interface Seen {
  /** Kinds, names and keys of attributes of spans. */
  readonly kinds: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
  readonly attributes: ReadonlySet<string>;
  readonly metrics: ReadonlySet<string>;
}

const kindNames = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const;

class WatchedSink extends MemorySink {
  readonly commits: EventEmitter = new EventEmitter();

  override commit(items: number): boolean {
    const fits = super.commit(items);
    this.commits.emit('commit');
    return fits;
  }
}

/** The globals of this process, until the process ends: every test file has its own. */
export class Telemetry {
  readonly #sink = new WatchedSink(processClock.anchorUnixNanos);
  readonly #meters: MeterProvider;
  readonly #cleared: SeenSpan[] = [];

  constructor(options: Partial<Sampling> & { metricLabels?: readonly string[] } = {}) {
    const sink = this.#sink;
    const { metricLabels: labels = [], ...sampling } = options;
    this.#meters = new MeterProvider({ sink, labels });
    context.setGlobalContextManager(new ContextManager().enable());
    propagation.setGlobalPropagator(new Propagator({ traceContext: true, baggage: true }));
    trace.setGlobalTracerProvider(new TracerProvider({ sink, ...sampling }));
    metrics.setGlobalMeterProvider(this.#meters);
    logs.setGlobalLoggerProvider(new LoggerProvider({ sink }));
  }

  clear(): void {
    this.#cleared.push(...this.spans);
    this.#sink.frames.length = 0;
  }

  /** The share that there is room for. */
  set room(share: number) {
    this.#sink.share = share;
  }

  get spans(): SeenSpan[] {
    return spansIn(this.#sink).map(span => ({
      name: span.name,
      kind: span.kind,
      traceId: hex(span.traceId),
      spanId: hex(span.spanId),
      parentId: hex(span.parentSpanId),
      status: span.statusCode,
      attributes: attributesOf(span),
      span,
    }));
  }

  get records(): SeenRecord[] {
    return logRecordsIn(this.#sink).map(record => ({
      body: record.body,
      traceId: hex(record.traceId),
      spanId: hex(record.spanId),
      attributes: attributesOf(record),
      record,
    }));
  }

  /** Resolves with the spans when there are `count` of them. */
  async until(count: number): Promise<SeenSpan[]> {
    while (this.spans.length < count) await once(this.#sink.commits, 'commit');
    return this.spans;
  }

  /** Of spans, those of these kinds. */
  seen(...kinds: readonly (typeof kindNames)[number][]): Seen {
    const spans = [...this.#cleared, ...this.spans].filter(({ kind }) => kinds.includes(kindNames[kind]!));
    return {
      kinds: new Set(spans.map(({ kind }) => kindNames[kind]!)),
      names: new Set(spans.map(({ name }) => name)),
      attributes: new Set(spans.flatMap(({ attributes }) => Object.keys(attributes))),
      metrics: new Set(this.#collect().map(({ name }) => name)),
    };
  }

  #collect(): DecodedMetric[] {
    const before = this.#sink.frames.length;
    this.#meters.collectSync();
    const collected: DecodedMetric[] = [];
    decodeMetrics(this.#sink.request(Signal.metrics), { metric: metric => void collected.push(metric) });
    this.#sink.frames.length = before;
    return collected;
  }

  /** Collects, and gives the points of the metric. */
  points(name: string): SeenPoint[] {
    const data = this.#collect().find(metric => metric.name === name)?.data;
    return (data?.points ?? []).map(point => ({
      attributes: attributesOf(point),
      point: point as SeenPoint['point'],
    }));
  }
}

export interface SeenPoint {
  readonly attributes: Readonly<Record<string, AnyValue>>;
  readonly point: {
    readonly count?: number;
    readonly sum?: number;
    readonly value?: number | bigint;
    readonly explicitBounds?: readonly number[];
    readonly exemplars?: readonly { readonly traceId: Uint8Array; readonly spanId: Uint8Array }[];
  };
}
