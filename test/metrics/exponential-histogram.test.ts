// Exponential histograms: exact bucket bounds, at most 160 buckets, nothing lost when the scale falls.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bucketIndex } from '../../src/metrics/exponential-histogram.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { checkedViews } from '../../src/metrics/view.ts';
import { MemorySink } from '../memory-sink.ts';
import { exponentialPoints, metricNamed, takeMetrics } from './collected.ts';

function recorded(values: readonly number[]) {
  const sink = new MemorySink();
  const provider = new MeterProvider({ sink, histogramAggregation: 'base2_exponential_bucket_histogram' });
  const histogram = provider.getMeter('m').createHistogram('h');
  for (const value of values) histogram.record(value);
  provider.collectSync();
  return exponentialPoints(metricNamed(takeMetrics(sink), 'h'))[0]!;
}

describe('the bucket index', () => {
  it('is exact at powers of two: a bound belongs to the bucket below', () => {
    for (const scale of [-3, -1, 0, 1, 5, 20]) {
      for (const exponent of [-1000, -8, -1, 0, 1, 8, 1000]) {
        const bound = 2 ** exponent;
        const upper = scale > 0 ? exponent * 2 ** scale - 1 : Math.ceil(exponent / 2 ** -scale) - 1;
        assert.equal(bucketIndex(bound, scale), upper, `2^${exponent} at scale ${scale}`);
      }
    }
  });

  it('rises by one just above a power of two, at every scale', () => {
    for (const scale of [0, 1, 10, 20]) {
      for (const exponent of [-8, 0, 3, 500]) {
        const bound = 2 ** exponent;
        assert.equal(bucketIndex(bound * (1 + 2 ** -52), scale), bucketIndex(bound, scale) + 1);
        assert.equal(bucketIndex(bound * (1 - 2 ** -53), scale), bucketIndex(bound, scale));
      }
    }
  });

  it('never falls with the value, and halves with the scale', () => {
    const positive = fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true });
    fc.assert(
      fc.property(positive, positive, fc.integer({ min: -9, max: 20 }), (a, b, scale) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        assert.ok(bucketIndex(low, scale) <= bucketIndex(high, scale));
        assert.equal(bucketIndex(low, scale - 1), Math.floor(bucketIndex(low, scale) / 2));
      }),
      { numRuns: 5000 },
    );
  });

  it('puts subnormal values into the bucket of the smallest normal one', () => {
    assert.equal(bucketIndex(Number.MIN_VALUE, 0), bucketIndex(2 ** -1022, 0));
  });
});

describe('an exponential histogram', () => {
  it('of one value is at scale 20 in one bucket', () => {
    const point = recorded([3, 3, 0]);
    assert.deepEqual(
      [point.scale, point.count, point.zeroCount, point.sum, point.min, point.max],
      [20, 3, 1, 6, 0, 3],
    );
    assert.deepEqual(point.positive, { offset: bucketIndex(3, 20), counts: [2] });
    assert.deepEqual(point.negative.counts, []);
  });

  it('holds 160 neighbouring buckets, and lowers the scale for the 161st', () => {
    const base = 2 ** (1 / 2 ** 20);
    const start = 1.5;
    const first = bucketIndex(start, 20);
    const inBucket = (i: number): number => base ** (first + i + 0.5);
    const full = recorded([inBucket(0), inBucket(159)]);
    assert.deepEqual([full.scale, full.positive.counts.length], [20, 160]);
    const over = recorded([inBucket(0), inBucket(160)]);
    assert.equal(over.scale, 19);
    assert.equal(over.positive.offset, Math.floor(first / 2));
  });

  it('has for any values, in any order, the buckets that its scale asks for, and no scale is needlessly low', () => {
    const value = fc.oneof(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.integer({ min: 0, max: 1000 }),
      fc.double({ min: 0, max: Number.MAX_VALUE / 1e9, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), values => {
        const point = recorded(values);
        const positive = values.filter(each => each > 0);
        assert.equal(point.zeroCount, values.length - positive.length);
        assert.equal(point.count, values.length);
        const expected = new Map<number, number>();
        for (const each of positive) {
          const index = bucketIndex(each, point.scale);
          expected.set(index, (expected.get(index) ?? 0) + 1);
        }
        const actual = point.positive.counts
          .map((count, i) => [point.positive.offset + i, count] as const)
          .filter(([, count]) => count > 0);
        assert.deepEqual(new Map(actual), new Map([...expected].sort(([a], [b]) => a - b)));
        if (positive.length > 0 && point.scale < 20) {
          const finer = positive.map(each => bucketIndex(each, point.scale + 1));
          assert.ok(Math.max(...finer) - Math.min(...finer) >= 160);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('spans all of the doubles', () => {
    const point = recorded([Number.MIN_VALUE, 1, 1e300]);
    assert.ok(point.positive.counts.length <= 160);
    assert.equal(
      point.positive.counts.reduce((sum, count) => sum + count, 0),
      3,
    );
  });

  it('can be chosen for one instrument', () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({
      sink,
      views: checkedViews([
        {
          selector: { instrumentName: 'fine' },
          stream: { aggregation: { type: 'base2_exponential_bucket_histogram' } },
        },
      ]),
    });
    const meter = provider.getMeter('m');
    meter.createHistogram('fine').record(1);
    meter.createHistogram('plain').record(1);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(metric => [metric.name, metric.data?.type]),
      [
        ['fine', 'exponentialHistogram'],
        ['plain', 'histogram'],
      ],
    );
  });
});
