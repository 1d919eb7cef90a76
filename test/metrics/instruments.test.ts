// The synchronous instruments: what they add up, keep and refuse.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Meter, ValueType } from '@opentelemetry/api';
import type { DecodedHistogramPoint } from 'tricord/otlp';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import type { BindableHistogram } from '../../src/metrics/sync-instruments.ts';
import { MemorySink } from '../memory-sink.ts';
import { warnings } from '../warnings.ts';
import {
  attributesOf,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  valuesOf,
} from './collected.ts';

function fixture(options: Partial<MeterProviderOptions> = {}): {
  sink: MemorySink;
  provider: MeterProvider;
  meter: Meter;
} {
  const sink = new MemorySink();
  const provider = new MeterProvider({ sink, ...options });
  return { sink, provider, meter: provider.getMeter('test', '1.0') };
}

describe('a counter', () => {
  it('adds up per attribute set, cumulatively, since a start time', () => {
    const { sink, provider, meter } = fixture();
    const counter = meter.createCounter('jobs', { description: 'Jobs done.', unit: '{job}' });
    counter.add(1);
    counter.add(2, { queue: 'a' });
    counter.add(0.5, { queue: 'a' });
    provider.collectSync();
    counter.add(1, { queue: 'a' });
    const first = metricNamed(takeMetrics(sink), 'jobs');
    assert.deepEqual([first.description, first.unit], ['Jobs done.', '{job}']);
    assert.ok(first.data?.type === 'sum' && first.data.monotonic && first.data.temporality === 2);
    assert.deepEqual(valuesOf(first), [
      [{ queue: 'a' }, 2.5],
      [{}, 1],
    ]);
    provider.collectSync();
    const second = metricNamed(takeMetrics(sink), 'jobs');
    assert.deepEqual(valuesOf(second)[0], [{ queue: 'a' }, 3.5]);
    const [before, after] = [numberPoints(first)[0]!, numberPoints(second)[0]!];
    assert.equal(before.startTimeUnixNano, after.startTimeUnixNano);
    assert.ok(before.startTimeUnixNano <= before.timeUnixNano && before.timeUnixNano < after.timeUnixNano);
  });

  it('ignores and counts what is negative, not finite or not a number', () => {
    const { sink, provider, meter } = fixture();
    const counter = meter.createCounter('jobs');
    counter.add(0);
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      counter.add(value);
    for (const value of ['1', undefined, null, {}, 1n]) counter.add(value as number);
    provider.collectSync();
    assert.deepEqual(valuesOf(metricNamed(takeMetrics(sink), 'jobs')), [[{}, 0]]);
    assert.equal(provider.counters.invalid, 9);
  });

  it('does not throw when attributes do', () => {
    const { sink, provider, meter } = fixture();
    const counter = meter.createCounter('jobs');
    const hostile = {
      get key(): string {
        throw new Error('no');
      },
    };
    counter.add(1, hostile);
    counter.add(1, 'text' as never);
    counter.add(1, null as never);
    counter.add(1, { fn: (() => {}) as never });
    provider.collectSync();
    assert.equal(provider.counters.rejected, 2);
    const total = numberPoints(metricNamed(takeMetrics(sink), 'jobs')).reduce(
      (sum, { value }) => sum + Number(value),
      0,
    );
    assert.equal(total, 3);
  });

  it('of integers writes integers, without fractions', () => {
    const { sink, provider, meter } = fixture();
    meter.createCounter('jobs', { valueType: ValueType.INT }).add(2.9);
    meter.createUpDownCounter('depth', { valueType: ValueType.INT }).add(-3);
    provider.collectSync();
    const metrics = takeMetrics(sink);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'jobs')), [[{}, 2]]);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'depth')), [[{}, -3]]);
    const AS_INT = 6 * 8 + 1;
    for (const { bytes } of metrics) assert.ok(bytes.includes(AS_INT));
  });

  it('that nothing was added to is not written', () => {
    const { sink, provider, meter } = fixture();
    meter.createCounter('jobs');
    provider.collectSync();
    assert.equal(sink.frames.length, 0);
  });
});

describe('an up-down counter and a gauge', () => {
  it('take negative values; the gauge keeps the last', () => {
    const { sink, provider, meter } = fixture();
    const depth = meter.createUpDownCounter('depth');
    depth.add(5);
    depth.add(-7);
    const level = meter.createGauge('level');
    level.record(3);
    level.record(-2.5);
    provider.collectSync();
    const metrics = takeMetrics(sink);
    const sum = metricNamed(metrics, 'depth');
    assert.ok(sum.data?.type === 'sum' && !sum.data.monotonic);
    assert.deepEqual(valuesOf(sum), [[{}, -2]]);
    assert.equal(metricNamed(metrics, 'level').data?.type, 'gauge');
    assert.deepEqual(valuesOf(metricNamed(metrics, 'level')), [[{}, -2.5]]);
  });
});

describe('a histogram with bounds', () => {
  it('counts a value at a bound in the bucket below it', () => {
    const { sink, provider, meter } = fixture();
    const histogram = meter.createHistogram('duration', {
      advice: { explicitBucketBoundaries: [0.1, 1] },
    });
    for (const value of [0.1, 0.10001, 1, 1.00001, 0]) histogram.record(value);
    histogram.record(-1);
    provider.collectSync();
    const [point] = histogramPoints(metricNamed(takeMetrics(sink), 'duration'));
    assert.deepEqual(point?.explicitBounds, [0.1, 1]);
    assert.deepEqual(point.bucketCounts, [2, 2, 1]);
    assert.deepEqual([point.count, point.min, point.max], [5, 0, 1.00001]);
    assert.ok(Math.abs(point.sum! - 2.20002) < 1e-9);
    assert.equal(provider.counters.invalid, 1);
  });

  it('has the default bounds of the specification, and may have none', () => {
    const { sink, provider, meter } = fixture();
    meter.createHistogram('plain').record(10_001);
    meter.createHistogram('boundless', { advice: { explicitBucketBoundaries: [] } }).record(7);
    provider.collectSync();
    const metrics = takeMetrics(sink);
    const [plain] = histogramPoints(metricNamed(metrics, 'plain'));
    assert.equal(plain?.explicitBounds.length, 15);
    assert.equal(plain.bucketCounts[15], 1);
    const [boundless] = histogramPoints(metricNamed(metrics, 'boundless'));
    assert.deepEqual([boundless?.explicitBounds, boundless?.bucketCounts], [[], [1]]);
  });

  it('takes at most 511 bounds, finite and ascending; the default ones instead, with a warning', () => {
    const { sink, provider, meter } = fixture();
    const bounds = Array.from({ length: 512 }, (_, i) => i);
    const advise = (name: string, explicitBucketBoundaries: number[]): void =>
      meter.createHistogram(name, { advice: { explicitBucketBoundaries } }).record(1);
    assert.deepEqual(
      warnings(() => advise('most', bounds.slice(1))),
      [],
    );
    const warned = warnings(() => {
      advise('more', bounds);
      advise('equal', [1, 1]);
      advise('endless', [1, Number.POSITIVE_INFINITY]);
      advise('text', ['1'] as never);
    });
    assert.equal(warned.length, 4);
    provider.collectSync();
    const metrics = takeMetrics(sink);
    const size = (name: string): number =>
      histogramPoints(metricNamed(metrics, name))[0]!.explicitBounds.length;
    assert.equal(size('most'), 511);
    for (const name of ['more', 'equal', 'endless', 'text']) assert.equal(size(name), 15);
  });

  it('keeps min and max apart when series are added', () => {
    const { sink, provider, meter } = fixture();
    const histogram = meter.createHistogram('duration');
    for (let i = 1; i <= 40; i++) histogram.record(i, { i });
    provider.collectSync();
    const points = histogramPoints(metricNamed(takeMetrics(sink), 'duration'));
    assert.deepEqual(
      points.map(point => [point.min, point.max, point.count]),
      points.map((_, at) => [at + 1, at + 1, 1]),
    );
  });
});

describe('a bound histogram', () => {
  for (const histogramAggregation of [
    'explicit_bucket_histogram',
    'base2_exponential_bucket_histogram',
  ] as const) {
    it(`measures as the histogram does with the same attributes: ${histogramAggregation}`, () => {
      const { sink, provider, meter } = fixture({
        histogramAggregation,
        labels: ['tenant'],
        cardinalityLimit: 2,
      });
      const histogram: BindableHistogram = meter.createHistogram('h');
      const bound = histogram.bind!({ route: '/a' });
      const labelled = ObservabilityContext.root.withLabels({ tenant: 'acme' });
      const sums = (): Record<string, unknown> => {
        provider.collectSync();
        const { data } = metricNamed(takeMetrics(sink), 'h');
        assert.ok(data !== undefined && 'points' in data);
        const points = data.points as readonly DecodedHistogramPoint[];
        return Object.fromEntries(
          points.map(({ attributes, count, sum }) => [
            JSON.stringify(attributesOf(attributes)),
            [count, sum],
          ]),
        );
      };
      bound.record(Number.NaN);
      bound.record(-1);
      bound.record(1, labelled);
      assert.deepEqual(
        sums(),
        { '{"route":"/a","tenant":"acme"}': [1, 1] },
        'no series without a measurement',
      );
      for (const value of [1, 2, 3]) bound.record(value);
      histogram.record(4, { route: '/a' });
      bound.record(8, labelled);
      bound.record(Number.POSITIVE_INFINITY);
      const beyond = histogram.bind!({ route: '/b' });
      for (const value of [16, 32]) beyond.record(value);
      assert.deepEqual(sums(), {
        '{"route":"/a","tenant":"acme"}': [2, 9],
        '{"route":"/a"}': [4, 10],
        '{"otel.metric.overflow":true}': [2, 48],
      });
      assert.deepEqual([provider.counters.invalid, provider.counters.overflowed], [3, 2]);
    });
  }
});

describe('an instrument’s identity', () => {
  it('is kind, name without case, unit and value type: the same gives the same instrument', () => {
    const { sink, provider, meter } = fixture();
    const warned = warnings(() => {
      const counter = meter.createCounter('Jobs', { unit: '1' });
      assert.equal(meter.createCounter('Jobs', { unit: '1' }), counter);
      assert.equal(meter.createCounter('jobs', { unit: '1' }), counter);
      assert.equal(meter.createCounter('jobs', { unit: '1' }), counter);
      counter.add(1);
      assert.equal(provider.getMeter('test', '1.0'), meter);
      assert.notEqual(provider.getMeter('test', '1.1'), meter);
    });
    assert.equal(warned.length, 1);
    assert.match(warned[0]!, /"jobs" is the instrument "Jobs" .*: names differ by more than their case/);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(metric => metric.name),
      ['Jobs'],
    );
  });

  it('in conflict is warned of once, and both instruments work under the first name', () => {
    const { sink, provider, meter } = fixture();
    meter.createCounter('jobs').add(1);
    const warned = warnings(() => {
      meter.createHistogram('JOBS').record(1);
      meter.createHistogram('JOBS').record(1);
      meter.createCounter('jobs', { description: 'other' }).add(1);
    });
    assert.equal(warned.length, 2, warned.join('\n'));
    assert.match(warned[0]!, /"jobs" \(histogram, .*\) is in conflict with "jobs" \(counter/);
    assert.match(
      warned[0]!,
      /views: \[\{"selector":\{"instrumentName":"jobs","instrumentType":"histogram"\}/,
    );
    assert.match(warned[1]!, /"other"\) is "jobs" \(counter.* whose description is used/);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(metric => [metric.name, metric.data?.type]),
      [
        ['jobs', 'sum'],
        ['jobs', 'histogram'],
      ],
    );
  });

  it('needs a valid name of at most 255 characters; without one it measures nothing', () => {
    const { sink, provider, meter } = fixture();
    const longest = `a${'b'.repeat(254)}`;
    meter.createCounter(longest).add(1);
    meter.createCounter('a_b.c-d/E9').add(1);
    const refused = [`${longest}b`, '', '1a', 'a b', 'ä', null, undefined, 7];
    const warned = warnings(() => {
      for (const name of refused) meter.createCounter(name as string).add(1);
      meter.createObservableGauge('!').addCallback(() => assert.fail('called'));
    });
    assert.equal(warned.length, refused.length + 1);
    assert.equal(provider.counters.refused, refused.length + 1);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(metric => metric.name),
      [longest, 'a_b.c-d/E9'],
    );
  });

  it('is bounded in number: the 10,001st instrument measures nothing', () => {
    const { provider, meter } = fixture();
    for (let i = 0; i < 10_000; i++) meter.createCounter(`c${i}`);
    assert.equal(provider.counters.refused, 0);
    warnings(() => meter.createCounter('one-more').add(1));
    assert.equal(provider.counters.refused, 1);
    assert.doesNotThrow(() => meter.createCounter('c9999').add(1));
  });

  it('is bounded in meters: the 1,001st keeps nothing', () => {
    const { provider } = fixture();
    for (let i = 1; i < 1000; i++) provider.getMeter(`m${i}`);
    assert.equal(provider.counters.refused, 0);
    provider.getMeter('one-more').createCounter('c').add(1);
    assert.equal(provider.counters.refused, 1);
  });
});
