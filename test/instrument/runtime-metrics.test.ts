// Runtime metrics: the names and attributes of the conventions, plausible values, and no effect on the process' life.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { constants, PerformanceObserver, performance } from 'node:perf_hooks';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DecodedMetric } from 'tricord/otlp';
import { startRuntimeMetrics } from '../../src/instrument/runtime-metrics.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { MemorySink } from '../memory-sink.ts';
import { attributesOf, histogramPoints, metricNamed, takeMetrics, valuesOf } from '../metrics/collected.ts';

const sink = new MemorySink();
const provider = new MeterProvider({ sink });
let stop: () => void;
let first: DecodedMetric[];

/** Resolves when Node has reported a full garbage collection. */
function collectGarbage(): Promise<void> {
  return new Promise(resolve => {
    const observer = new PerformanceObserver(entries => {
      const major = entries
        .getEntries()
        .some(
          entry =>
            (entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR,
        );
      if (!major) return;
      observer.disconnect();
      resolve();
    });
    observer.observe({ entryTypes: ['gc'] });
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  });
}

/** Resolves when the event loop has turned for long enough that its delay was sampled. */
async function turns(): Promise<void> {
  const until = performance.now() + 50;
  while (performance.now() < until) await new Promise(resolve => setTimeout(resolve, 5));
}

describe('runtime metrics', () => {
  before(async () => {
    stop = startRuntimeMetrics(provider.getMeter('runtime'));
    await collectGarbage();
    await turns();
    provider.collectSync();
    first = takeMetrics(sink);
  });

  after(() => stop());

  const value = (name: string): number => Number(valuesOf(metricNamed(first, name))[0]![1]);

  it('say how long the event loop was delayed, in seconds', () => {
    const [min, p50, p90, p99, max] = ['min', 'p50', 'p90', 'p99', 'max'].map(each =>
      value(`nodejs.eventloop.delay.${each}`),
    ) as [number, number, number, number, number];
    assert.ok(min > 0 && min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max && max < 60);
    assert.ok(value('nodejs.eventloop.delay.mean') >= min && value('nodejs.eventloop.delay.mean') <= max);
    assert.ok(value('nodejs.eventloop.delay.stddev') >= 0);
    assert.equal(metricNamed(first, 'nodejs.eventloop.delay.p99').unit, 's');
  });

  it('say how busy the event loop was', () => {
    const utilization = value('nodejs.eventloop.utilization');
    assert.ok(utilization > 0 && utilization <= 1);
    const time = metricNamed(first, 'nodejs.eventloop.time');
    assert.ok(time.data?.type === 'sum' && time.data.monotonic);
    assert.deepEqual(
      valuesOf(time).map(([attributes]) => attributes['nodejs.eventloop.state']),
      ['active', 'idle'],
    );
  });

  it('have the durations of garbage collections by type', () => {
    const points = histogramPoints(metricNamed(first, 'v8js.gc.duration'));
    const major = points.find(point => attributesOf(point.attributes)['v8js.gc.type'] === 'major');
    assert.ok(major !== undefined && major.count >= 1 && major.sum! > 0 && major.sum! < 60);
    assert.deepEqual(major.explicitBounds, [0.01, 0.1, 1, 10]);
  });

  it('have the heap by space', () => {
    for (const name of ['space.size', 'used', 'space.available_size', 'space.physical_size']) {
      const metric = metricNamed(first, `v8js.memory.heap.${name}`);
      assert.ok(metric.data?.type === 'sum' && !metric.data.monotonic && metric.unit === 'By');
      const spaces = valuesOf(metric).map(([attributes]) => attributes['v8js.heap.space.name']);
      assert.ok(spaces.includes('old_space') && spaces.includes('new_space'));
    }
  });

  it('have CPU and memory of the process', () => {
    const cpu = valuesOf(metricNamed(first, 'process.cpu.time'));
    assert.deepEqual(
      cpu.map(([attributes]) => attributes['cpu.mode']),
      ['system', 'user'],
    );
    assert.ok(Number(cpu[1]![1]) > 0 && Number(cpu[1]![1]) < 600);
    for (const [, share] of valuesOf(metricNamed(first, 'process.cpu.utilization'))) {
      assert.ok(Number(share) >= 0 && Number(share) <= 1.5);
    }
    const rss = value('process.memory.usage');
    assert.ok(rss > 10e6 && rss < 10e9);
  });

  it('end when they are stopped', () => {
    const quiet = new MemorySink();
    const silent = new MeterProvider({ sink: quiet });
    startRuntimeMetrics(silent.getMeter('runtime'))();
    silent.collectSync();
    assert.deepEqual(takeMetrics(quiet), []);
  });

  it('do not keep the process alive', async () => {
    const script = `
      import { startRuntimeMetrics } from './src/instrument/runtime-metrics.ts';
      startRuntimeMetrics();
    `;
    const args = ['--conditions=source', '--input-type=module', '--eval', script];
    await promisify(execFile)(process.execPath, args, {
      cwd: `${import.meta.dirname}/../..`,
      timeout: 20_000,
    });
  });
});
