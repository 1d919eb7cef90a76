// Streams that other threads write and the provider of the main thread adds to its own, here of one and the same thread.
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import fc from 'fast-check';
import type { DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../src/context/clock.ts';
import { FLAG_SAMPLED, SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import { SharedSlots } from '../../src/metrics/shared-memory.ts';
import { ThreadShare } from '../../src/metrics/thread-share.ts';
import { checkedViews } from '../../src/metrics/view.ts';
import { MemorySink } from '../memory-sink.ts';
import {
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  traceIdOf,
  valuesOf,
} from './collected.ts';

/** Ends what a test has begun. */
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Threads {
  readonly main: MeterProvider;
  readonly others: readonly MeterProvider[];
  collect(): DecodedMetric[];
}

/** One provider that adds up, and as many others that leave to it what they measure. */
async function threads(
  count: number,
  options: Partial<MeterProviderOptions> = {},
  ofOthers: Partial<MeterProviderOptions> = {},
): Promise<Threads> {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const main = new MeterProvider({ sink, ...options });
  main.gather(
    () => Promise.resolve(true),
    () => false,
  );
  // It listens from when the first thread is started.
  await new Worker('', { eval: true }).terminate();
  const others = Array.from({ length: count }, () => {
    const share = new ThreadShare(0);
    closing.push(() => share.close());
    return new MeterProvider({ sink: new MemorySink(), ...options, ...ofOthers, share });
  });
  closing.push(() => main.shutdown());
  return {
    main,
    others,
    collect() {
      main.collectSync();
      return takeMetrics(sink);
    },
  };
}

const bounds = { advice: { explicitBucketBoundaries: [1, 2] } };

describe('what several threads measure', () => {
  it('is added up by scope, instrument and attributes', async () => {
    const { main, others, collect } = await threads(2);
    for (const [i, provider] of [main, ...others].entries()) {
      const meter = provider.getMeter('m', '1');
      meter.createCounter('c').add(10 ** i, { a: 1 });
      meter.createUpDownCounter('u').add(-(10 ** i), { b: [i > 0, 'x'] });
      provider.getMeter('other').createCounter('c').add(7);
    }
    others[1]!.getMeter('m', '1').createCounter('only there', { unit: 'By' });
    others[1]!.getMeter('m', '1').createCounter('only.there', { unit: 'By' }).add(3);
    const metrics = collect();
    assert.deepEqual(metrics.map(({ name, unit }) => name + unit).sort(), ['c', 'c', 'only.thereBy', 'u']);
    const [first, second] = metrics.filter(({ name }) => name === 'c');
    assert.deepEqual(valuesOf(first!), [[{ a: 1 }, 111]]);
    assert.deepEqual(valuesOf(second!), [[{}, 21]]);
    const ups = valuesOf(metricNamed(metrics, 'u'));
    assert.deepEqual(ups.map(([, value]) => value).sort(), [-1, -110]);
  });

  it('is nothing of what the thread itself sends, but for what is observed', async () => {
    const sink = new MemorySink();
    const { others } = await threads(1, {}, { sink });
    const meter = others[0]!.getMeter('m');
    meter.createCounter('c').add(1);
    meter.createObservableGauge('g').addCallback(result => result.observe(1));
    await others[0]!.collect();
    assert.deepEqual(
      takeMetrics(sink).map(({ name }) => name),
      ['g'],
    );
  });

  it('is a histogram with all buckets, sums and extremes', async () => {
    const { main, others, collect } = await threads(2);
    const values = [0.5, 1.5, 4];
    for (const [i, provider] of [main, ...others].entries())
      provider.getMeter('m').createHistogram('h', bounds).record(values[i]!);
    const [point] = histogramPoints(metricNamed(collect(), 'h'));
    const { bucketCounts, sum, min, max } = point!;
    assert.deepEqual({ bucketCounts, sum, min, max }, { bucketCounts: [1, 1, 1], sum: 6, min: 0.5, max: 4 });
  });

  it('is the exponential histogram that one thread would have made of it', async () => {
    const positive = fc.double({ min: 0, max: 1e300, noNaN: true });
    const options = { histogramAggregation: 'base2_exponential_bucket_histogram' } as const;
    const { main, others, collect } = await threads(2, options);
    let runs = 0;
    const shape = (metrics: readonly DecodedMetric[]): unknown => {
      const {
        attributes: _,
        startTimeUnixNano: __,
        timeUnixNano: ___,
        sum,
        ...rest
      } = exponentialPoints(metricNamed(metrics, 'h')).at(-1)!;
      return { ...rest, sum: Number(sum).toPrecision(10) };
    };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(positive, fc.nat(2), fc.boolean()), { minLength: 1, maxLength: 60 }),
        measured => {
          const attributes = { run: runs++ };
          const sink = new MemorySink();
          const alone = new MeterProvider({ sink, ...options });
          for (const [value, thread, collects] of measured) {
            const provider = [main, ...others][thread]!;
            provider.getMeter('m').createHistogram('h').record(value, attributes);
            alone.getMeter('m').createHistogram('h').record(value, attributes);
            // What has been added before is of another scale as a rule.
            if (collects) collect();
          }
          alone.collectSync();
          const expected = shape(takeMetrics(sink));
          assert.deepEqual(shape(collect()), expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is the value that was set last, wherever that was', async () => {
    const { main, others, collect } = await threads(1);
    const [here, there] = [main, others[0]!].map(provider => provider.getMeter('m').createGauge('g'));
    const value = (): unknown => valuesOf(metricNamed(collect(), 'g'))[0]![1];
    here!.record(1);
    there!.record(2);
    assert.equal(value(), 2);
    there!.record(3);
    here!.record(4);
    assert.equal(value(), 4);
    there!.record(5);
    assert.equal(value(), 5);
    assert.equal(value(), 5);
  });

  it('is in one delta, and not in the next one too; what is not known of an interval is not told', async () => {
    const { main, others, collect } = await threads(1, { temporalityPreference: 'delta' });
    const meters = [main, others[0]!].map(provider => provider.getMeter('m'));
    const measure = (): void => {
      for (const meter of meters) {
        meter.createCounter('c').add(2);
        meter.createHistogram('h', bounds).record(3);
      }
    };
    measure();
    const first = collect();
    assert.deepEqual(valuesOf(metricNamed(first, 'c')), [[{}, 4]]);
    assert.deepEqual(collect(), []);
    measure();
    const second = collect();
    assert.deepEqual(valuesOf(metricNamed(second, 'c')), [[{}, 4]]);
    const [point] = histogramPoints(metricNamed(second, 'h'));
    const { count, sum, min, max } = point!;
    assert.deepEqual({ count, sum, min, max }, { count: 2, sum: 6, min: undefined, max: undefined });
    const [before] = numberPoints(metricNamed(first, 'c'));
    const [behind] = numberPoints(metricNamed(second, 'c'));
    assert.ok(behind!.startTimeUnixNano >= before!.timeUnixNano);
  });

  it('has places for other series in each interval under delta, as in the main thread', async () => {
    const options = { temporalityPreference: 'delta', cardinalityLimit: 10 } as const;
    const { others, collect } = await threads(1, options);
    const counter = others[0]!.getMeter('m').createCounter('c');
    for (let interval = 0; interval < 5; interval++) {
      for (let i = 0; i < 8; i++) counter.add(1, { id: interval * 8 + i });
      await others[0]!.collect();
      const found = valuesOf(metricNamed(collect(), 'c'));
      assert.equal(found.length, 8);
      assert.ok(found.every(([attributes, value]) => 'id' in attributes && value === 1));
    }
  });

  it('carries the exemplars of the spans that it was measured under', async () => {
    const { others, collect } = await threads(1);
    const context = ObservabilityContext.root.withIdentity(SpanIdentity.root(FLAG_SAMPLED));
    others[0]!.getMeter('m').createHistogram('h', bounds).record(1.5, {}, context);
    await others[0]!.collect();
    const [point] = histogramPoints(metricNamed(collect(), 'h'));
    const { exemplars } = point!;
    assert.deepEqual(exemplars.map(traceIdOf), [context.identity?.traceId]);
    assert.equal(exemplars[0]!.value, 1.5);
    assert.ok(Math.abs(Number(exemplars[0]!.timeUnixNano / 1_000_000n) - Date.now()) < 10_000);
  });

  it('is by itself where the thread has other views', async () => {
    const views = checkedViews([
      { selector: { instrumentName: 'c' }, stream: { name: 'renamed', attributeKeys: { included: ['a'] } } },
    ]);
    const { main, others, collect } = await threads(2, {}, { views });
    for (const provider of [main, ...others])
      provider.getMeter('m').createCounter('c').add(1, { a: 1, b: 2 });
    const metrics = collect();
    assert.deepEqual(valuesOf(metricNamed(metrics, 'c')), [[{ a: 1, b: 2 }, 1]]);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'renamed')), [[{ a: 1 }, 2]]);
  });
});

describe('the cardinality limit of the process', () => {
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    const ignored = (): void => {};
    const warn = (text: string): void => void warnings.push(text);
    const logger = { error: ignored, warn, info: ignored, debug: ignored, verbose: ignored };
    diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  });
  after(() => diag.disable());

  it('holds for the series of all threads together, names the attribute to blame, and keeps totals right', async () => {
    const { main, others, collect } = await threads(2, { cardinalityLimit: 10 });
    for (const [i, provider] of [main, ...others].entries()) {
      const counter = provider.getMeter('m').createCounter('c');
      for (let id = 0; id < 4; id++) counter.add(1, { 'user.id': i * 4 + id, route: '/' });
    }
    const points = valuesOf(metricNamed(collect(), 'c'));
    assert.equal(points.length, 11);
    const overflow = points.find(([attributes]) => attributes['otel.metric.overflow'] === true);
    assert.equal(overflow?.[1], 2);
    assert.equal(
      points.reduce((sum, [, value]) => sum + Number(value), 0),
      12,
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /"c" has 10 series.*"user\.id" \(10\), "route" \(1\)/);
  });

  it('takes what has overflowed in a thread to what has overflowed in the process', async () => {
    const { others, collect } = await threads(2, { cardinalityLimit: 3 });
    for (const provider of others) {
      const counter = provider.getMeter('m').createCounter('c');
      for (let id = 0; id < 5; id++) counter.add(1, { id });
    }
    const points = valuesOf(metricNamed(collect(), 'c'));
    assert.deepEqual(points, [
      [{ id: 0 }, 2],
      [{ id: 1 }, 2],
      [{ id: 2 }, 2],
      [{ 'otel.metric.overflow': true }, 4],
    ]);
  });
});

describe('what overflows in a thread alone', () => {
  it('takes the place of no other series of the process', async () => {
    const { main, others, collect } = await threads(1, { cardinalityLimit: 2 }, { cardinalityLimit: 1 });
    for (let id = 0; id < 3; id++) others[0]!.getMeter('m').createCounter('c').add(1, { id });
    assert.equal(valuesOf(metricNamed(collect(), 'c')).length, 2);
    main.getMeter('m').createCounter('c').add(1, { id: 9 });
    assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [
      [{ id: 0 }, 1],
      [{ id: 9 }, 1],
      [{ 'otel.metric.overflow': true }, 2],
    ]);
  });
});

describe('the slots of a series', () => {
  it('are read as they were at one moment while another thread writes them', async () => {
    const width = 32;
    const shared = SharedSlots.allocate(1, width);
    const writer = `
      const { memory, width } = require('node:worker_threads').workerData;
      const slots = new Float64Array(memory, 0, width);
      const versions = new Int32Array(memory, width * 8, 1);
      for (let round = 1; ; round++) {
        Atomics.add(versions, 0, 1);
        slots.fill(round);
        Atomics.add(versions, 0, 1);
        // As long as what an application does between two measurements.
        for (let i = 0; i < 300; i++) Atomics.load(versions, 0);
      }`;
    const thread = new Worker(writer, { eval: true, workerData: { memory: shared.memory, width } });
    const copy = new Float64Array(width);
    const rounds = new Set<number>();
    try {
      while (rounds.size < 1000) {
        if (shared.read(0, copy, false) === undefined) continue;
        const [round] = copy;
        assert.ok(
          copy.every(slot => slot === round),
          copy.join(),
        );
        rounds.add(round!);
      }
    } finally {
      await thread.terminate();
    }
  });

  it('are not read while they are being written', () => {
    const shared = SharedSlots.allocate(2, 1);
    shared.versions[1] = 7;
    assert.equal(shared.read(1, new Float64Array(1), false), undefined);
    assert.equal(shared.read(1, new Float64Array(1), true), 7);
    assert.equal(shared.read(0, new Float64Array(1), false), 0);
  });
});
