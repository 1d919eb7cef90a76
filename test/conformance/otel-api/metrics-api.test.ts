// The rules of the metrics API (specification/metrics/api), seen through the OpenTelemetry API and what arrives.
import assert from 'node:assert/strict';
import { metrics, type Observable, type ObservableResult } from '@opentelemetry/api';
import { histogramPoints, metricNamed, numberPoints, valuesOf } from '../../metrics/collected.ts';
import { warnings } from '../../warnings.ts';
import { notApplicable, rule } from '../rule.ts';
import { metered } from './metered.ts';

const synchronous = ['createCounter', 'createUpDownCounter', 'createHistogram', 'createGauge'] as const;
const asynchronous = [
  'createObservableCounter',
  'createObservableUpDownCounter',
  'createObservableGauge',
] as const;

rule('metrics/api § MeterProvider', 'a global MeterProvider is set, and accessed', () => {
  const { provider } = metered();
  assert.equal(metrics.getMeterProvider().getMeter('a'), provider.getMeter('a'));
});

rule('metrics/api § Get a Meter', 'name, version and schema URL reach the emitted telemetry', () => {
  const { sink, provider } = metered();
  const meter = metrics.getMeter('library', '1.2.3', { schemaUrl: 'https://example.org/1' });
  meter.createCounter('c').add(1);
  provider.collectSync();
  assert.deepEqual(sink.frames[0]!.scope, {
    name: 'library',
    version: '1.2.3',
    schemaUrl: 'https://example.org/1',
  });
});

rule('metrics/api § Get a Meter', 'version and schema URL are optional', () => {
  const { sink, provider } = metered();
  metrics.getMeter('library').createCounter('c').add(1);
  provider.collectSync();
  const { name, version, schemaUrl } = sink.frames[0]!.scope;
  assert.deepEqual([name, version, schemaUrl], ['library', undefined, undefined]);
});

rule('metrics/api § Get a Meter', 'meters that differ in name, version or schema URL are distinct', () => {
  metered();
  const meters = [
    metrics.getMeter('a'),
    metrics.getMeter('b'),
    metrics.getMeter('a', '1'),
    metrics.getMeter('a', '2'),
    metrics.getMeter('a', '1', { schemaUrl: 'x' }),
  ];
  assert.equal(new Set(meters).size, meters.length);
});

notApplicable(
  'metrics/api § Get a Meter',
  'scope attributes are accepted',
  'the JavaScript API has no attributes among the options of a meter (1.10)',
);

rule('metrics/api § Meter operations', 'a meter makes all seven kinds of instruments', () => {
  const { meter } = metered();
  for (const create of [...synchronous, ...asynchronous])
    assert.equal(typeof meter[create](create), 'object', create);
});

rule('metrics/api § Instrument', 'integers and doubles are different instruments', () => {
  const { meter, collect } = metered();
  warnings(() => {
    meter.createCounter('c', { valueType: 0 }).add(1);
    meter.createCounter('c', { valueType: 1 }).add(0.5);
  });
  assert.deepEqual(
    collect().map(metric => numberPoints(metric)[0]!.value),
    [1, 0.5],
  );
});

rule(
  'metrics/api § Instrument name syntax',
  'letters, digits, _ . - / behind a letter, 255 at the most',
  () => {
    const { meter, collect } = metered();
    const valid = ['a', 'Z', 'a_b.c-d/e0', `a${'b'.repeat(254)}`];
    const invalid = ['', '0a', '_a', 'a b', 'a\u00e9', 'a*', `a${'b'.repeat(255)}`];
    const warned = warnings(() => {
      for (const name of [...valid, ...invalid]) meter.createCounter(name).add(1);
    });
    assert.equal(warned.length, invalid.length);
    assert.deepEqual(
      collect().map(({ name }) => name),
      valid,
    );
  },
);

rule('metrics/api § Instrument name syntax', 'names are case-insensitive', () => {
  const { meter, collect } = metered();
  meter.createCounter('requestCount').add(1);
  warnings(() => meter.createCounter('RequestCount').add(2));
  assert.deepEqual(valuesOf(metricNamed(collect(), 'requestCount')), [[{}, 3]]);
});

rule('metrics/api § Instrument unit', 'units are case-sensitive, opaque, and may have 63 characters', () => {
  const { meter, collect } = metered();
  const units = ['kb', 'kB', '{x}'.repeat(21)];
  warnings(() => {
    for (const unit of units) meter.createCounter('c', { unit }).add(1);
  });
  assert.deepEqual(
    collect().map(({ unit }) => unit),
    units,
  );
});

rule('metrics/api § Instrument description', 'all of Unicode, 1,023 characters and more', () => {
  const { meter, collect } = metered();
  const descriptions = ['\u4e2d'.repeat(1023), '\u{1f600}'.repeat(1023)];
  for (const [i, description] of descriptions.entries()) meter.createCounter(`c${i}`, { description }).add(1);
  assert.deepEqual(
    collect().map(({ description }) => description),
    descriptions,
  );
});

for (const create of [...synchronous, ...asynchronous])
  rule('metrics/api § Instrument API', `${create} obliges to nothing but a name`, () => {
    const { meter, collect } = metered();
    const instrument = meter[create]('i');
    if ('addCallback' in instrument) instrument.addCallback(result => result.observe(1));
    else if ('add' in instrument) instrument.add(1);
    else instrument.record(1);
    const [metric] = collect();
    assert.deepEqual([metric!.name, metric!.description, metric!.unit], ['i', '', '']);
  });

rule('metrics/api § Instrument advisory parameters', 'ExplicitBucketBoundaries are accepted', () => {
  const { meter, collect } = metered();
  meter.createHistogram('h', { advice: { explicitBucketBoundaries: [1, 2] } }).record(1);
  assert.deepEqual(histogramPoints(metricNamed(collect(), 'h'))[0]!.explicitBounds, [1, 2]);
});

notApplicable(
  'metrics/api § Instrument advisory parameters',
  'Attributes are accepted',
  'in development; the JavaScript API does not have it (1.10)',
);

notApplicable(
  'metrics/api § Asynchronous Instrument API',
  'callbacks are passed at creation',
  'the JavaScript API registers callbacks afterwards (addCallback)',
);

for (const create of asynchronous) {
  rule('metrics/api § Asynchronous Instrument API', `${create}: callbacks are registered, and undone`, () => {
    const { meter, collect } = metered();
    const instrument = meter[create]('i');
    const [first, second] = [1, 2].map(which => (result: ObservableResult): void => {
      result.observe(which, { which });
    }) as [(result: ObservableResult) => void, (result: ObservableResult) => void];
    instrument.addCallback(first);
    instrument.addCallback(second);
    const values = (): unknown[] =>
      collect()
        .flatMap(numberPoints)
        .map(({ value }) => value);
    assert.deepEqual(values(), [1, 2]);
    instrument.removeCallback(first);
    assert.deepEqual(values(), [2]);
    instrument.removeCallback(second);
    assert.deepEqual(values(), []);
  });

  rule(
    'metrics/api § Asynchronous Instrument API',
    `${create}: once for each collection, before reading`,
    () => {
      const { meter, collect } = metered();
      let calls = 0;
      const instrument = meter[create]('i');
      const callback = (result: ObservableResult): void => result.observe(++calls);
      instrument.addCallback(callback);
      instrument.addCallback(callback);
      for (const expected of [1, 2, 3])
        assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{}, expected]]);
    },
  );
}

rule('metrics/api § Asynchronous Instrument API', 'observations of one callback have the same time', () => {
  const { meter, collect } = metered();
  meter.createObservableGauge('g').addCallback(result => {
    for (let i = 0; i < 5; i++) result.observe(i, { i });
  });
  const times = numberPoints(metricNamed(collect(), 'g')).map(({ timeUnixNano }) => timeUnixNano);
  assert.deepEqual([times.length, new Set(times).size], [5, 1]);
});

rule(
  'metrics/api § Asynchronous Instrument API',
  'a callback may have state, and be asynchronous',
  async () => {
    const { meter, provider, collect } = metered();
    const state = { level: 7 };
    meter.createObservableGauge('g').addCallback(async result => {
      await null;
      result.observe(state.level);
    });
    await provider.collect();
    assert.equal(collect().length, 1);
  },
);

notApplicable(
  'metrics/api § Enabled',
  'instruments say whether they are enabled',
  'the JavaScript API does not have it (1.10)',
);

rule(
  'metrics/api § Counter',
  'increments add up, for each set of attributes, of which there may be none',
  () => {
    const { meter, collect } = metered();
    const counter = meter.createCounter('c');
    assert.equal(counter.add(1), undefined);
    counter.add(2.5);
    counter.add(4, { a: 1, b: 'x', c: true, d: ['e'] });
    counter.add(8, { d: ['e'], c: true, b: 'x', a: 1 });
    assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [
      [{ a: 1, b: 'x', c: true, d: ['e'] }, 12],
      [{}, 3.5],
    ]);
  },
);

rule('metrics/api § Counter', 'negative increments are not counted', () => {
  const { meter, collect } = metered();
  const counter = meter.createCounter('c');
  counter.add(3);
  counter.add(-1);
  assert.deepEqual(valuesOf(metricNamed(collect(), 'c')), [[{}, 3]]);
});

rule('metrics/api § UpDownCounter', 'increments and decrements add up', () => {
  const { meter, collect } = metered();
  const counter = meter.createUpDownCounter('u');
  for (const value of [3, -5, 1]) counter.add(value, { a: 1 });
  const metric = metricNamed(collect(), 'u');
  assert.ok(metric.data?.type === 'sum' && !metric.data.monotonic);
  assert.deepEqual(valuesOf(metric), [[{ a: 1 }, -1]]);
});

rule('metrics/api § Histogram', 'records values with attributes; negative ones are not recorded', () => {
  const { meter, collect } = metered();
  const histogram = meter.createHistogram('h');
  for (const value of [1, 3, -1]) histogram.record(value, { a: 1 });
  const [point] = histogramPoints(metricNamed(collect(), 'h'));
  assert.deepEqual([point!.count, point!.sum, point!.attributes.length], [2, 4, 1]);
});

rule('metrics/api § Gauge', 'records the current value, with attributes', () => {
  const { meter, collect } = metered();
  const gauge = meter.createGauge('g');
  for (const value of [3, -1.5]) gauge.record(value, { a: 1 });
  const metric = metricNamed(collect(), 'g');
  assert.equal(metric.data?.type, 'gauge');
  assert.deepEqual(valuesOf(metric), [[{ a: 1 }, -1.5]]);
});

rule('metrics/api § Asynchronous Counter', 'callbacks report totals, not increments', () => {
  const { meter, collect } = metered();
  let total = 0;
  meter.createObservableCounter('o').addCallback(result => {
    total += 10;
    result.observe(total);
  });
  collect();
  const metric = metricNamed(collect(), 'o');
  assert.ok(metric.data?.type === 'sum' && metric.data.monotonic);
  assert.deepEqual(valuesOf(metric), [[{}, 20]]);
});

rule(
  'metrics/api § Multiple-instrument callbacks',
  'tell the instruments of their observations apart',
  () => {
    const { meter, collect } = metered();
    const [a, b] = ['a', 'b'].map(name => meter.createObservableGauge(name)) as [Observable, Observable];
    meter.addBatchObservableCallback(
      result => {
        result.observe(a, 1);
        result.observe(b, 2, { x: 1 });
      },
      [a, b],
    );
    const metrics = collect();
    assert.deepEqual(valuesOf(metricNamed(metrics, 'a')), [[{}, 1]]);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'b')), [[{ x: 1 }, 2]]);
  },
);

rule(
  'metrics/api § Multiple-instrument callbacks',
  'observe only the instruments that they are declared for',
  () => {
    const { meter, collect } = metered();
    const [a, b] = ['a', 'b'].map(name => meter.createObservableGauge(name)) as [Observable, Observable];
    const foreign = metrics.getMeter('other').createObservableGauge('c');
    meter.addBatchObservableCallback(
      result => {
        for (const each of [a, b, foreign]) result.observe(each, 1);
      },
      [a],
    );
    assert.deepEqual(
      collect().map(({ name }) => name),
      ['a'],
    );
  },
);

notApplicable(
  'metrics/api § Concurrency requirements',
  'all methods are safe to be called concurrently',
  'JavaScript runs one of them at a time; each thread has its own API',
);
