// The agent's metrics of itself: `otel.sdk.*` as the semantic conventions have them, and `tricord.*`, over counters that exist anyway.
import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type Observable,
  ROOT_CONTEXT,
} from '@opentelemetry/api';
import { ExportDurations } from './export-durations.ts';
import type { LogCounters } from './log/logger.ts';
import type { MetricCounters } from './metrics/metric-counters.ts';
import { registerMetricProducer } from './metrics/metric-producer.ts';
import type { ProfileCounters } from './profile/slow-profiler.ts';
import type { TraceCounters } from './trace/span-record.ts';
import type { Durations } from './transport/control.ts';
import { Signal, type SignalName } from './transport/otlp/record.ts';
import type { SignalStats, TransportStats } from './transport/stats.ts';

export interface SdkSources {
  /** Undefined where spans, or log records, are not sent. */
  readonly spans: Readonly<TraceCounters> | undefined;
  readonly logs: Readonly<LogCounters> | undefined;
  readonly metrics: Readonly<MetricCounters>;
  /** Undefined where no profiles are made. */
  readonly profiles: Readonly<ProfileCounters> | undefined;
  /** The share of traces that the options ask for, 0 to 1. */
  ratio(): number;
  stats(): TransportStats;
  readonly endpoint: URL;
  readonly protocol: 'grpc' | 'http/protobuf';
}

interface TimedSources extends SdkSources {
  /** How long exports of a signal took. */
  durations(signal: Signal): { readonly success: Durations; readonly failure: Durations };
}

/** What is known at one collection. */
interface Moment extends SdkSources {
  readonly transport: TransportStats;
}

/** A value, and the attributes of its series. */
type Point = readonly [value: number, attributes?: Attributes];

interface Row {
  readonly name: string;
  readonly kind: 'counter' | 'upDownCounter' | 'gauge';
  readonly unit: string;
  readonly description: string;
  /** Undefined: nothing is known at present. */
  read(moment: Moment): readonly Point[] | undefined;
}

/** The names that the conventions have for the items of a signal. */
const conventions = {
  traces: { item: 'span', unit: '{span}', exporter: 'span' },
  logs: { item: 'log', unit: '{log_record}', exporter: 'log' },
  metrics: { item: 'metric_data_point', unit: '{data_point}', exporter: 'metric' },
} as const;
const signals = Object.keys(conventions) as SignalName[];

const counter = (name: string, unit: string, description: string, read: Row['read']): Row => ({
  ...{ name, unit, description, read },
  kind: 'counter',
});
const upDownCounter = (name: string, unit: string, description: string, read: Row['read']): Row => ({
  ...{ name, unit, description, read },
  kind: 'upDownCounter',
});
const gauge = (
  name: string,
  unit: string,
  description: string,
  read: (moment: Moment) => number | undefined,
): Row => ({
  ...{ name, unit, description, kind: 'gauge' },
  read: moment => {
    const value = read(moment);
    return value === undefined ? undefined : [[value]];
  },
});

const SAMPLED = { 'otel.span.sampling_result': 'RECORD_AND_SAMPLE' };
const DROPPED = { 'otel.span.sampling_result': 'DROP' };
/** The ring stands where other SDKs have a batching processor. */
const RING = { 'otel.component.type': 'tricord_ring', 'otel.component.name': 'tricord_ring/0' };
/** Most take a fraction of a millisecond; asynchronous callbacks may take up to the timeout. */
const COLLECTION_BOUNDS_SECONDS = [0.0001, 0.001, 0.01, 0.1, 1];
const READER: Attributes = {
  'otel.component.type': 'periodic_metric_reader',
  'otel.component.name': 'periodic_metric_reader/0',
};

/** The exporter of a signal: both the stream and plain OTLP/gRPC carry OTLP requests over gRPC. */
function exporter(
  { endpoint, protocol }: Pick<SdkSources, 'endpoint' | 'protocol'>,
  signal: SignalName,
): Attributes {
  const type = `otlp_${protocol === 'grpc' ? 'grpc' : 'http'}_${conventions[signal].exporter}_exporter`;
  const port = endpoint.port || (endpoint.protocol === 'https:' ? '443' : '80');
  return {
    'otel.component.type': type,
    'otel.component.name': `${type}/0`,
    'server.address': endpoint.hostname,
    'server.port': Number(port),
  };
}

/** What went on, by its outcome: without `error.type` for success. What never failed for a reason has no series of it. */
const outcomes = (
  attributes: Attributes,
  done: number,
  failed: Readonly<Record<string, number>>,
): Point[] => [
  [done, attributes],
  ...Object.entries(failed)
    .filter(([, count]) => count > 0)
    .map(([type, count]): Point => [count, { ...attributes, 'error.type': type }]),
];

const processed = ({ accepted, queued, dropped }: SignalStats): Point[] =>
  outcomes(RING, accepted - queued, {
    queue_full: dropped.full,
    already_shutdown: dropped.closed,
    too_large: dropped.tooLarge,
  });

/** On the way of one signal: the ring, then the transport thread with all that the collector has not acknowledged. */
function wayOf(signal: SignalName): Row[] {
  const { item, unit } = conventions[signal];
  const stats = ({ transport }: Moment): SignalStats => transport.signals[signal];
  // The conventions know no processor of metrics.
  const processor = signal === 'metrics' ? `tricord.processor.${item}` : `otel.sdk.processor.${item}`;
  return [
    upDownCounter(`${processor}.queue.size`, unit, 'Items in the ring.', moment => [
      [stats(moment).queued, RING],
    ]),
    counter(`${processor}.processed`, unit, 'Items that left the ring, or found no place in it.', moment =>
      processed(stats(moment)),
    ),
    upDownCounter(
      `otel.sdk.exporter.${item}.inflight`,
      unit,
      'Items with the transport thread that are not acknowledged.',
      moment => [[stats(moment).pending - stats(moment).queued, exporter(moment, signal)]],
    ),
    counter(`otel.sdk.exporter.${item}.exported`, unit, 'Items whose export is over.', moment => {
      const { delivered, rejected, lost } = stats(moment);
      return outcomes(exporter(moment, signal), delivered, { rejected, lost });
    }),
  ];
}

const made: readonly Row[] = [
  counter('otel.sdk.span.started', '{span}', 'The number of created spans.', ({ spans }) => {
    return (
      spans && [
        [spans.started, SAMPLED],
        [spans.unsampled, DROPPED],
      ]
    );
  }),
  upDownCounter('otel.sdk.span.live', '{span}', 'Recording spans that have not ended.', ({ spans }) => {
    return spans && [[spans.started - spans.written - spans.refused, SAMPLED]];
  }),
  counter('otel.sdk.log.created', '{log_record}', 'Log records submitted to a logger.', moment => {
    const { logs, transport } = moment;
    return logs && [[logs.written + logs.refused + transport.signals.logs.leftOut]];
  }),
];

const room: readonly Row[] = [
  gauge('tricord.ring.utilization', '1', 'Fill level of the ring.', ({ transport }) => transport.level),
  gauge(
    'tricord.resend_buffer.utilization',
    '1',
    'Fill level of the buffer of batches that are not acknowledged.',
    ({ transport }) => transport.resendLevel,
  ),
  gauge(
    'tricord.stream.credit',
    'By',
    'Bytes that the collector takes before it gives more credit.',
    ({ transport }) => transport.credit,
  ),
  gauge(
    'tricord.sampling.room',
    '1',
    'The share of traces, and of log records below WARN, that there is room for.',
    ({ transport }) => transport.room,
  ),
  gauge(
    'tricord.sampling.limit',
    '1',
    'Upper bound of the sampling probability that the collector asks for.',
    ({ transport }) => transport.samplingProbability,
  ),
  gauge(
    'tricord.sampling.probability',
    '1',
    'Probability that a trace which begins here is kept.',
    ({ spans, ratio, transport }) =>
      spans && Math.min(ratio(), transport.samplingProbability) * transport.room,
  ),
  counter(
    'tricord.left_out',
    '{item}',
    'Traces and log records that were never made, for want of room.',
    ({ transport }) =>
      (['traces', 'logs'] as const).map(signal => [
        transport.signals[signal].leftOut,
        { 'tricord.signal': signal },
      ]),
  ),
];

const connection: readonly Row[] = [
  gauge('tricord.connection.up', '1', 'Whether a collector answers.', ({ transport }) =>
    transport.connected ? 1 : 0,
  ),
  counter('tricord.connection.attempts', '{connection}', 'Connections made, and failed.', ({ transport }) =>
    outcomes({}, transport.connections, { connection_failed: transport.connectionFailures }),
  ),
  counter(
    'tricord.batch.sent',
    '{batch}',
    'Batches written to the collector, resent ones included.',
    moment => [[moment.transport.batchesSent]],
  ),
  counter('tricord.batch.resent', '{batch}', 'Batches sent again.', ({ transport }) => [
    [transport.batchesResent],
  ]),
  counter('tricord.batch.io', 'By', 'Bytes of the batches sent.', ({ transport }) => [[transport.bytesSent]]),
  counter(
    'tricord.collector.nonsense',
    '{message}',
    'Messages of the collector that made no sense.',
    moment => [[moment.transport.nonsense]],
  ),
  counter('tricord.thread.deaths', '{thread}', 'Transport threads that died and were replaced.', moment => [
    [moment.transport.deaths],
  ]),
];

const input: readonly Row[] = [
  counter('tricord.value.truncated', '{value}', 'Values cut to the length limit.', moment =>
    bySignal(moment, ({ truncated }) => truncated),
  ),
  counter('tricord.value.rejected', '{value}', 'Values that could not be read or carried.', moment =>
    bySignal(moment, ({ rejected }) => rejected),
  ),
  counter('tricord.span.used_after_end', '{call}', 'Calls on a span that had ended.', ({ spans }) => {
    return spans && [[spans.used_after_end]];
  }),
  counter('tricord.line.unread', '{line}', 'Log lines that became a body as they are.', moment => {
    const { logs, transport } = moment;
    return logs && [[transport.malformedLines + logs.long_lines]];
  }),
  counter(
    'tricord.line.truncated',
    '{value}',
    'Values of log lines that were cut.',
    ({ logs, transport }) => {
      return logs && [[transport.truncatedLines]];
    },
  ),
  counter(
    'tricord.measurement.refused',
    '{measurement}',
    'Measurements that are no valid number.',
    moment => [[moment.metrics.invalid]],
  ),
  counter(
    'tricord.measurement.overflowed',
    '{measurement}',
    'Those that went to an overflow series.',
    moment => [[moment.metrics.overflowed]],
  ),
  counter('tricord.instrument.refused', '{instrument}', 'Instruments and meters refused.', ({ metrics }) => [
    [metrics.refused],
  ]),
  counter('tricord.callback.failed', '{call}', 'Observable callbacks and producers that failed.', moment => [
    [moment.metrics.failed],
  ]),
];

const profiles: Row = counter(
  'tricord.profile.slow_roots',
  '{span}',
  'Slow local roots, and for which no profile was sent, and why.',
  moment => {
    if (moment.profiles === undefined) return undefined;
    const { sent, ...others } = moment.profiles;
    return outcomes({}, sent, others);
  },
);

function bySignal(
  { spans, logs, metrics }: Moment,
  read: (counters: { readonly truncated: number; readonly rejected: number }) => number,
): Point[] {
  return Object.entries({ traces: spans, logs, metrics })
    .filter(entry => entry[1] !== undefined)
    .map(([signal, counters]) => [read(counters!), { 'tricord.signal': signal }]);
}

/** Most applications give no cause for these: there is nothing to send before there is one. */
const causeless = (row: Row): Row => ({
  ...row,
  read: moment => row.read(moment)?.filter(([value]) => value > 0),
});

const rows: readonly Row[] = [
  ...made,
  ...signals.flatMap(wayOf),
  ...room,
  ...connection,
  ...input.map(causeless),
  causeless(profiles),
];

/** What is told of collections from then on, and how to leave the process's producers again. */
export interface SdkMeasures {
  timeCollection(seconds: number): void;
  forgetDurations(): void;
}

/** Observes the agent, and how long its collections and exports take. */
export function measureSdk(meter: Meter, sources: TimedSources): SdkMeasures {
  observeSdk(meter, sources);
  const duration = meter.createHistogram('otel.sdk.metric_reader.collection.duration', {
    description: 'The duration of the collect operation of the metric reader.',
    unit: 's',
    advice: { explicitBucketBoundaries: COLLECTION_BOUNDS_SECONDS },
  });
  const exports = signals.map(signal => ({
    attributes: exporter(sources, signal),
    durations: () => sources.durations(Signal[signal]),
  }));
  return {
    timeCollection: seconds => duration.record(seconds, READER, ROOT_CONTEXT),
    forgetDurations: registerMetricProducer(new ExportDurations(exports)),
  };
}

/** Observes all counters once per collection: nothing of this is on the way of a span, a measurement or a log record. */
export function observeSdk(meter: Meter, sources: SdkSources): void {
  const instruments = rows.map(row => ({ row, instrument: create(meter, row) }));
  const observe = (result: BatchObservableResult): void => {
    const moment: Moment = { ...sources, transport: sources.stats() };
    for (const { row, instrument } of instruments)
      for (const [value, attributes] of row.read(moment) ?? []) result.observe(instrument, value, attributes);
  };
  meter.addBatchObservableCallback(
    observe,
    instruments.map(({ instrument }) => instrument),
  );
}

function create(meter: Meter, { name, kind, unit, description }: Row): Observable {
  const options = { unit, description };
  if (kind === 'counter') return meter.createObservableCounter(name, options);
  if (kind === 'upDownCounter') return meter.createObservableUpDownCounter(name, options);
  return meter.createObservableGauge(name, options);
}
