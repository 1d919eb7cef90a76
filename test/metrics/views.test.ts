// Views: which instruments they select, what becomes of their measurements, and what is refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Meter, ObservableResult } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { OptionError } from '../../src/errors.ts';
import { instrumentKinds } from '../../src/metrics/descriptor.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import type { BindableHistogram } from '../../src/metrics/sync-instruments.ts';
import { checkedViews, type View, type ViewSelector, type ViewStream } from '../../src/metrics/view.ts';
import { MemorySink } from '../memory-sink.ts';
import { warnings } from '../warnings.ts';
import {
  attributesOf,
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  valuesOf,
} from './collected.ts';

function fixture(views: readonly View[], options: Partial<MeterProviderOptions> = {}) {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new MeterProvider({ sink, views: checkedViews(views), ...options });
  const collect = (): DecodedMetric[] => {
    provider.collectSync();
    return takeMetrics(sink);
  };
  return {
    provider,
    meter: provider.getMeter('shop', '1.2', { schemaUrl: 'https://example.org/1' }),
    collect,
  };
}

/** One view for the instrument `i`. */
const viewed = (stream: ViewStream): View[] => [{ selector: { instrumentName: 'i' }, stream }];

/** Makes and uses an instrument of each kind. */
function measureAll(meter: Meter): void {
  meter.createCounter('counter').add(1);
  meter.createUpDownCounter('up_down_counter').add(-1);
  meter.createHistogram('histogram').record(1);
  meter.createGauge('gauge').record(1);
  meter.createObservableCounter('observable_counter').addCallback(result => result.observe(1));
  meter.createObservableUpDownCounter('observable_up_down_counter').addCallback(r => r.observe(-1));
  meter.createObservableGauge('observable_gauge').addCallback(result => result.observe(1));
}

const namesOf = (metrics: readonly DecodedMetric[]): string[] => metrics.map(({ name }) => name);

describe('the selector of a view', () => {
  const selects = (selector: ViewSelector, name = 'http.server.duration', unit = 's'): boolean => {
    const { meter, collect } = fixture([{ selector, stream: { aggregation: { type: 'drop' } } }]);
    meter.createHistogram(name, { unit }).record(1);
    return collect().length === 0;
  };

  it('compares names whatever their case; ? is one character, * any number of them', () => {
    const cases: readonly [string, boolean][] = [
      ['http.server.duration', true],
      ['HTTP.Server.Duration', true],
      ['http.server', false],
      ['*', true],
      ['http.*', true],
      ['*.duration', true],
      ['h*server*n', true],
      ['*client*', false],
      ['http.server.duratio?', true],
      ['http.server.duration?', false],
      ['http?server?duration*', true],
      ['http.server.duration**', true],
      ['httpxserver.duration', false],
    ];
    for (const [instrumentName, expected] of cases)
      assert.equal(selects({ instrumentName }), expected, instrumentName);
    assert.equal(selects({ instrumentName: 'a.b' }, 'axb'), false);
  });

  it('asks for type, unit, and name, version and schema URL of the meter, and for all that is given', () => {
    const right: ViewSelector = {
      instrumentName: 'http.*',
      instrumentType: 'histogram',
      unit: 's',
      meterName: 'shop',
      meterVersion: '1.2',
      meterSchemaUrl: 'https://example.org/1',
    };
    const wrong: ViewSelector = {
      instrumentName: 'rpc.*',
      instrumentType: 'counter',
      unit: 'S',
      meterName: 'Shop',
      meterVersion: '1',
      meterSchemaUrl: '',
    };
    assert.equal(selects(right), true);
    for (const key of Object.keys(right) as (keyof ViewSelector)[]) {
      assert.equal(selects({ [key]: right[key] }), true, key);
      assert.equal(selects({ ...right, [key]: wrong[key] }), false, key);
    }
  });

  it('tells the kinds of instruments apart', () => {
    for (const instrumentType of instrumentKinds) {
      const { meter, collect } = fixture([
        { selector: { instrumentType }, stream: { aggregation: { type: 'drop' } } },
      ]);
      measureAll(meter);
      const expected = instrumentKinds.filter(kind => kind !== instrumentType);
      assert.deepEqual(namesOf(collect()).sort(), [...expected].sort());
    }
  });
});

describe('the stream of a view', () => {
  it('has a name and a description of its own, or those of the instrument', () => {
    for (const stream of [{}, { name: 'other' }, { description: 'New.' }]) {
      const { meter, collect } = fixture(viewed(stream));
      meter.createCounter('i', { description: 'Old.', unit: 'By' }).add(1);
      const [metric] = collect();
      assert.deepEqual(
        [metric!.name, metric!.description, metric!.unit],
        [stream.name ?? 'i', stream.description ?? 'Old.', 'By'],
      );
    }
  });

  const attributes = { route: '/a', user: 'u1', code: 200 };

  it('keeps the attributes that are included, or not excluded, and adds up what is then the same', () => {
    for (const attributeKeys of [{ included: ['route', 'absent'] }, { excluded: ['user', 'code', 'x'] }]) {
      const { meter, collect } = fixture(viewed({ attributeKeys }));
      const counter = meter.createCounter('i');
      counter.add(1, attributes);
      counter.add(2, { ...attributes, user: 'u2' });
      counter.add(4);
      assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [
        [{ route: '/a' }, 3],
        [{}, 4],
      ]);
    }
  });

  it('keeps attributes out before the cardinality limit counts, and that limit may be its own', () => {
    const { provider, meter, collect } = fixture(
      viewed({ attributeKeys: { excluded: ['user'] }, cardinalityLimit: 2 }),
    );
    const counter = meter.createCounter('i');
    for (let i = 0; i < 100; i++) counter.add(1, { user: i, route: i % 2 });
    assert.equal(provider.counters.overflowed, 0);
    counter.add(1, { route: 2 });
    assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [
      [{ 'otel.metric.overflow': true }, 1],
      [{ route: 0 }, 50],
      [{ route: 1 }, 50],
    ]);
  });

  it('has what it leaves out in its exemplars, as well as labels of the context', () => {
    const { meter, collect } = fixture(viewed({ attributeKeys: { included: ['route'] } }), {
      labels: ['tenant'],
    });
    const context = ObservabilityContext.root
      .withLabels({ tenant: 'acme', code: 'label' })
      .withIdentity(SpanIdentity.root(1));
    meter.createCounter('i').add(1, attributes, context);
    const [point] = numberPoints(metricNamed(collect(), 'i'));
    assert.deepEqual(attributesOf(point!.attributes), { route: '/a' });
    assert.deepEqual(attributesOf(point!.exemplars[0]!.filteredAttributes), {
      tenant: 'acme',
      user: 'u1',
      code: 200,
    });
  });

  it('adds up observed totals that become one, and keeps the last of observed values', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: '*' }, stream: { attributeKeys: { included: ['cpu'] } } },
    ]);
    const observe = (result: ObservableResult): void => {
      for (const state of [1, 2, 4]) result.observe(state, { cpu: 0, state });
    };
    meter.createObservableCounter('total').addCallback(observe);
    meter.createObservableGauge('level').addCallback(observe);
    for (let round = 0; round < 2; round++) {
      const metrics = collect();
      assert.deepEqual(valuesOf(metricNamed(metrics, 'total')), [[{ cpu: 0 }, 7]]);
      assert.deepEqual(valuesOf(metricNamed(metrics, 'level')), [[{ cpu: 0 }, 4]]);
    }
  });

  it('does not disturb a caller whose attributes throw', () => {
    const { provider, meter, collect } = fixture(viewed({ attributeKeys: { excluded: ['a'] } }));
    const counter = meter.createCounter('i');
    counter.add(1, {
      get b(): string {
        throw new Error('no');
      },
    });
    counter.add(2, { a: 1 });
    assert.equal(provider.counters.rejected, 1);
    assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{}, 2]]);
  });
});

describe('the aggregation of a view', () => {
  it('sum adds up whatever is recorded, and only grows where the instrument does', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: '*' }, stream: { aggregation: { type: 'sum' } } },
    ]);
    measureAll(meter);
    meter.createHistogram('histogram').record(2);
    meter.createGauge('gauge').record(2);
    const sums = collect().map(({ name, data }) => {
      assert.ok(data?.type === 'sum', `${name} is a ${data?.type}`);
      return [name, data.monotonic, data.points[0]!.value];
    });
    assert.deepEqual(
      new Map(sums.map(([name, ...rest]) => [name, rest])),
      new Map<unknown, unknown>([
        ['counter', [true, 1]],
        ['up_down_counter', [false, -1]],
        ['histogram', [true, 3]],
        ['gauge', [false, 3]],
        ['observable_counter', [true, 1]],
        ['observable_up_down_counter', [false, -1]],
        ['observable_gauge', [false, 1]],
      ]),
    );
  });

  it('last_value keeps the last', () => {
    const { meter, collect } = fixture(viewed({ aggregation: { type: 'last_value' } }));
    const counter = meter.createCounter('i');
    for (const value of [5, 3]) counter.add(value);
    const metric = metricNamed(collect(), 'i');
    assert.equal(metric.data?.type, 'gauge');
    assert.deepEqual(valuesOf(metric), [[{}, 3]]);
  });

  it('explicit_bucket_histogram has its boundaries or the default ones, whatever is advised', () => {
    for (const boundaries of [[1, 2], undefined]) {
      const { meter, collect } = fixture(
        viewed({ aggregation: { type: 'explicit_bucket_histogram', ...(boundaries && { boundaries }) } }),
      );
      meter.createHistogram('i', { advice: { explicitBucketBoundaries: [7] } }).record(1.5);
      const [point] = histogramPoints(metricNamed(collect(), 'i'));
      assert.equal(point!.explicitBounds.length, boundaries?.length ?? 15);
      assert.deepEqual([point!.sum, point!.min, point!.max], [1.5, 1.5, 1.5]);
    }
  });

  it('default honours what is advised', () => {
    for (const stream of [{ aggregation: { type: 'default' } as const }, {}]) {
      const { meter, collect } = fixture(viewed(stream));
      meter.createHistogram('i', { advice: { explicitBucketBoundaries: [7] } }).record(1.5);
      assert.deepEqual(histogramPoints(metricNamed(collect(), 'i'))[0]!.explicitBounds, [7]);
    }
  });

  it('explicit_bucket_histogram of what goes up and down has no sum', () => {
    for (const create of ['createUpDownCounter', 'createGauge', 'createCounter'] as const) {
      const { meter, collect } = fixture(viewed({ aggregation: { type: 'explicit_bucket_histogram' } }));
      const instrument = meter[create]('i');
      const values = create === 'createCounter' ? [1, 3] : [-1, 3];
      for (const value of values) 'add' in instrument ? instrument.add(value) : instrument.record(value);
      const [point] = histogramPoints(metricNamed(collect(), 'i'));
      assert.equal(point!.sum, create === 'createCounter' ? 4 : undefined);
      assert.deepEqual([point!.count, point!.min, point!.max], [2, values[0], 3]);
    }
  });

  it('base2_exponential_bucket_histogram has its size and scale', () => {
    const aggregation = { type: 'base2_exponential_bucket_histogram', maxSize: 2, maxScale: 3 } as const;
    const { meter, collect } = fixture(viewed({ aggregation }));
    const histogram = meter.createHistogram('i');
    histogram.record(1);
    assert.equal(exponentialPoints(metricNamed(collect(), 'i'))[0]!.scale, 3);
    for (const value of [Number.MIN_VALUE, 1e300]) histogram.record(value);
    const [point] = exponentialPoints(metricNamed(collect(), 'i'));
    assert.deepEqual([point!.scale, point!.positive], [-10, { offset: -1, counts: [2, 1] }]);
  });

  it('leaves out the extremes where it is told to', () => {
    for (const type of ['explicit_bucket_histogram', 'base2_exponential_bucket_histogram'] as const) {
      const { meter, collect } = fixture(viewed({ aggregation: { type, recordMinMax: false } }));
      meter.createHistogram('i').record(1.5);
      const metric = metricNamed(collect(), 'i');
      const [point] = metric.data?.type === 'histogram' ? histogramPoints(metric) : exponentialPoints(metric);
      assert.deepEqual([point!.count, point!.sum, point!.min, point!.max], [1, 1.5, undefined, undefined]);
    }
  });

  it('drop keeps nothing, and asks no callback whose values nobody takes', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: 'dropped.*' }, stream: { aggregation: { type: 'drop' } } },
    ]);
    meter.createCounter('dropped.c').add(1);
    const histogram: BindableHistogram = meter.createHistogram('dropped.h');
    histogram.bind!({ a: 1 }).record(1);
    const dropped = meter.createObservableGauge('dropped.g');
    let calls = 0;
    dropped.addCallback(() => void calls++);
    meter.addBatchObservableCallback(() => void calls++, [dropped]);
    const kept = meter.createObservableGauge('kept');
    meter.addBatchObservableCallback(result => result.observe(kept, 1), [dropped, kept]);
    assert.deepEqual(namesOf(collect()), ['kept']);
    assert.equal(calls, 0);
  });

  it('that its instrument cannot have is warned of, and the view is as if it were not there', () => {
    const { meter, collect } = fixture([
      {
        selector: { instrumentName: 'g' },
        stream: { name: 'x', aggregation: { type: 'explicit_bucket_histogram' } },
      },
      {
        selector: { instrumentName: 'u' },
        stream: { name: 'y', aggregation: { type: 'base2_exponential_bucket_histogram' } },
      },
    ]);
    const warned = warnings(() => {
      meter.createObservableGauge('g').addCallback(result => result.observe(1));
      meter.createUpDownCounter('u').add(-1);
    });
    assert.equal(warned.length, 2);
    assert.match(warned[0]!, /explicit_bucket_histogram of "g" \(observable_gauge/);
    assert.deepEqual(namesOf(collect()).sort(), ['g', 'u']);
  });
});

describe('several views', () => {
  it('of one instrument make a metric each, and do not merge', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: 'i' } },
      {
        selector: { instrumentName: 'i' },
        stream: { name: 'by.route', attributeKeys: { included: ['route'] }, aggregation: { type: 'sum' } },
      },
      { selector: { instrumentName: '*' }, stream: { aggregation: { type: 'drop' } } },
    ]);
    const histogram: BindableHistogram = meter.createHistogram('i');
    for (let i = 0; i < 2; i++) histogram.record(3, { route: '/a', user: i });
    const bound = histogram.bind!({ route: '/b' });
    for (let i = 0; i < 3; i++) bound.record(1);
    meter.createCounter('other').add(1);
    const metrics = collect();
    assert.deepEqual(namesOf(metrics), ['i', 'by.route']);
    assert.deepEqual(
      histogramPoints(metricNamed(metrics, 'i')).map(({ count }) => count),
      [1, 1, 3],
    );
    assert.deepEqual(valuesOf(metricNamed(metrics, 'by.route')), [
      [{ route: '/a' }, 6],
      [{ route: '/b' }, 3],
    ]);
  });

  it('that make metrics of the same name are warned of, and all of them are sent', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: 'i' } },
      { selector: { instrumentName: '*' }, stream: { attributeKeys: { included: [] } } },
    ]);
    const warned = warnings(() => meter.createCounter('i').add(1, { a: 1 }));
    assert.equal(warned.length, 1);
    assert.match(warned[0]!, /Two views make a metric "i" of "i" \(counter.*A stream.name tells them apart/);
    assert.deepEqual(collect().map(valuesOf), [[[{ a: 1 }, 1]], [[{}, 1]]]);
  });

  it('resolve what instruments of one name are in conflict about', () => {
    const { meter, collect } = fixture([
      { selector: { instrumentName: 'i', instrumentType: 'histogram' }, stream: { name: 'i.histogram' } },
      { selector: { instrumentName: 'i', instrumentType: 'counter' }, stream: { description: 'Agreed.' } },
    ]);
    const warned = warnings(() => {
      meter.createCounter('i', { description: 'One.' }).add(1);
      meter.createCounter('i', { description: 'Other.' }).add(1);
      meter.createHistogram('i').record(1);
    });
    assert.deepEqual(warned, []);
    const metrics = collect();
    assert.deepEqual(namesOf(metrics), ['i', 'i.histogram']);
    assert.equal(metrics[0]!.description, 'Agreed.');
  });
});

describe('a view that cannot be used', () => {
  const selector = { instrumentName: 'i' };
  const wrong: readonly [unknown, RegExp][] = [
    [undefined, /^views\[0\] is undefined; it takes an object/],
    [{}, /^views\[0\]\.selector is undefined; it takes an object/],
    [{ selector: {} }, /selects nothing; instrumentName: "\*" is all instruments/],
    [{ selector: { name: 'i' } }, /Unknown views\[0\]\.selector\.name: there are instrumentName, /],
    [{ selector: { instrumentType: 'timer' } }, /instrumentType is "timer"; it takes one of counter, /],
    [{ selector, steam: {} }, /Unknown views\[0\]\.steam: there are selector, stream/],
    [{ selector, stream: { name: 7 } }, /stream\.name is 7; it takes text/],
    [{ selector: { instrumentName: 'i*' }, stream: { name: 'x' } }, /name needs .* without wildcards/],
    [{ selector: { unit: 's' }, stream: { name: 'x' } }, /name needs .* without wildcards/],
    [{ selector, stream: { cardinalityLimit: 0 } }, /cardinalityLimit is 0; .* from 1 to 1000000/],
    [{ selector, stream: { attributeKeys: ['a'] } }, /attributeKeys is \["a"\]; it takes an object/],
    [{ selector, stream: { attributeKeys: { included: 'a' } } }, /included is "a"; it takes a list of texts/],
    [
      { selector, stream: { attributeKeys: { included: ['a'], excluded: ['a'] } } },
      /both includes and excludes "a"/,
    ],
    [
      { selector, stream: { aggregation: { type: 'mean' } } },
      /type is "mean"; it takes one of default, drop/,
    ],
    [
      { selector, stream: { aggregation: { type: 'sum', boundaries: [] } } },
      /Unknown .*\.boundaries: there are type/,
    ],
    [
      { selector, stream: { aggregation: { type: 'explicit_bucket_histogram', boundaries: [2, 1] } } },
      /boundaries is \[2,1\]; it takes up to 511 finite, ascending numbers/,
    ],
    [
      { selector, stream: { aggregation: { type: 'base2_exponential_bucket_histogram', maxSize: 1 } } },
      /maxSize is 1; .* from 2 to 512/,
    ],
  ];
  for (const [view, message] of wrong)
    it(`is refused, with what would be right: ${message.source}`, () => {
      assert.throws(
        () => checkedViews([view as View]),
        error => {
          assert.ok(error instanceof OptionError);
          assert.match(error.message, message);
          return true;
        },
      );
    });

  it('stands in a list', () => {
    assert.throws(() => checkedViews({} as never), /views takes a list/);
  });
});
