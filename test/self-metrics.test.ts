// The agent's metrics of itself: named and attributed as the conventions have it, and true to the counters.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { ExportDurations } from '../src/export-durations.ts';
import { LoggerProvider } from '../src/log/logger-provider.ts';
import { MeterProvider } from '../src/metrics/meter-provider.ts';
import { observeSdk, type SdkSources } from '../src/self-metrics.ts';
import { createSampler } from '../src/trace/sampler.ts';
import { TracerProvider } from '../src/trace/tracer-provider.ts';
import { Control, DURATION_BOUNDS_S, Outcome } from '../src/transport/control.ts';
import { Signal } from '../src/transport/otlp/record.ts';
import { allocateRing } from '../src/transport/ring.ts';
import type { TransportStats } from '../src/transport/stats.ts';
import { Transport } from '../src/transport/transport.ts';
import { MemorySink } from './memory-sink.ts';
import { attributesOf, histogramPoints, metricNamed, takeMetrics, valuesOf } from './metrics/collected.ts';
import { run } from './register/application.ts';
import { arrivedAt } from './register/arrived.ts';
import { root } from './source-tree.ts';
import { TestCollector } from './transport/test-collector.ts';
import { transportOptions } from './transport/transport-options.ts';

/** What a transport says that has done nothing yet. */
async function idle(): Promise<TransportStats> {
  const transport = new Transport(transportOptions('http://127.0.0.1:1'));
  const stats = transport.stats();
  await transport.shutdown(0);
  return stats;
}

/** Everything that is collected from these sources, by name. */
function collected(sources: Partial<SdkSources> & Pick<SdkSources, 'stats'>): readonly DecodedMetric[] {
  const sink = new MemorySink();
  const meters = new MeterProvider({ sink });
  observeSdk(meters.getMeter('sdk'), {
    spans: undefined,
    logs: undefined,
    metrics: meters.counters,
    profiles: undefined,
    ratio: () => 1,
    endpoint: new URL('http://collector:4317'),
    protocol: 'grpc',
    ...sources,
  });
  meters.collectSync();
  return takeMetrics(sink);
}

const RING = { 'otel.component.type': 'tricord_ring', 'otel.component.name': 'tricord_ring/0' };
const exporter = (kind: string) => ({
  'otel.component.type': `otlp_grpc_${kind}_exporter`,
  'otel.component.name': `otlp_grpc_${kind}_exporter/0`,
  'server.address': 'collector',
  'server.port': 4317,
});

describe('the agent’s metrics of itself', () => {
  it('count the spans that are started, by what the sampler said, and those that have not ended', async () => {
    const sink = new MemorySink();
    const stats = await idle();
    const provider = new TracerProvider({ sink });
    const tracer = provider.getTracer('t');
    const [first, second] = [1, 2, 3].map(() => tracer.startSpan('s', {}, ROOT_CONTEXT));
    first!.end();
    sink.full = true;
    second!.end();
    const spans = provider.counters;
    const metrics = collected({ spans, stats: () => stats });
    const sampled = { 'otel.span.sampling_result': 'RECORD_AND_SAMPLE' };
    assert.deepEqual(valuesOf(metricNamed(metrics, 'otel.sdk.span.live')), [[sampled, 1]]);
    const unsampled = new TracerProvider({ sink, sampler: createSampler('always_off') });
    unsampled.getTracer('t').startSpan('s', {}, ROOT_CONTEXT).end();
    const started = { ...spans, unsampled: unsampled.counters.unsampled };
    const values = valuesOf(
      metricNamed(collected({ spans: started, stats: () => stats }), 'otel.sdk.span.started'),
    );
    assert.deepEqual(values, [
      [{ 'otel.span.sampling_result': 'DROP' }, 1],
      [sampled, 3],
    ]);
  });

  it('count the log records that are made, those that were left out or found no room among them', async () => {
    const sink = new MemorySink();
    const stats = await idle();
    const provider = new LoggerProvider({ sink });
    provider.getLogger('l').emit({ body: 'kept' });
    sink.full = true;
    provider.getLogger('l').emit({ body: 'refused' });
    const signals = { ...stats.signals, logs: { ...stats.signals.logs, leftOut: 5 } };
    const metrics = collected({ logs: provider.counters, stats: () => ({ ...stats, signals }) });
    assert.deepEqual(valuesOf(metricNamed(metrics, 'otel.sdk.log.created')), [[{}, 7]]);
  });

  it('tell where items are, what became of them, and what was dropped by its reason', async () => {
    const stats = await idle();
    const traces = {
      ...stats.signals.traces,
      ...{ accepted: 100, queued: 10, pending: 30, delivered: 60, rejected: 7, lost: 3 },
      dropped: { full: 4, tooLarge: 2, closed: 1 },
    };
    const logs = { ...traces, dropped: { full: 0, tooLarge: 0, closed: 0 }, rejected: 0, lost: 0 };
    const signals = { traces, logs, metrics: traces };
    const metrics = collected({ stats: () => ({ ...stats, signals }) });
    const values = (name: string): unknown => valuesOf(metricNamed(metrics, name));
    const sum = metricNamed(metrics, 'otel.sdk.processor.span.processed');
    assert.ok(sum.data?.type === 'sum' && sum.data.monotonic);
    assert.equal(sum.unit, '{span}');
    assert.deepEqual(
      values('otel.sdk.processor.span.processed'),
      [
        [{ ...RING, 'error.type': 'already_shutdown' }, 1],
        [{ ...RING, 'error.type': 'queue_full' }, 4],
        [{ ...RING, 'error.type': 'too_large' }, 2],
        [RING, 90],
      ].sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    );
    assert.deepEqual(values('otel.sdk.processor.span.queue.size'), [[RING, 10]]);
    assert.deepEqual(values('otel.sdk.exporter.span.inflight'), [[exporter('span'), 20]]);
    assert.deepEqual(
      values('otel.sdk.exporter.span.exported'),
      [
        [exporter('span'), 60],
        [{ ...exporter('span'), 'error.type': 'lost' }, 3],
        [{ ...exporter('span'), 'error.type': 'rejected' }, 7],
      ].sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    );
    assert.deepEqual(values('otel.sdk.processor.log.processed'), [[RING, 90]]);
    assert.deepEqual(values('otel.sdk.exporter.log.exported'), [[exporter('log'), 60]]);
    assert.deepEqual(values('otel.sdk.exporter.metric_data_point.inflight'), [[exporter('metric'), 20]]);
    assert.deepEqual(values('tricord.processor.metric_data_point.queue.size'), [[RING, 10]]);
  });

  it('tell of the room there is: ring, resend buffer, credit, and the probability that follows', async () => {
    const now = { level: 0.25, resendLevel: 0.5, credit: 4096, room: 0.5, samplingProbability: 0.4 };
    const stats = { ...(await idle()), ...now };
    const { counters: spans } = new TracerProvider({ sink: new MemorySink() });
    const value = (metrics: readonly DecodedMetric[], name: string): unknown =>
      valuesOf(metricNamed(metrics, name))[0]?.[1];
    const metrics = collected({ stats: () => stats, spans, ratio: () => 0.8 });
    assert.deepEqual(
      [
        'ring.utilization',
        'resend_buffer.utilization',
        'stream.credit',
        'sampling.room',
        'sampling.limit',
      ].map(name => value(metrics, `tricord.${name}`)),
      [0.25, 0.5, 4096, 0.5, 0.4],
    );
    assert.equal(value(metrics, 'tricord.sampling.probability'), 0.2);
    const unlimited = collected({ stats: () => ({ ...stats, credit: undefined }), spans: undefined });
    const names = unlimited.map(({ name }) => name);
    assert.ok(!names.includes('tricord.stream.credit') && !names.includes('tricord.sampling.probability'));
  });

  it('send nothing of what never happened', async () => {
    const stats = await idle();
    const names = (changes: object): string[] =>
      collected({ stats: () => ({ ...stats, ...changes }) }).map(({ name }) => name);
    assert.ok(!names({}).includes('tricord.callback.failed'));
    const { counters } = new MeterProvider({ sink: new MemorySink() });
    const failed = collected({ stats: () => stats, metrics: { ...counters, failed: 3 } });
    assert.deepEqual(valuesOf(metricNamed(failed, 'tricord.callback.failed')), [[{}, 3]]);
  });

  it('count slow local roots by what became of their profiles', async () => {
    const stats = await idle();
    const profiles = { sent: 2, idle: 0, skipped: 5, too_large: 0, failed: 1 };
    const counted = collected({ stats: () => stats, profiles });
    assert.deepEqual(valuesOf(metricNamed(counted, 'tricord.profile.slow_roots')), [
      [{ 'error.type': 'failed' }, 1],
      [{ 'error.type': 'skipped' }, 5],
      [{}, 2],
    ]);
  });
});

describe('the durations of exports', () => {
  it('are counted in the bucket whose bound they do not exceed, by signal and outcome', () => {
    const control = new Control(allocateRing(65_536));
    const last = DURATION_BOUNDS_S.length;
    for (const seconds of [0.005, 0.0051, 10, 10.1, 60])
      control.countDuration(Signal.logs, Outcome.success, seconds);
    control.countDuration(Signal.logs, Outcome.failure, 1);
    const { counts, sumSeconds } = control.durations(Signal.logs, Outcome.success);
    assert.deepEqual(
      [counts.length, counts[0], counts[1], counts[last - 1], counts[last]],
      [last + 1, 1, 1, 1, 2],
    );
    assert.ok(Math.abs(sumSeconds - 80.1101) < 1e-9);
    assert.equal(control.durations(Signal.logs, Outcome.failure).counts[9], 1);
    for (const signal of [Signal.traces, Signal.metrics])
      assert.equal(control.durations(signal, Outcome.success).sumSeconds, 0);
  });

  it('become one histogram, without what never ended', () => {
    const control = new Control(allocateRing(65_536));
    control.countDuration(Signal.traces, Outcome.success, 0.02);
    control.countDuration(Signal.traces, Outcome.failure, 3);
    const source = (signal: Signal) => ({
      attributes: { of: signal },
      durations: () => ({
        success: control.durations(signal, Outcome.success),
        failure: control.durations(signal, Outcome.failure),
      }),
    });
    const sink = new MemorySink();
    const producers = [new ExportDurations([source(Signal.traces), source(Signal.metrics)])];
    new MeterProvider({ sink, producers }).collectSync();
    const points = histogramPoints(metricNamed(takeMetrics(sink), 'otel.sdk.exporter.operation.duration'));
    assert.deepEqual(
      points.map(({ attributes, count, sum }) => [attributesOf(attributes), Number(count), sum]),
      [
        [{ of: 1 }, 1, 0.02],
        [{ of: 1, 'error.type': 'rejected' }, 1, 3],
      ],
    );
    new MeterProvider({ sink, producers: [new ExportDurations([source(Signal.metrics)])] }).collectSync();
    assert.deepEqual(takeMetrics(sink), []);
  });
});

describe('an application’s metrics', () => {
  const application = join(root, 'test/register/apps/express.cjs');

  it('have the agent’s own among them, and how long a collection took', async () => {
    const collector = await TestCollector.start();
    const { code, stderr } = await run(application, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_METRIC_EXPORT_INTERVAL: '10' },
    });
    collector.stop();
    assert.deepEqual([code, stderr], [0, '']);
    const { metrics } = arrivedAt(collector);
    const sampled = { 'otel.span.sampling_result': 'RECORD_AND_SAMPLE' };
    const values = (name: string): unknown => valuesOf(metrics.get(name)!);
    assert.deepEqual(values('otel.sdk.span.live'), [[sampled, 0]]);
    assert.deepEqual(valuesOf(metrics.get('otel.sdk.span.started')!)[1], [sampled, 2]);
    assert.deepEqual(values('otel.sdk.log.created'), [[{}, 1]]);
    assert.ok(metrics.has('otel.sdk.exporter.span.exported'));
    const [duration] = histogramPoints(metrics.get('otel.sdk.metric_reader.collection.duration')!);
    assert.ok(Number(duration!.count) >= 1 && Number(duration!.sum) > 0);
  });

  it('say how long exports took, once there were any', async () => {
    const collector = await TestCollector.start();
    const script = `import(${JSON.stringify(join(root, 'src/index.ts'))}).then(async ({ start }) => {
      const agent = start();
      await agent.flush();
      await agent.shutdown();
    })`;
    const { stderr } = await run(script, { flags: [], env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    collector.stop();
    assert.equal(stderr, '');
    const { metrics } = arrivedAt(collector);
    const exports = histogramPoints(metrics.get('otel.sdk.exporter.operation.duration')!);
    assert.ok(exports.length > 0);
    for (const { attributes, count, sum, bucketCounts } of exports) {
      assert.match(
        String(attributesOf(attributes)['otel.component.type']),
        /^otlp_grpc_(span|metric|log)_exporter$/,
      );
      assert.equal(
        Number(count),
        bucketCounts.reduce((all, each) => all + Number(each), 0),
      );
      assert.ok(Number(sum) > 0);
    }
  });

  it('have none of them where they are switched off', async () => {
    const collector = await TestCollector.start();
    await run(application, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_NODE_EXPERIMENTAL_SDK_METRICS: 'false' },
    });
    collector.stop();
    const own = [...arrivedAt(collector).metrics.keys()].filter(name => /^(otel\.sdk|tricord)\./.test(name));
    assert.deepEqual(own, []);
    assert.ok(arrivedAt(collector).metrics.has('http.server.request.duration'));
  });
});
