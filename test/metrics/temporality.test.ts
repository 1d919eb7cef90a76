// Temporality: whether points say what was measured since the start or since the last point, and that none of it is lost.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Meter } from '@opentelemetry/api';
import fc from 'fast-check';
import type { DecodedMetric } from 'tricord/otlp';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import type { BindableHistogram } from '../../src/metrics/sync-instruments.ts';
import { checkedViews } from '../../src/metrics/view.ts';
import { MemorySink } from '../memory-sink.ts';
import {
  attributesOf,
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  valuesOf,
} from './collected.ts';

const DELTA = 1;
const CUMULATIVE = 2;

/** A clock that a test moves; times on the wire are nanoseconds since 0. */
class TestClock {
  time = 1000;

  now(): number {
    return this.time;
  }

  fromUnixMillis(millis: number): number {
    return millis * 1e6;
  }
}

function fixture(options: Partial<MeterProviderOptions> = {}, sink: MemorySink = new MemorySink()) {
  const clock = new TestClock();
  const provider = new MeterProvider({
    sink,
    clock: clock as never,
    temporalityPreference: 'delta',
    ...options,
  });
  const collectAt = (time: number): DecodedMetric[] => {
    clock.time = time;
    provider.collectSync();
    return takeMetrics(sink);
  };
  return { sink, clock, provider, meter: provider.getMeter('m'), collectAt };
}

/** One instrument of each kind, with a measurement. */
function measureAll(meter: Meter): void {
  meter.createCounter('counter').add(1);
  meter.createUpDownCounter('up_down_counter').add(1);
  meter.createHistogram('histogram').record(1);
  meter.createGauge('gauge').record(1);
  meter.createObservableCounter('observable_counter').addCallback(result => result.observe(1));
  meter.createObservableUpDownCounter('observable_up_down_counter').addCallback(r => r.observe(1));
}

const temporalities = (metrics: readonly DecodedMetric[]): Record<string, number> =>
  Object.fromEntries(
    metrics.flatMap(({ name, data }) =>
      data !== undefined && data.type !== 'gauge' && 'temporality' in data ? [[name, data.temporality]] : [],
    ),
  );

const spans = (metric: DecodedMetric): [bigint, bigint][] =>
  numberPoints(metric).map(point => [point.startTimeUnixNano, point.timeUnixNano]);

describe('the temporality preference', () => {
  const table = {
    cumulative: { counter: CUMULATIVE, histogram: CUMULATIVE, observable_counter: CUMULATIVE },
    delta: { counter: DELTA, histogram: DELTA, observable_counter: DELTA },
    lowmemory: { counter: DELTA, histogram: DELTA, observable_counter: CUMULATIVE },
  } as const;
  for (const [preference, expected] of Object.entries(table))
    it(`${preference} chooses by the kind of instrument; what goes up and down is cumulative`, () => {
      const { meter, collectAt } = fixture({ temporalityPreference: preference as keyof typeof table });
      measureAll(meter);
      assert.deepEqual(temporalities(collectAt(2000)), {
        ...expected,
        up_down_counter: CUMULATIVE,
        observable_up_down_counter: CUMULATIVE,
      });
    });
});

describe('a delta counter', () => {
  it('says what was added since the last collection, from then on, and nothing where nothing was', () => {
    const { clock, meter, collectAt } = fixture();
    const counter = meter.createCounter('c');
    clock.time = 1500;
    counter.add(1, { a: 1 });
    counter.add(2, { a: 2 });
    const first = metricNamed(collectAt(2000), 'c');
    assert.deepEqual(valuesOf(first), [
      [{ a: 1 }, 1],
      [{ a: 2 }, 2],
    ]);
    assert.deepEqual(spans(first), [
      [1000n, 2000n],
      [1000n, 2000n],
    ]);
    assert.deepEqual(collectAt(3000), []);
    counter.add(0, { a: 2 });
    const third = metricNamed(collectAt(4000), 'c');
    assert.deepEqual(valuesOf(third), [[{ a: 2 }, 0]]);
    assert.deepEqual(spans(third), [[3000n, 4000n]]);
  });

  it('has room for other series after each collection', () => {
    const { provider, meter, collectAt } = fixture({ cardinalityLimit: 2 });
    const counter = meter.createCounter('c');
    for (let round = 1; round <= 5; round++) {
      for (let i = 0; i < 3; i++) counter.add(1, { round, i });
      assert.deepEqual(valuesOf(metricNamed(collectAt(1000 + round), 'c')), [
        [{ i: 0, round }, 1],
        [{ i: 1, round }, 1],
        [{ 'otel.metric.overflow': true }, 1],
      ]);
    }
    assert.equal(provider.counters.overflowed, 5);
  });

  it('keeps its sums while there is no room for them, with the start that they have', () => {
    const { sink, meter, collectAt } = fixture();
    const counter = meter.createCounter('c');
    counter.add(1, { a: 1 });
    sink.full = true;
    assert.deepEqual(collectAt(2000), []);
    counter.add(2, { a: 1 });
    counter.add(4, { a: 2 });
    sink.full = false;
    const metric = metricNamed(collectAt(3000), 'c');
    assert.deepEqual(valuesOf(metric), [
      [{ a: 1 }, 3],
      [{ a: 2 }, 4],
    ]);
    assert.deepEqual(spans(metric), [
      [1000n, 3000n],
      [2000n, 3000n],
    ]);
  });

  it('keeps its sums where collections are left out for want of room', t => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { sink, provider, clock, meter } = fixture({ interval: 1000 });
    const counter = meter.createCounter('c');
    sink.share = 1 / 4;
    provider.start();
    for (let turn = 1; turn <= 8; turn++) {
      clock.time = 1000 + turn;
      counter.add(1);
      t.mock.timers.tick(1000);
    }
    const metrics = takeMetrics(sink);
    assert.deepEqual(metrics.flatMap(spans), [
      [1000n, 1004n],
      [1004n, 1008n],
    ]);
    assert.deepEqual(
      metrics.flatMap(numberPoints).map(({ value }) => value),
      [4, 4],
    );
  });
});

describe('delta histograms', () => {
  it('begin at zero again, extremes and scale included', () => {
    for (const histogramAggregation of [
      'explicit_bucket_histogram',
      'base2_exponential_bucket_histogram',
    ] as const) {
      const { meter, collectAt } = fixture({ histogramAggregation });
      const histogram: BindableHistogram = meter.createHistogram('h');
      const bound = histogram.bind!({ a: 1 });
      const points = (time: number) => {
        const metric = metricNamed(collectAt(time), 'h');
        return metric.data?.type === 'histogram' ? histogramPoints(metric) : exponentialPoints(metric);
      };
      for (const value of [1, 1000, 0]) bound.record(value);
      histogram.record(7, { a: 2 });
      const facts = (time: number) =>
        points(time).map(({ count, sum, min, max, startTimeUnixNano }) => [
          count,
          sum,
          min,
          max,
          startTimeUnixNano,
        ]);
      assert.deepEqual(facts(2000), [
        [3, 1001, 0, 1000, 1000n],
        [1, 7, 7, 7, 1000n],
      ]);
      bound.record(5);
      const [point, ...others] = points(3000);
      assert.deepEqual(others, []);
      assert.deepEqual(
        [point!.count, point!.sum, point!.min, point!.max, point!.startTimeUnixNano],
        [1, 5, 5, 5, 2000n],
      );
      if ('scale' in point!) assert.deepEqual([point.scale, point.positive.counts], [20, [1]]);
      else assert.equal(point!.bucketCounts[1], 1);
    }
  });
});

describe('delta, whatever the sink has room for', () => {
  /** A sink that has room for so many frames, and then for none. */
  class NarrowSink extends MemorySink {
    left = 0;

    override begin(...args: Parameters<MemorySink['begin']>): ReturnType<MemorySink['begin']> {
      this.full = this.left-- <= 0;
      return super.begin(...args);
    }
  }

  const measurement = fc.record({
    kind: fc.constantFrom('counter', 'explicit', 'exponential', 'observed'),
    series: fc.nat(7),
    value: fc.integer({ min: 0, max: 1000 }),
  });
  const interval = fc.record({ frames: fc.nat(6), measurements: fc.array(measurement, { maxLength: 12 }) });

  it('adds up to all that was measured, without gap or overlap in any series', () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 8 }), intervals => {
        const sink = new NarrowSink(0n, 400);
        const { clock, meter, provider } = fixture(
          {
            views: checkedViews([
              {
                selector: { instrumentName: 'exponential' },
                stream: { aggregation: { type: 'base2_exponential_bucket_histogram', maxSize: 4 } },
              },
            ]),
          },
          sink,
        );
        const counter = meter.createCounter('counter');
        const histograms = ['explicit', 'exponential'].map(name =>
          meter.createHistogram(name, { advice: { explicitBucketBoundaries: [10, 100] } }),
        );
        const totals = new Map<number, number>();
        meter.createObservableCounter('observed').addCallback(result => {
          for (const [series, total] of totals) result.observe(total, { series });
        });
        const measured = new Map<string, number>();
        const arrived = new Map<string, number>();
        const ends = new Map<string, bigint>();
        const collect = (frames: number): void => {
          clock.time += 1;
          sink.left = frames;
          provider.collectSync();
          for (const metric of takeMetrics(sink)) {
            for (const point of metric.data!.points) {
              const key = `${metric.name} ${attributesOf(point.attributes).series}`;
              const value = 'sum' in point ? Number(point.sum) : Number((point as { value: number }).value);
              arrived.set(key, (arrived.get(key) ?? 0) + value);
              const { startTimeUnixNano, timeUnixNano } = point;
              assert.ok(startTimeUnixNano >= (ends.get(key) ?? 0n) && startTimeUnixNano < timeUnixNano, key);
              ends.set(key, timeUnixNano);
            }
          }
        };
        for (const { frames, measurements } of intervals) {
          for (const { kind, series, value } of measurements) {
            if (kind === 'counter') counter.add(value, { series });
            else if (kind === 'observed') totals.set(series, (totals.get(series) ?? 0) + value);
            else histograms[kind === 'explicit' ? 0 : 1]!.record(value, { series });
            const key = `${kind} ${series}`;
            measured.set(key, (measured.get(key) ?? 0) + value);
          }
          collect(frames);
        }
        collect(1000);
        assert.deepEqual(new Map([...arrived].sort()), new Map([...measured].sort()));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps a point that does not fit while there is little room, and gives up one that no frame holds', () => {
    const sink = new MemorySink(0n, 300);
    const { meter, provider } = fixture({}, sink);
    const counter = meter.createCounter('c');
    counter.add(1, { long: 'x'.repeat(400) });
    counter.add(4, { short: true });
    const sumAt = (share: number): number => {
      sink.share = share;
      provider.collectSync();
      return takeMetrics(sink)
        .flatMap(numberPoints)
        .reduce((sum, { value }) => sum + Number(value), 0);
    };
    assert.deepEqual([sumAt(0.5), sink.overflowed], [0, 1]);
    assert.deepEqual([sumAt(1), sink.overflowed], [4, 2]);
    assert.deepEqual([sumAt(1), sink.overflowed], [0, 2]);
  });
});

describe('an observed delta', () => {
  it('is the difference to what was reported last; a total that falls has begun again', () => {
    const { meter, collectAt } = fixture();
    let total = 10;
    meter.createObservableCounter('o').addCallback(result => result.observe(total, { a: 1 }));
    const seen: unknown[] = [];
    for (const [time, next] of [
      [2000, 25],
      [3000, 25],
      [4000, 7],
      [5000, 7],
    ] as const) {
      const metric = metricNamed(collectAt(time), 'o');
      seen.push([valuesOf(metric)[0]![1], ...spans(metric)[0]!]);
      total = next;
    }
    assert.deepEqual(seen, [
      [10, 1000n, 2000n],
      [15, 2000n, 3000n],
      [0, 3000n, 4000n],
      [7, 4000n, 5000n],
    ]);
  });

  it('goes on where it was when its callback has failed for a while', () => {
    const { meter, collectAt } = fixture();
    let total = 10;
    let fails = false;
    meter.createObservableCounter('o').addCallback(result => {
      if (fails) throw new Error('no');
      result.observe(total);
    });
    collectAt(2000);
    fails = true;
    assert.deepEqual(collectAt(3000), []);
    fails = false;
    total = 12;
    const metric = metricNamed(collectAt(4000), 'o');
    assert.deepEqual(valuesOf(metric), [[{}, 2]]);
    assert.deepEqual(spans(metric), [[2000n, 4000n]]);
  });

  it('remembers no more series than the limit', () => {
    const { meter, collectAt } = fixture({ cardinalityLimit: 2 });
    let round = 0;
    meter.createObservableCounter('o').addCallback(result => result.observe(10, { round: round % 4 }));
    const seen: unknown[] = [];
    for (round = 0; round < 5; round++) seen.push(valuesOf(metricNamed(collectAt(2000 + round), 'o'))[0]![1]);
    assert.deepEqual(seen, [10, 10, 10, 10, 10], 'the first has been forgotten when it comes again');
  });
});

describe('cumulative start times', () => {
  it('are those of the first measurement of each series, and stay', () => {
    const { clock, meter, collectAt } = fixture({ temporalityPreference: 'cumulative' });
    const counter = meter.createCounter('c');
    clock.time = 1100;
    counter.add(1, { a: 1 });
    clock.time = 1200;
    counter.add(1, { a: 2 });
    collectAt(2000);
    clock.time = 2100;
    counter.add(1, { a: 3 });
    assert.deepEqual(spans(metricNamed(collectAt(3000), 'c')), [
      [1100n, 3000n],
      [1200n, 3000n],
      [2100n, 3000n],
    ]);
  });

  it('of what is observed are those of the collection before the first observation, and stay', () => {
    const { meter, collectAt } = fixture({ temporalityPreference: 'cumulative' });
    const seen = [1];
    meter.createObservableUpDownCounter('o').addCallback(result => {
      for (const a of seen) result.observe(1, { a });
    });
    assert.deepEqual(spans(metricNamed(collectAt(2000), 'o')), [[1000n, 2000n]]);
    seen.push(2);
    const starts = [
      [1000n, 3000n],
      [2000n, 3000n],
    ];
    assert.deepEqual(spans(metricNamed(collectAt(3000), 'o')), starts);
    seen.reverse();
    assert.deepEqual(
      spans(metricNamed(collectAt(4000), 'o')).map(([start]) => start),
      [2000n, 1000n],
    );
  });
});
