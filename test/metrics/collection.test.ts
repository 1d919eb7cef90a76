// Collections: who is asked, how long they may take, and what reaches the sink.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { ObservableResult } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import {
  type MetricProducer,
  processProducers,
  registerMetricProducer,
} from '../../src/metrics/metric-producer.ts';
import { MemorySink } from '../memory-sink.ts';
import {
  attributesOf,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  valuesOf,
} from './collected.ts';

function fixture(options: Partial<MeterProviderOptions> = {}, sink: MemorySink = new MemorySink()) {
  const provider = new MeterProvider({ sink, ...options });
  return { sink, provider, meter: provider.getMeter('m') };
}

describe('observables', () => {
  it('are asked once per collection, outside of the work that called for it', async () => {
    const { sink, provider, meter } = fixture();
    let calls = 0;
    const callback = (result: ObservableResult): void => {
      assert.equal(ObservabilityContext.active(), ObservabilityContext.root);
      result.observe(++calls * 10, { a: 1 });
    };
    const counter = meter.createObservableCounter('c');
    counter.addCallback(callback);
    counter.addCallback(callback);
    meter.createObservableUpDownCounter('u').addCallback(result => result.observe(-1));
    meter.createObservableGauge('g').addCallback(result => result.observe(0.5));
    await ObservabilityContext.root.withLabels({ a: 'b' }).run(() => provider.collect());
    const metrics = takeMetrics(sink);
    const sum = metricNamed(metrics, 'c');
    assert.ok(sum.data?.type === 'sum' && sum.data.monotonic && sum.data.temporality === 2);
    assert.deepEqual(valuesOf(sum), [[{ a: 1 }, 10]]);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'u')), [[{}, -1]]);
    assert.equal(metricNamed(metrics, 'g').data?.type, 'gauge');
    counter.removeCallback(callback);
    await provider.collect();
    assert.equal(calls, 1);
  });

  it('report what was observed this time only; the last observation of a set wins', async () => {
    const { sink, provider, meter } = fixture({ cardinalityLimit: 2 });
    let round = 0;
    const callback = (result: ObservableResult): void => {
      for (const value of [1, 2]) result.observe(value, { round, which: 'one' });
      result.observe(9, { round, which: 'two' });
      result.observe(Number.NaN);
    };
    meter.createObservableGauge('g').addCallback(callback);
    meter.createObservableCounter('c').addCallback(callback);
    for (round = 1; round <= 20; round++) {
      await provider.collect();
      const metrics = takeMetrics(sink);
      for (const name of ['g', 'c'])
        assert.deepEqual(valuesOf(metricNamed(metrics, name)), [
          [{ round, which: 'one' }, 2],
          [{ round, which: 'two' }, 9],
        ]);
    }
    assert.deepEqual([provider.counters.overflowed, provider.counters.invalid], [0, 40]);
  });

  it('may be observed in a batch, by the instruments of the batch alone', async () => {
    const { sink, provider, meter } = fixture();
    const [a, b, c] = ['a', 'b', 'c'].map(name => meter.createObservableGauge(name)) as [never, never, never];
    const callback = (result: { observe(metric: never, value: number): void }): void => {
      result.observe(a, 1);
      result.observe(b, 2);
      result.observe(c, 3);
    };
    meter.addBatchObservableCallback(callback, [a, b]);
    meter.addBatchObservableCallback(callback, [b, a]);
    await provider.collect();
    const names = (): string[] => takeMetrics(sink).map(metric => metric.name);
    assert.deepEqual(names(), ['a', 'b']);
    meter.removeBatchObservableCallback(callback, [b, a]);
    await provider.collect();
    assert.deepEqual(names(), []);
  });

  it('that throw or reject cost themselves only, and are counted', async () => {
    const { sink, provider, meter } = fixture();
    meter.createObservableGauge('bad').addCallback(() => {
      throw new Error('no');
    });
    meter.createObservableGauge('worse').addCallback(() => Promise.reject(new Error('no')));
    meter.createObservableGauge('good').addCallback(async result => {
      await null;
      result.observe(1);
    });
    await provider.collect();
    assert.deepEqual(
      takeMetrics(sink).map(metric => metric.name),
      ['good'],
    );
    assert.equal(provider.counters.failed, 2);
  });

  it('that never answer are waited for no longer than the timeout, and are ignored afterwards', async () => {
    const { sink, provider, meter } = fixture({ timeout: 5 });
    let late: ObservableResult | undefined;
    const never = meter.createObservableGauge('never');
    never.addCallback(result => {
      result.observe(1);
      late ??= result;
      return new Promise(() => {});
    });
    meter.createCounter('c').add(1);
    // The timeout does not keep the process alive, so the test does.
    const alive = setInterval(() => {}, 1000);
    await provider.collect();
    clearInterval(alive);
    const metrics = takeMetrics(sink);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'never')), [[{}, 1]]);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'c')), [[{}, 1]]);
    assert.equal(provider.counters.failed, 1);
    meter.createObservableGauge('next').addCallback(() => late!.observe(2));
    provider.collectSync();
    assert.deepEqual(valuesOf(metricNamed(takeMetrics(sink), 'never')), [[{}, 1]]);
  });
});

describe('a collection', () => {
  it('is joined by another while it waits, and overtaken by a synchronous one', async () => {
    const { sink, provider, meter } = fixture();
    const answer = Promise.withResolvers<void>();
    let calls = 0;
    meter.createObservableGauge('g').addCallback(async result => {
      calls++;
      await answer.promise;
      result.observe(1);
    });
    meter.createCounter('c').add(1);
    const [first, second] = [provider.collect(), provider.collect()];
    assert.equal(calls, 1);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(metric => metric.name),
      ['c'],
    );
    answer.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(takeMetrics(sink), []);
  });

  it('without anything asynchronous has written all when it returns', () => {
    const { sink, provider, meter } = fixture();
    meter.createCounter('c').add(1);
    void provider.forceFlush();
    assert.equal(takeMetrics(sink).length, 1);
  });

  it('comes at every interval after start, and once more at shutdown, and then never', async () => {
    const collected = Promise.withResolvers<void>();
    const sink = new (class extends MemorySink {
      override commit(items: number): boolean {
        const committed = super.commit(items);
        if (this.frames.length === 3) collected.resolve();
        return committed;
      }
    })();
    const { provider, meter } = fixture({ interval: 1 }, sink);
    const counter = meter.createCounter('c');
    counter.add(1);
    provider.start();
    provider.start();
    const alive = setInterval(() => {}, 1000);
    await collected.promise;
    clearInterval(alive);
    counter.add(1);
    sink.frames.length = 0;
    await provider.shutdown();
    const last = takeMetrics(sink).at(-1);
    assert.deepEqual(valuesOf(last!), [[{}, 2]]);
    counter.add(1);
    provider.collectSync();
    await provider.forceFlush();
    await provider.shutdown();
    assert.equal(sink.frames.length, 0);
    provider.getMeter('later').createCounter('d').add(1);
  });

  it('comes less often while there is less room, and as often as before when there is room again', async t => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { sink, provider, meter } = fixture({ interval: 1000 });
    meter.createCounter('c').add(1);
    const collectionsIn = (turns: number): number => {
      const before = sink.frames.length;
      for (let i = 0; i < turns; i++) t.mock.timers.tick(1000);
      return sink.frames.length - before;
    };
    provider.start();
    assert.equal(collectionsIn(5), 5);
    sink.share = 0.25;
    assert.equal(collectionsIn(20), 5);
    sink.share = Math.exp(-6);
    assert.equal(collectionsIn(400), 0);
    sink.share = 1;
    assert.equal(collectionsIn(5), 5);
    sink.share = Math.exp(-6);
    await provider.forceFlush();
    await provider.shutdown();
    assert.equal(sink.frames.length, 5 + 5 + 5 + 2);
  });

  it('that is due does not keep the process alive', async () => {
    const script = `
      import { MeterProvider } from './src/metrics/meter-provider.ts';
      import { MemorySink } from './test/memory-sink.ts';
      const provider = new MeterProvider({ sink: new MemorySink() });
      provider.getMeter('m').createObservableGauge('g').addCallback(() => new Promise(() => {}));
      provider.start();
      provider.collect();
    `;
    const args = ['--conditions=source', '--input-type=module', '--eval', script];
    await promisify(execFile)(process.execPath, args, {
      cwd: `${import.meta.dirname}/../..`,
      timeout: 20_000,
    });
  });

  it('splits a metric over as many frames as its points need, and loses none', () => {
    const { sink, provider, meter } = fixture({}, new MemorySink(0n, 4096));
    const histogram = meter.createHistogram('h', { description: 'd'.repeat(500) });
    for (let i = 0; i < 200; i++) histogram.record(i, { i });
    provider.collectSync();
    const { frames } = sink;
    assert.ok(frames.length > 10);
    assert.ok(frames.every(frame => frame.bytes.length <= 4096));
    assert.equal(
      frames.reduce((sum, frame) => sum + frame.items, 0),
      200,
    );
    const points = takeMetrics(sink).flatMap(metric => {
      assert.equal(metric.description.length, 500);
      return histogramPoints(metric);
    });
    assert.deepEqual(
      points.map(point => [attributesOf(point.attributes).i, point.sum]),
      points.map((_, i) => [i, i]),
    );
  });

  it('hands a point that no frame holds to the sink as lost, and goes on with the next', () => {
    for (const length of [3000, 5000]) {
      const { sink, provider, meter } = fixture({}, new MemorySink(0n, 4096));
      const counter = meter.createCounter('c');
      for (const name of ['a', 'b'.repeat(length), 'c']) counter.add(1, { name });
      provider.collectSync();
      assert.equal(sink.overflowed, length === 5000 ? 1 : 0);
      const points = takeMetrics(sink).flatMap(numberPoints);
      assert.equal(points.length, length === 5000 ? 2 : 3);
    }
  });

  it('fills a frame to its last byte, whatever the size of the frame', () => {
    const counts = new Set<number>();
    for (let size = 150; size < 700; size++) {
      const { sink, provider, meter } = fixture({}, new MemorySink(0n, size));
      const gauge = meter.createGauge('g');
      for (let i = 0; i < 8; i++) gauge.record(i, { name: `${i}`.repeat(20) });
      provider.collectSync();
      counts.add(sink.frames.length);
      assert.equal(takeMetrics(sink).flatMap(numberPoints).length, 8);
    }
    assert.ok(counts.size > 3);
  });

  it('stops at a sink without room; the points come again next time', () => {
    const { sink, provider, meter } = fixture();
    meter.createCounter('c').add(1);
    sink.full = true;
    provider.collectSync();
    assert.equal(sink.refused, 1);
    sink.full = false;
    provider.collectSync();
    assert.deepEqual(valuesOf(metricNamed(takeMetrics(sink), 'c')), [[{}, 1]]);
  });
});

describe('metric producers', () => {
  const gauge = (name: string): ReturnType<MetricProducer['collect']> => [
    {
      scope: { name: 'elsewhere' },
      metrics: [
        {
          type: 'gauge',
          name,
          description: '',
          unit: '',
          integer: false,
          size: 1,
          point: () => ({
            attributes: { keys: [], values: [], count: 0 },
            startTime: undefined,
            time: 0,
            value: 1,
            exemplars: [],
          }),
        },
      ],
    },
  ];

  it('are prepared where there is time to, and collected with the instruments', async () => {
    const calls: string[] = [];
    const producer: MetricProducer = {
      prepare: async () => {
        await null;
        calls.push('prepare');
      },
      collect: clock => {
        calls.push('collect');
        assert.ok(clock.now() > 0);
        return gauge('p');
      },
    };
    const { sink, provider, meter } = fixture({ producers: [producer] });
    meter.createCounter('c').add(1);
    await provider.collect();
    provider.collectSync();
    assert.deepEqual(calls, ['prepare', 'collect', 'collect']);
    assert.deepEqual(
      sink.frames.map(frame => frame.scope.name),
      ['m', 'elsewhere', 'm', 'elsewhere'],
    );
  });

  it('that fail cost themselves only', async () => {
    const fail = (): never => {
      throw new Error('no');
    };
    const broken = [...gauge('broken')].map(({ scope, metrics }) => ({
      scope,
      metrics: [...metrics].map(metric => ({ ...metric, point: fail })),
    }));
    const producers: MetricProducer[] = [
      { collect: fail },
      { prepare: fail, collect: () => broken },
      { prepare: () => Promise.reject(new Error('no')), collect: () => gauge('good') },
    ];
    const { sink, provider } = fixture({ producers });
    await provider.collect();
    assert.deepEqual(
      takeMetrics(sink).map(metric => metric.name),
      ['good'],
    );
    assert.equal(provider.counters.failed, 3);
  });

  it('are registered for the process until they are taken back', () => {
    const producer: MetricProducer = { collect: () => gauge('p') };
    const { sink, provider } = fixture({ producers: processProducers });
    const remove = registerMetricProducer(producer);
    provider.collectSync();
    remove();
    provider.collectSync();
    assert.equal(takeMetrics(sink).length, 1);
  });
});
