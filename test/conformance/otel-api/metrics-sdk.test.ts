// The rules of the metrics SDK (specification/metrics/sdk) but for those of views and of reading: callbacks, start times, limits, conflicts.
import assert from 'node:assert/strict';
import { metrics, type ObservableResult } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../../src/context/clock.ts';
import {
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  valuesOf,
} from '../../metrics/collected.ts';
import { warnings } from '../../warnings.ts';
import { notApplicable, rule } from '../rule.ts';
import { metered } from './metered.ts';

const OVERFLOW = { 'otel.metric.overflow': true };
const spans = (metric: DecodedMetric): [bigint, bigint][] =>
  numberPoints(metric).map(point => [point.startTimeUnixNano, point.timeUnixNano]);
rule('metrics/sdk § MeterProvider Creation', 'several independent providers', () => {
  const [one, other] = [metered(), metered()];
  one.meter.createCounter('c').add(1);
  assert.equal(one.provider.getMeter('conformance', '1.0'), one.meter);
  assert.deepEqual([other.collect().length, one.collect().length], [0, 1]);
});

rule('metrics/sdk § Meter Creation', 'without a name a meter that works, and a message', () => {
  const { provider, collect } = metered();
  const warned = warnings(() => {
    for (const name of ['', null, undefined])
      provider
        .getMeter(name as string, `${name}`)
        .createCounter('c')
        .add(1);
  });
  assert.equal(warned.length, 1, 'the same message comes once in a minute');
  assert.equal(collect().length, 3);
});

notApplicable(
  'metrics/sdk § MeterConfigurator',
  'a function computes the MeterConfig of a meter',
  'in development; a view that drops what is of a meter (selector.meterName) turns it off',
);

rule(
  'metrics/sdk § Shutdown',
  'afterwards meters are no-ops, nothing is collected, and nothing throws',
  async () => {
    const { provider, sink, meter } = metered();
    const counter = meter.createCounter('c');
    counter.add(1);
    await provider.shutdown();
    assert.equal(takeMetrics(sink).length, 1, 'what there was');
    counter.add(1);
    provider.getMeter('later').createCounter('c').add(1);
    await provider.shutdown();
    await provider.forceFlush();
    assert.equal(takeMetrics(sink).length, 0);
  },
);

rule(
  'metrics/sdk § ForceFlush',
  'collects at once, and completes though a callback never answers',
  async () => {
    const { provider, sink, meter } = metered({ timeout: 1 });
    meter.createCounter('c').add(1);
    meter.createObservableGauge('g').addCallback(() => new Promise(() => {}));
    const alive = setInterval(() => {}, 1000);
    await provider.forceFlush();
    clearInterval(alive);
    assert.deepEqual(
      takeMetrics(sink).map(({ name }) => name),
      ['c'],
    );
  },
);

rule(
  'metrics/sdk § Observations inside asynchronous callbacks',
  'outside of a callback they do not count',
  () => {
    const { meter, collect } = metered();
    let kept: ObservableResult | undefined;
    meter.createObservableGauge('g').addCallback(result => {
      kept = result;
    });
    collect();
    kept!.observe(1);
    assert.deepEqual(collect(), []);
  },
);

rule(
  'metrics/sdk § Observations inside asynchronous callbacks',
  'a set that is not observed is not reported',
  () => {
    const { meter, collect } = metered();
    const seen = [1, 2];
    meter.createObservableCounter('o').addCallback(result => {
      for (const a of seen) result.observe(5, { a });
    });
    assert.equal(numberPoints(metricNamed(collect(), 'o')).length, 2);
    seen.pop();
    assert.deepEqual(valuesOf(metricNamed(collect(), 'o')), [[{ a: 1 }, 5]]);
  },
);

rule(
  'metrics/sdk § Observations inside asynchronous callbacks',
  'all have answered before they are asked again',
  async () => {
    const { provider, meter } = metered();
    const answer = Promise.withResolvers<void>();
    let calls = 0;
    meter.createObservableGauge('g').addCallback(() => {
      calls++;
      return answer.promise;
    });
    const rounds = [provider.collect(), provider.collect()];
    assert.equal(calls, 1);
    answer.resolve();
    await Promise.all(rounds);
    await provider.collect();
    assert.equal(calls, 2);
  },
);

rule('metrics/sdk § Start timestamps', 'delta: the time of the collection before, or of the creation', () => {
  const { meter, collect } = metered({ temporalityPreference: 'delta' });
  const before = processClock.now();
  const counter = meter.createCounter('c');
  const after = processClock.now();
  for (const a of [1, 2]) counter.add(1, { a });
  const first = spans(metricNamed(collect(), 'c'));
  const created = Number(first[0]![0] - processClock.anchorUnixNanos);
  assert.ok(created >= Math.floor(before) && created <= Math.ceil(after));
  counter.add(1, { a: 3 });
  counter.add(1, { a: 1 });
  const second = spans(metricNamed(collect(), 'c'));
  assert.deepEqual(new Set([...first, ...second].map(([start]) => start)).size, 2);
  for (const [start] of second) assert.equal(start, first[0]![1]);
});

rule(
  'metrics/sdk § Start timestamps',
  'cumulative: the first measurement of each set, and always that',
  () => {
    const { meter, collect } = metered();
    const counter = meter.createCounter('c');
    collect();
    const before = BigInt(Math.floor(processClock.now())) + processClock.anchorUnixNanos;
    counter.add(1, { a: 1 });
    const first = spans(metricNamed(collect(), 'c'))[0]!;
    assert.ok(first[0] >= before);
    counter.add(1, { a: 1 });
    counter.add(1, { a: 2 });
    const [again, other] = spans(metricNamed(collect(), 'c'));
    assert.equal(again![0], first[0]);
    assert.ok(other![0] >= first[1]);
  },
);

rule('metrics/sdk § Start timestamps', 'cumulative, observed: the collection before, and always that', () => {
  const { meter, collect } = metered();
  const seen = [1];
  meter.createObservableCounter('o').addCallback(result => {
    for (const a of seen) result.observe(1, { a });
  });
  const [first] = spans(metricNamed(collect(), 'o'));
  seen.push(2);
  const [again, other] = spans(metricNamed(collect(), 'o'));
  assert.deepEqual([again![0], other![0]], [first![0], first![1]]);
});

rule('metrics/sdk § Cardinality limits', '2,000 by default, and no overflow up to the limit', () => {
  const { meter, collect } = metered();
  const counter = meter.createCounter('c');
  for (let i = 0; i < 2000; i++) counter.add(1, { i });
  const points = (): number => numberPoints(metricNamed(collect(), 'c')).length;
  assert.equal(points(), 2000);
  warnings(() => counter.add(1, { i: 2000 }));
  assert.equal(points(), 2001);
});

rule(
  'metrics/sdk § Overflow attribute',
  'measurements beyond are in one series of that attribute alone',
  () => {
    const { meter, collect } = metered({ cardinalityLimit: 1 });
    const counter = meter.createCounter('c');
    warnings(() => {
      for (let i = 0; i < 5; i++) counter.add(1, { i });
    });
    assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [
      [{ i: 0 }, 1],
      [OVERFLOW, 4],
    ]);
  },
);

for (const temporalityPreference of ['cumulative', 'delta'] as const)
  rule(
    'metrics/sdk § Cardinality limits',
    `${temporalityPreference}: nothing is dropped or counted twice`,
    () => {
      const { meter, collect } = metered({ cardinalityLimit: 3, temporalityPreference });
      const counter = meter.createCounter('c');
      let total = 0;
      warnings(() => {
        for (let round = 0; round < 4; round++) {
          for (let i = 0; i < 10; i++) counter.add(1, { i: i + round });
          const values = valuesOf(metricNamed(collect(), 'c')).map(([, value]) => Number(value));
          const sum = values.reduce((a, b) => a + b, 0);
          total = temporalityPreference === 'delta' ? total + sum : sum;
        }
      });
      assert.equal(total, 40);
    },
  );

rule(
  'metrics/sdk § Synchronous instrument cardinality limits',
  'cumulative: those from before the overflow stay',
  () => {
    const { meter, collect } = metered({ cardinalityLimit: 2 });
    const counter = meter.createCounter('c');
    warnings(() => {
      for (let i = 0; i < 5; i++) counter.add(1, { i });
    });
    collect();
    counter.add(1, { i: 1 });
    assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [
      [{ i: 0 }, 1],
      [{ i: 1 }, 2],
      [OVERFLOW, 3],
    ]);
  },
);

rule('metrics/sdk § Asynchronous instrument cardinality limits', 'those observed first are preferred', () => {
  const { meter, collect } = metered({ cardinalityLimit: 2 });
  let from = 0;
  meter.createObservableCounter('o').addCallback(result => {
    for (let i = 0; i < 4; i++) result.observe(1, { i: from + i });
  });
  warnings(() => {
    for (from = 0; from < 6; from += 3)
      assert.deepEqual(valuesOf(metricNamed(collect(), 'o')), [
        [{ i: from }, 1],
        [{ i: from + 1 }, 1],
        [OVERFLOW, 2],
      ]);
  });
});

rule('metrics/sdk § Meter', 'distinct meters are separate namespaces', () => {
  const { collect } = metered();
  const warned = warnings(() => {
    metrics.getMeter('a').createCounter('i').add(1);
    metrics.getMeter('b').createHistogram('i').record(1);
  });
  assert.deepEqual([warned, collect().length], [[], 2]);
});

rule(
  'metrics/sdk § Duplicate instrument registration',
  'both work, with a warning and a view that renames',
  () => {
    const { meter, collect } = metered();
    const warned = warnings(() => {
      meter.createCounter('i').add(1);
      meter.createHistogram('i').record(1);
      meter.createHistogram('i').record(1);
    });
    assert.equal(warned.length, 1);
    assert.match(
      warned[0]!,
      /views: \[\{"selector":\{"instrumentName":"i","instrumentType":"histogram"\},"stream":\{"name"/,
    );
    assert.deepEqual(
      collect().map(({ data }) => data?.type),
      ['sum', 'histogram'],
    );
  },
);

rule('metrics/sdk § Duplicate instrument registration', 'the view of the warning avoids it', () => {
  const recipe = /views: (\[.*\])/;
  const create = (views: never[]): string[] => {
    const { meter } = metered({ views });
    return warnings(() => {
      meter.createCounter('i', { unit: 's' }).add(1);
      meter.createHistogram('i', { unit: 'ms' }).record(1);
    });
  };
  const [warned] = create([]);
  assert.deepEqual(create(JSON.parse(recipe.exec(warned!)![1]!)), []);
});

rule(
  'metrics/sdk § Duplicate instrument registration',
  'several descriptions: a warning, unless a view has one',
  () => {
    for (const views of [[], [{ selector: { instrumentName: 'i' }, stream: { description: 'C' } }]]) {
      const { meter, collect } = metered({ views });
      const warned = warnings(() => {
        for (const description of ['A', 'B', 'B', 'C']) meter.createCounter('i', { description }).add(1);
      });
      assert.equal(warned.length, views.length === 0 ? 1 : 0);
      assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{}, 4]]);
    }
  },
);

rule(
  'metrics/sdk § Duplicate instrument registration',
  'several units: both are passed on, with a warning',
  () => {
    const { meter, collect } = metered();
    const warned = warnings(() => {
      for (const unit of ['s', 'ms']) meter.createCounter('i', { unit }).add(1);
    });
    assert.equal(warned.length, 1);
    assert.deepEqual(
      collect().map(({ unit }) => unit),
      ['s', 'ms'],
    );
  },
);

rule('metrics/sdk § Duplicate instrument registration', 'identical instruments aggregate together', () => {
  const { meter, collect } = metered();
  for (let i = 0; i < 3; i++) meter.createCounter('i', { unit: 's', description: 'd' }).add(1);
  assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{}, 3]]);
});

rule('metrics/sdk § Name conflict', 'the first spelling of a name is used, and the second told of', () => {
  const { meter, collect } = metered();
  const warned = warnings(() => {
    for (const name of ['requestCount', 'RequestCount']) meter.createCounter(name).add(1);
  });
  assert.equal(warned.length, 1);
  assert.deepEqual(valuesOf(metricNamed(collect(), 'requestCount')), [[{}, 2]]);
});

rule('metrics/sdk § Instrument name', 'one that is not valid is told of', () => {
  const { meter } = metered();
  assert.match(warnings(() => meter.createCounter('1st'))[0]!, /"1st" .* name is not valid/);
});

rule('metrics/sdk § Instrument unit', 'is not validated; none and null are the empty one', () => {
  const { meter, collect } = metered();
  const units = ['\u00b5s and so on', undefined, null];
  for (const [i, unit] of units.entries()) meter.createCounter(`c${i}`, { unit: unit as string }).add(1);
  assert.deepEqual(
    collect().map(({ unit }) => unit),
    [units[0], '', ''],
  );
});

rule('metrics/sdk § Instrument description', 'is not validated; none and null are the empty one', () => {
  const { meter, collect } = metered();
  const descriptions = ['\n\t\u0000', undefined, null];
  for (const [i, description] of descriptions.entries())
    meter.createCounter(`c${i}`, { description: description as string }).add(1);
  assert.deepEqual(
    collect().map(({ description }) => description),
    [descriptions[0], '', ''],
  );
});

rule(
  'metrics/sdk § Instrument advisory parameters',
  'what is not valid is told of, and as if not provided',
  () => {
    const { meter, collect } = metered();
    const advice = { explicitBucketBoundaries: [2, 1] };
    assert.equal(warnings(() => meter.createHistogram('h', { advice }).record(1)).length, 1);
    assert.equal(histogramPoints(metricNamed(collect(), 'h'))[0]!.explicitBounds.length, 15);
  },
);

rule(
  'metrics/sdk § Instrument advisory parameters',
  'the first that are seen are used, others told of',
  () => {
    const { meter, collect } = metered();
    const warned = warnings(() => {
      for (const bound of [1, 2])
        meter.createHistogram('h', { advice: { explicitBucketBoundaries: [bound] } }).record(1);
    });
    assert.equal(warned.length, 1);
    const [point] = histogramPoints(metricNamed(collect(), 'h'));
    assert.deepEqual([point!.explicitBounds, point!.count], [[1], 2]);
  },
);

notApplicable(
  'metrics/sdk § Instrument enabled',
  'false where all views drop',
  'the JavaScript API does not have it (1.10)',
);

rule('metrics/sdk § Attribute limits', 'of other attributes do not concern those of metrics', () => {
  // The provider takes no such limit at all: a text of 1,000 characters stays whole whatever the variables say.
  const { meter, collect } = metered();
  const text = 'x'.repeat(1000);
  meter.createCounter('c').add(1, { text });
  assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [[{ text }, 1]]);
});
