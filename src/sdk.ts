// `tricord/sdk`: the stock OpenTelemetry SDK sends over tricord's transport, by its own extension points.
import { diag } from '@opentelemetry/api';
import { processClock } from './context/clock.ts';
import { TricordError } from './errors.ts';
import { limits } from './limits.ts';
import type { Logger } from './log/logger.ts';
import { LoggerProvider } from './log/logger-provider.ts';
import { emitSdkLogRecord, type SdkLogRecord } from './log/sdk-log-record.ts';
import { MeterProvider } from './metrics/meter-provider.ts';
import type { MetricProducer } from './metrics/metric-producer.ts';
import { type SdkMetrics, scopeMetricsOf } from './metrics/sdk-metrics.ts';
import { Component, type SdkResource } from './sdk-connection.ts';
import { type SdkSpan, writeSdkSpan } from './trace/sdk-span.ts';
import { defaultSpanLimits, SpanPipeline } from './trace/span.ts';
import { compileFields } from './transport/otlp/field-rules.ts';
import type { ScopeRecord, Sink } from './transport/otlp/record.ts';

export { OptionError, TricordError } from './errors.ts';
export { type ConnectionOptions, TricordConnection } from './sdk-connection.ts';
export type { TransportStats } from './transport/stats.ts';

/** What spans and log records of the SDK say about where they come from. */
interface Sourced {
  readonly resource: SdkResource;
  readonly instrumentationScope: ScopeRecord;
}

/** A `SpanProcessor` of the SDK's majors 2 and 3: writes each sampled span when it ends. */
export class TricordSpanProcessor extends Component {
  #pipeline: SpanPipeline | undefined;
  /** By the SDK's object for a scope. */
  readonly #scopes = new WeakMap<ScopeRecord, number>();

  onStart(): void {}

  onEnd(span: SdkSpan & Sourced): void {
    if (this.isDown) return;
    const { sink } = this.connection;
    if (sink !== undefined) this.#write(sink, span);
    else this.connection.send(span.resource, opened => opened && this.#write(opened, span));
  }

  #write(sink: Sink, span: SdkSpan & Sourced): void {
    this.#pipeline ??= new SpanPipeline(sink, processClock, defaultSpanLimits);
    const { instrumentationScope: given } = span;
    let scope = this.#scopes.get(given);
    if (scope === undefined) {
      const { name, version, schemaUrl } = given;
      scope = sink.scope({ name, version, schemaUrl });
      this.#scopes.set(given, scope);
    }
    writeSdkSpan(this.#pipeline, scope, span);
  }
}

/** A `LogRecordProcessor` of the SDK's: writes each record when it is emitted. */
export class TricordLogRecordProcessor extends Component {
  #provider: LoggerProvider | undefined;
  readonly #loggers = new WeakMap<ScopeRecord, Logger>();

  onEmit(record: SdkLogRecord & Sourced): void {
    if (this.isDown) return;
    const { sink } = this.connection;
    if (sink !== undefined) this.#emit(sink, record);
    else this.connection.send(record.resource, opened => opened && this.#emit(opened, record));
  }

  #emit(sink: Sink, record: SdkLogRecord & Sourced): void {
    this.#provider ??= new LoggerProvider({
      sink,
      fields: compileFields(this.connection.options.logsFields),
    });
    const { instrumentationScope: given } = record;
    let logger = this.#loggers.get(given);
    if (logger === undefined) {
      const { name, version, schemaUrl } = given;
      logger = this.#provider.getLogger(name, version, schemaUrl === undefined ? {} : { schemaUrl });
      this.#loggers.set(given, logger);
    }
    emitSdkLogRecord(logger, record);
  }
}

/** What is read of the SDK's `CollectionResult`. */
interface SdkCollection {
  readonly resourceMetrics: SdkMetrics & { readonly resource: SdkResource };
}

/** What the SDK's `MeterProvider` gives to its readers. */
interface SdkMetricProducer<R extends SdkCollection> {
  collect(options?: { timeoutMillis?: number }): Promise<R>;
}

/** `AggregationType.DEFAULT` and `AggregationTemporality.CUMULATIVE` of the SDK. */
const DEFAULT_AGGREGATION = { type: 0 } as const;
const CUMULATIVE = 1;

/**
 * An `IMetricReader` of the SDK's: collects at `metricExportInterval`, cumulatively, so that a collection that finds no room is
 * made up for by the next one. What happened since the last one is not delivered when the process exits without `shutdown()`.
 */
export class TricordMetricReader<R extends SdkCollection = SdkCollection> extends Component {
  #producer: SdkMetricProducer<R> | undefined;
  #provider: Promise<MeterProvider | undefined> = Promise.resolve(undefined);

  setMetricProducer(producer: SdkMetricProducer<R>): void {
    this.#producer = producer;
    this.#provider = this.#start(producer).catch(error => {
      diag.error('No metrics are sent: the SDK could not be asked for its resource.', error);
      return undefined;
    });
  }

  async #start(producer: SdkMetricProducer<R>): Promise<MeterProvider | undefined> {
    const { resourceMetrics } = await producer.collect();
    const { promise, resolve } = Promise.withResolvers<Sink | undefined>();
    this.connection.send(resourceMetrics.resource, resolve);
    const sink = await promise;
    if (sink === undefined) return undefined;
    const provider = new MeterProvider({
      sink,
      interval: this.connection.options.metricExportInterval,
      producers: [collectedBy(producer)],
    });
    if (!this.isDown) provider.start();
    return provider;
  }

  selectAggregation(): typeof DEFAULT_AGGREGATION {
    return DEFAULT_AGGREGATION;
  }

  selectAggregationTemporality(): typeof CUMULATIVE {
    return CUMULATIVE;
  }

  selectCardinalityLimit(): number {
    return limits.cardinality_max;
  }

  /** What the SDK has now; sends nothing. @throws TricordError before the SDK has this reader */
  collect(options?: { timeoutMillis?: number }): Promise<R> {
    if (this.#producer === undefined)
      return Promise.reject(new TricordError('TRICORD_SDK', 'The metric reader is in no MeterProvider yet.'));
    return this.#producer.collect(options);
  }

  override async forceFlush(): Promise<void> {
    if (this.isDown) return;
    await this.connection.complete();
    await (await this.#provider)?.forceFlush();
    await super.forceFlush();
  }

  override async shutdown(): Promise<void> {
    await this.connection.complete();
    await (await this.#provider)?.shutdown();
    await super.shutdown();
  }
}

/** Asks the SDK before each collection of ours, and gives what it had once. */
function collectedBy(producer: SdkMetricProducer<SdkCollection>): MetricProducer {
  let collected: SdkMetrics | undefined;
  return {
    async prepare() {
      collected = (await producer.collect()).resourceMetrics;
    },
    collect() {
      const metrics = collected === undefined ? [] : scopeMetricsOf(collected, processClock);
      collected = undefined;
      return metrics;
    },
  };
}
