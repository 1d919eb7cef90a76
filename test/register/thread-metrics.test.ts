// What worker threads measure: one series of the process, in which no increment is missing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { type DecodedMetric, type DecodedResource, decodeMetrics, Signal } from 'tricord/otlp';
import { attributesOf } from '../decoded-records.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { registerFile, run } from './application.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-thread-metrics-'));
after(() => rmSync(folder, { recursive: true }));

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const THREADS = 8;
const INCREMENTS = 1_000_000;
const RECORDINGS = 100_000;

const prelude = `
  const worker = require('node:worker_threads');
  const repository = require('node:module').createRequire(${JSON.stringify(registerFile)});
  const { metrics } = repository('@opentelemetry/api');
  const meter = metrics.getMeter('test');
`;

/** Half of the increments by an object of their own, as applications have it. */
const measuring = `
  const counter = meter.createCounter('counted');
  for (let i = 0; i < ${INCREMENTS}; i++) counter.add(1, { parity: i % 2 ? 'odd' : 'even' });
  const histogram = meter.createHistogram('recorded', { advice: { explicitBucketBoundaries: [25, 50, 75] } });
  for (let i = 0; i < ${RECORDINGS}; i++) histogram.record(i % 100 + 1);
`;

/** The first starts the last; of the others, every second is terminated. */
const thread = `${prelude}
  const { index } = worker.workerData;
  const done = () => {
    setInterval(() => {}, 1000);
    worker.parentPort.postMessage('done');
  };
  if (index === 1) {
    const nested = new worker.Worker(__filename, { workerData: { index: ${THREADS} } });
    nested.once('message', () => void nested.terminate());
    nested.once('exit', done);
  }
  ${measuring}
  if (index % 2 === 0) done();
`;

const main = (file: string): string => `${prelude}
  let ended = 0;
  const flush = () => metrics.getMeterProvider().forceFlush();
  for (let index = 1; index < ${THREADS}; index++) {
    const each = new worker.Worker(${JSON.stringify(file)}, { workerData: { index } });
    each.once('message', () => void each.terminate());
    each.once('exit', () => { if (++ended === ${THREADS} - 1) flush(); });
  }
  ${measuring}
`;

async function measured(temporality: string): Promise<void> {
  const [mainFile, threadFile] = [join(folder, 'main.cjs'), join(folder, 'thread.cjs')];
  writeFileSync(threadFile, thread);
  writeFileSync(mainFile, main(threadFile));
  const { code, stderr } = await run(mainFile, {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
      // Many collections while threads measure and end.
      OTEL_METRIC_EXPORT_INTERVAL: '50',
    },
  });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
}

interface Arrival {
  readonly instance: unknown;
  readonly metric: DecodedMetric;
}

/** Every time that the metric came, in order. */
function arrivals(name: string): Arrival[] {
  const found: Arrival[] = [];
  for (const { signal, payload } of collector.taken) {
    if (signal !== Signal.metrics) continue;
    let instance: unknown;
    decodeMetrics(payload, {
      resource: (resource: DecodedResource) => {
        instance = attributesOf(resource)['service.instance.id'];
      },
      metric: metric => void (metric.name === name && found.push({ instance, metric })),
    });
  }
  return found;
}

const everybody = THREADS + 1;

describe('what eight worker threads and the main thread measure', () => {
  it('is one cumulative series of the process, which never falls, and loses no increment', async () => {
    await measured('cumulative');
    const counted = arrivals('counted');
    assert.equal(new Set(counted.map(({ instance }) => instance)).size, 1);
    const last = new Map<unknown, number>();
    const starts = new Set<string>();
    for (const { metric } of counted) {
      assert.ok(metric.data?.type === 'sum');
      for (const point of metric.data.points) {
        const { parity } = attributesOf(point);
        assert.ok(Number(point.value) >= (last.get(parity) ?? 0), 'the sum falls');
        last.set(parity, Number(point.value));
        starts.add(`${parity} ${point.startTimeUnixNano}`);
      }
    }
    assert.deepEqual([...last.keys()].sort(), ['even', 'odd']);
    for (const sum of last.values()) assert.equal(sum, (everybody * INCREMENTS) / 2);
    assert.equal(starts.size, 2, 'the series began again');
    const { data } = arrivals('recorded').at(-1)!.metric;
    assert.ok(data?.type === 'histogram' && data.points.length === 1);
    const quarter = (everybody * RECORDINGS) / 4;
    const [point] = data.points;
    assert.deepEqual(point!.bucketCounts, [quarter, quarter, quarter, quarter]);
    const { count, sum, min, max } = point!;
    const mean = 50.5;
    assert.deepEqual([count, sum, min, max], [4 * quarter, 4 * quarter * mean, 1, 100]);
  });

  it('adds up to the same in deltas', async () => {
    await measured('delta');
    const sums = new Map<unknown, number>();
    for (const { metric } of arrivals('counted')) {
      assert.ok(metric.data?.type === 'sum' && metric.data.temporality === 1);
      for (const point of metric.data.points) {
        const { parity } = attributesOf(point);
        sums.set(parity, (sums.get(parity) ?? 0) + Number(point.value));
      }
    }
    const half = (everybody * INCREMENTS) / 2;
    assert.deepEqual(Object.fromEntries(sums), { even: half, odd: half });
    const total = { count: 0, sum: 0 };
    for (const { metric } of arrivals('recorded')) {
      assert.ok(metric.data?.type === 'histogram');
      for (const { count, sum } of metric.data.points) {
        total.count += count;
        total.sum += sum!;
      }
    }
    assert.deepEqual(total, { count: everybody * RECORDINGS, sum: everybody * RECORDINGS * 50.5 });
  });
});
