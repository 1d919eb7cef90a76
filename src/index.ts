// `tricord`: starts the agent and wires its parts; the public API.
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { context, diag, logs, metrics, propagation, trace } from '@opentelemetry/api';
import { CollectorWatch } from './collector-watch.ts';
import { configured } from './configuration.ts';
import { notices, openProfiler, openTransport } from './connection.ts';
import { processClock } from './context/clock.ts';
import { ContextManager } from './context/context-manager.ts';
import { warnSeldom } from './context/message-limit.ts';
import { Propagator } from './context/propagator.ts';
import { detectThreadResource } from './context/thread-resource.ts';
import { OptionError } from './errors.ts';
import { flushAtExit } from './exit.ts';
import { LoggerProvider } from './log/logger-provider.ts';
import { afterLoading } from './metrics/after-loading.ts';
import { MeterProvider, type MeterProviderOptions } from './metrics/meter-provider.ts';
import { processProducers } from './metrics/metric-producer.ts';
import { ThreadShare } from './metrics/thread-share.ts';
import type { CheckedView, View } from './metrics/view.ts';
import type { OpenPage } from './metrics-page.ts';
import { diagLevel, diagLogger } from './notices.ts';
import type { Options } from './options.ts';
import type { SlowProfiler } from './profile/slow-profiler.ts';
import { startLine } from './start-line.ts';
import type { OtelSampler } from './trace/plugged-sampler.ts';
import { ConsistentSampler } from './trace/sampler.ts';
import { createSampling, type Sampling } from './trace/sampling.ts';
import type { SlowRoots, SpanLimits } from './trace/span.ts';
import { TracerProvider } from './trace/tracer-provider.ts';
import { compileFields } from './transport/otlp/field-rules.ts';
import type { AttributeList } from './transport/otlp/record.ts';
import type { TransportStats } from './transport/stats.ts';
import type { Transport } from './transport/transport.ts';

export { ObservabilityContext } from './context/observability-context.ts';
export { OptionError, TricordError } from './errors.ts';
export { afterLoading } from './metrics/after-loading.ts';
export {
  type MetricClock,
  type MetricProducer,
  registerMetricProducer,
  type ScopeMetrics,
} from './metrics/metric-producer.ts';
export type { BindableHistogram, BoundHistogram } from './metrics/sync-instruments.ts';
export type { View, ViewAggregation, ViewSelector, ViewStream } from './metrics/view.ts';
export type { Options } from './options.ts';
export type { OtelSampler, OtelSamplingResult } from './trace/plugged-sampler.ts';
export type {
  ExemplarRecord,
  HistogramPoint,
  MetricRecord,
  NumberPoint,
  SummaryPoint,
} from './transport/otlp/metrics.ts';
export type { AttributeList } from './transport/otlp/record.ts';
export type { TransportStats } from './transport/stats.ts';

/** What `start()` takes: options, all of them optional, and what no variable can say. */
export interface StartOptions extends Partial<Options> {
  /** A sampler of the OpenTelemetry SDK in the place of `tracesSampler`; rules come before it. See `docs/sampling.md`. */
  readonly sampler?: OtelSampler;
  /** Which instruments become which metrics; see `docs/metrics.md`. */
  readonly views?: readonly View[];
}

/** The running agent. */
export interface Tricord {
  readonly options: Readonly<Options>;
  /** What was accepted, delivered and dropped so far, by signal and reason. */
  stats(): TransportStats;
  /**
   * Collects metrics and delivers everything so far. True when the collector has all of it; that of tricord has it on its
   * disk then. False when that took longer than `flushTimeout`, or the collector refuses connections: what is left stays,
   * and is sent when that is possible. In the main thread it covers the application's worker threads. Never rejects. The
   * global providers have it as `forceFlush()`.
   */
  flush(): Promise<boolean>;
  /**
   * Flushes, closes the connection and takes the agent out of the OpenTelemetry API, within `flushTimeout` and a tenth of
   * a second. Resolves when that is done: true when everything was delivered; false when that took too long. A second call
   * joins the first. Whoever has kept a tracer or a logger may go on to use it: what that makes is dropped, which `stats()`
   * counts as `closed`. `start()` starts another agent.
   */
  shutdown(): Promise<boolean>;
}

// Built, what it requires is in files beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

const NANOS_PER_MS = 1e6;

let running: Tricord | undefined;

/**
 * Starts the agent and makes it the global OpenTelemetry Tracer-, Meter- and LoggerProvider, context manager and
 * propagator. A second call gives the agent that is running. Undefined when `OTEL_SDK_DISABLED` turns it off.
 *
 * @param given options that take precedence over the environment's; see `docs/options.md`
 * @throws OptionError for an option or a view given in code, or a certificate or endpoint, that cannot be used
 */
export function start({ sampler, views = [], ...given }: StartOptions = {}): Tricord | undefined {
  if (running !== undefined) return running;
  if (sampler !== undefined && typeof sampler?.shouldSample !== 'function')
    throw new OptionError('Option "sampler" takes an object with the method "shouldSample".');
  const { options, warnings, views: fileViews } = configured(given, process.env);
  if (options.logLevel !== 'none') for (const warning of warnings) notices.say(warning);
  if (options.disabled) return undefined;
  running = new Agent(options, { sampler, views: [...checked(views), ...fileViews] });
  return running;
}

/** What the variables, or the file in their place, say, without a start; undefined where they cannot be read. */
export function readableOptions(): Readonly<Options> | undefined {
  try {
    return configured({}, process.env).options;
  } catch {
    return undefined;
  }
}

/** Whether the lines of logging libraries are to become log records (`TRICORD_LOGS_CAPTURE`), or only to carry their IDs. */
export function isCapturingLogs(): boolean {
  return running?.options.logsCapture ?? true;
}

/** What no variable can give. */
interface Beyond {
  readonly sampler: OtelSampler | undefined;
  readonly views: readonly CheckedView[];
}

/** @throws OptionError for one that cannot be used */
function checked(views: readonly View[]): readonly CheckedView[] {
  if (Array.isArray(views) && views.length === 0) return [];
  const { checkedViews } = require('./metrics/view.ts') as typeof import('./metrics/view.ts');
  return checkedViews(views);
}

class Agent implements Tricord {
  readonly options: Readonly<Options>;
  readonly #plugged: OtelSampler | undefined;
  readonly #watch: CollectorWatch;
  readonly #transport: Transport;
  readonly #meters: MeterProvider;
  /** In a worker thread whose measurements the main thread adds to its own. */
  readonly #share: ThreadShare | undefined;
  #page: OpenPage | undefined;
  readonly #tracers: TracerProvider | undefined;
  readonly #loggers: LoggerProvider | undefined;
  readonly #profiler: SlowProfiler | undefined;
  readonly #contexts = new ContextManager();
  readonly #unwatch: () => void;
  /** The share of traces that the sampler keeps while there is room. */
  #ratio: () => number = () => 1;
  #timeCollection: ((seconds: number) => void) | undefined;
  #forgetDurations: () => void = () => {};
  /** The parts of the OpenTelemetry API that this agent serves. */
  readonly #served: { disable(): void }[] = [];
  #down: Promise<boolean> | undefined;

  constructor(options: Readonly<Options>, { sampler, views }: Beyond) {
    this.options = options;
    this.#plugged = sampler;
    this.#watch = new CollectorWatch(options.endpoint, line => this.#tell(line), options.doctor);
    const resource = detectThreadResource({
      serviceName: options.serviceName,
      attributes: options.resourceAttributes,
      detectors: options.resourceDetectors,
      // It has been read, or a file in its place.
      env: {},
    });
    if (options.doctor) this.#tell(startLine(options, resource));
    this.#transport = openTransport(options, resource, this.#watch, () => this.#collectSync());
    const collected = (seconds: number): void => this.#timeCollection?.(seconds);
    this.#share = this.#measures ? ThreadShare.find() : undefined;
    const isRead = isMainThread && pageAddress(options) !== undefined;
    const sink = this.#exports ? this.#transport.sink : undefined;
    const wiring = { sink, collected, share: this.#share, isRead };
    this.#meters = createMeterProvider(options, views, wiring);
    this.#profiler = this.#openProfiler(resource);
    this.#tracers = options.tracesExporter === 'otlp' ? this.#tracerProvider() : undefined;
    this.#loggers =
      options.logsExporter === 'otlp' ? createLoggerProvider(options, this.#transport) : undefined;
    this.#showDiagnostics();
    this.#becomeGlobal();
    if (this.#measures) this.#measure(resource);
    this.#unwatch = flushAtExit(timeoutMs => this.#flushSync(timeoutMs), options.flushTimeout);
  }

  /** Whether metrics are sent. */
  get #exports(): boolean {
    return this.options.metricsExporter.startsWith('otlp');
  }

  /** Whether there is anybody to have them. */
  get #measures(): boolean {
    return this.#exports || pageAddress(this.options) !== undefined;
  }

  /** Whoever asks for no messages gets none of the agent either. */
  #tell(line: string): void {
    if (this.options.logLevel !== 'none') notices.say(line);
  }

  #showDiagnostics(): void {
    const { logLevel } = this.options;
    if (logLevel === '' || logLevel === 'none') return;
    diag.setLogger(diagLogger(notices), { logLevel: diagLevel(logLevel), suppressOverrideMessage: true });
    this.#served.push(diag);
  }

  /** Collects from now on, or lets others read, and measures the agent itself. */
  #measure(resource: AttributeList): void {
    if (isMainThread)
      this.#meters.gather(
        () => this.flush(),
        () => this.#transport.isSpawning,
      );
    if (this.options.sdkMetrics) afterLoading(() => this.#measureItself());
    if (this.#exports || this.#share !== undefined) this.#meters.start();
    if (isMainThread) this.#openPage(resource);
  }

  #openPage(resource: AttributeList): void {
    const address = pageAddress(this.options);
    if (address === undefined) return;
    const { openPage } = require('./metrics-page.ts') as typeof import('./metrics-page.ts');
    this.#page = openPage({
      ...address,
      resource,
      read: visit => this.#meters.read(visit),
      unixMillis: time => processClock.toUnixMillis(time),
      failed: line => this.#tell(line),
      warn: line => warnSeldom(line),
    });
  }

  #measureItself(): void {
    const { measureSdk } = require('./self-metrics.ts') as typeof import('./self-metrics.ts');
    const measured = measureSdk(this.#meters.getMeter('tricord/sdk'), {
      endpoint: new URL(this.options.endpoint),
      protocol: this.options.protocol,
      spans: this.#tracers?.counters,
      logs: this.#loggers?.counters,
      metrics: this.#meters.counters,
      profiles: this.#profiler?.counters,
      ratio: () => this.#ratio(),
      stats: () => this.stats(),
      durations: signal => this.#transport.durations(signal),
    });
    this.#timeCollection = measured.timeCollection;
    this.#forgetDurations = measured.forgetDurations;
  }

  /** What another SDK has registered before stays with that. */
  #becomeGlobal(): void {
    const taken = [
      this.#serve('context', context, context.setGlobalContextManager(this.#contexts.enable())),
      this.#serve('propagation', propagation, propagation.setGlobalPropagator(this.#propagator())),
      this.#tracers &&
        this.#serve('traces', trace, trace.setGlobalTracerProvider(this.#flushing(this.#tracers))),
      this.#measures &&
        this.#serve('metrics', metrics, metrics.setGlobalMeterProvider(this.#flushing(this.#meters))),
      this.#loggers && this.#serve('logs', logs, logs.setGlobalLoggerProvider(this.#flushing(this.#loggers))),
    ].filter(name => typeof name === 'string');
    if (taken.length > 0)
      this.#tell(`another OpenTelemetry SDK was registered first; it keeps ${taken.join(', ')}.`);
  }

  /** All signals go one way: to flush a provider is to flush the agent. */
  #flushing<Provider extends object>(provider: Provider): Provider {
    return Object.assign(provider, { forceFlush: () => this.flush() });
  }

  /** The name when somebody else has it. */
  #serve(name: string, api: { disable(): void }, registered: boolean): string | undefined {
    if (!registered) return name;
    this.#served.push(api);
    return undefined;
  }

  #propagator(): Propagator {
    const { propagators, baggageLabels: labels } = this.options;
    const carries = (name: string): boolean => propagators.includes(name);
    return new Propagator({ traceContext: carries('tracecontext'), baggage: carries('baggage'), labels });
  }

  #tracerProvider(): TracerProvider {
    const { sink } = this.#transport;
    const sampling = this.#sampling();
    const { sampler } = sampling;
    if (sampler instanceof ConsistentSampler) this.#ratio = () => sampler.ratio;
    return new TracerProvider({
      ...{ sink, limits: spanLimitsOf(this.options), slow: this.#slowRoots() },
      ...sampling,
    });
  }

  /** Without it all else goes on. */
  #openProfiler(resource: AttributeList): SlowProfiler | undefined {
    const { profilesSlow, tracesExporter } = this.options;
    if (profilesSlow === 0 || tracesExporter !== 'otlp') return undefined;
    try {
      return openProfiler(this.options, resource, line => this.#tell(line));
    } catch (error) {
      this.#tell(`no profiles are made: ${(error as Error).message}`);
      return undefined;
    }
  }

  #slowRoots(): SlowRoots | undefined {
    const profiler = this.#profiler;
    return (
      profiler && {
        nanos: this.options.profilesSlow * NANOS_PER_MS,
        ended: (...root) => profiler.ended(...root),
      }
    );
  }

  #sampling(): Sampling {
    const { tracesSampler: name, tracesSamplerArg: ratio, tracesBudget: budget } = this.options;
    const { tracesErrors: errors, tracesSlow: slowMs, tracesRules: rules } = this.options;
    const plugged = this.#plugged;
    const pressure = this.#transport.sink;
    const warn = (line: string): void => this.#tell(line);
    return createSampling({ name, ratio, budget, errors, slowMs, rules, plugged, pressure, warn });
  }

  stats(): TransportStats {
    return this.#transport.stats();
  }

  async flush(): Promise<boolean> {
    if (this.#measures && this.#down === undefined) await this.#meters.collect();
    const { flushTimeout } = this.options;
    const [delivered, shared = true] = await Promise.all([
      this.#transport.flush(flushTimeout),
      this.#share?.flush(flushTimeout),
      this.#profiler?.flush(flushTimeout),
    ]);
    return delivered && shared;
  }

  #collectSync(): void {
    if (this.#measures) this.#meters.collectSync();
  }

  /** What the exit of the process waits for. */
  #flushSync(timeoutMs: number): void {
    this.#collectSync();
    this.#page?.close();
    if (this.#transport.flushSync(timeoutMs)) this.#watch.settled(this.stats());
    else this.#watch.ended(this.stats());
  }

  shutdown(): Promise<boolean> {
    this.#down ??= this.#close();
    return this.#down;
  }

  /** A process that ends meanwhile still waits for what is left. */
  async #close(): Promise<boolean> {
    running = undefined;
    for (const api of this.#served) api.disable();
    this.#loggers?.shutdown();
    this.#page?.close();
    if (this.#measures) await this.#meters.shutdown();
    this.#share?.close();
    this.#forgetDurations();
    const { flushTimeout } = this.options;
    const [delivered] = await Promise.all([
      this.#transport.shutdown(flushTimeout),
      this.#profiler?.stop(flushTimeout),
    ]);
    this.#unwatch();
    diag.debug('tricord has shut down');
    return delivered;
  }
}

/** Where the page for Prometheus is; undefined where there is none. */
function pageAddress(options: Readonly<Options>): { host: string; port: number } | undefined {
  const { prometheusEndpoint: endpoint, prometheusHost: host, prometheusPort: port } = options;
  const colon = endpoint.lastIndexOf(':');
  if (endpoint !== '')
    return {
      host: endpoint.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(endpoint.slice(colon + 1)),
    };
  return options.metricsExporter.endsWith('prometheus') ? { host, port } : undefined;
}

/** What is set for spans alone goes before what is set for all records. */
function spanLimitsOf(options: Readonly<Options>): SpanLimits {
  const { attributeCountLimit: general } = options;
  return {
    attributes: options.spanAttributeCountLimit ?? general,
    eventAttributes: options.eventAttributeCountLimit ?? general,
    linkAttributes: options.linkAttributeCountLimit ?? general,
    valueLength: options.spanAttributeValueLengthLimit ?? options.attributeValueLengthLimit,
    events: options.eventCountLimit,
    links: options.linkCountLimit,
  };
}

function createMeterProvider(
  options: Readonly<Options>,
  views: readonly CheckedView[],
  wiring: Pick<MeterProviderOptions, 'sink' | 'collected' | 'share' | 'isRead'>,
): MeterProvider {
  const { cardinalityLimit, exemplarFilter, histogramAggregation, temporalityPreference } = options;
  return new MeterProvider({
    ...{ cardinalityLimit, exemplarFilter, histogramAggregation, temporalityPreference, views },
    labels: options.metricLabels,
    interval: options.metricExportInterval,
    timeout: options.metricExportTimeout,
    producers: processProducers,
    ...wiring,
  });
}

function createLoggerProvider(options: Readonly<Options>, { sink }: Transport): LoggerProvider {
  const attributes = options.logRecordAttributeCountLimit ?? options.attributeCountLimit;
  const valueLength = options.logRecordAttributeValueLengthLimit ?? options.attributeValueLengthLimit;
  const { logsFields, logsBudget } = options;
  return new LoggerProvider({
    ...{ sink, limits: { attributes, valueLength } },
    fields: compileFields(logsFields),
    budget: logsBudget === 0 ? undefined : logsBudget,
  });
}
