// The rules of views and their aggregations (specification/metrics/sdk § View, § Aggregation).
import assert from 'node:assert/strict';
import { trace } from '@opentelemetry/api';
import { SpanIdentity } from '../../../src/context/identity.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import { instrumentKinds } from '../../../src/metrics/descriptor.ts';
import { checkedViews, type View, type ViewSelector, type ViewStream } from '../../../src/metrics/view.ts';
import {
  attributesOf,
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  valuesOf,
} from '../../metrics/collected.ts';
import { warnings } from '../../warnings.ts';
import { notApplicable, rule } from '../rule.ts';
import { metered } from './metered.ts';

const drop = { aggregation: { type: 'drop' } } as const;
const ofI = (stream: ViewStream): View[] => [{ selector: { instrumentName: 'i' }, stream }];

/** Whether the selector matches a counter `http.requests` in `{request}` of the meter `conformance` 1.0. */
function selects(selector: ViewSelector): boolean {
  const { meter, collect } = metered({ views: [{ selector, stream: drop }] });
  meter.createCounter('http.requests', { unit: '{request}' }).add(1);
  return collect().length === 0;
}

const criteria: readonly [keyof ViewSelector, string, string][] = [
  ['instrumentName', 'http.requests', 'http.request'],
  ['instrumentType', 'counter', 'gauge'],
  ['unit', '{request}', '1'],
  ['meterName', 'conformance', 'conform'],
  ['meterVersion', '1.0', '1'],
];
for (const [key, right, wrong] of criteria)
  rule('metrics/sdk § Instrument selection criteria', `${key} is a criterion, and no other is needed`, () => {
    assert.deepEqual([selects({ [key]: right }), selects({ [key]: wrong })], [true, false]);
  });

rule('metrics/sdk § Instrument selection criteria', 'meter_schema_url is a criterion', () => {
  const views = [{ selector: { meterSchemaUrl: 'https://example.org/1' }, stream: drop }];
  const { provider, collect } = metered({ views });
  for (const schemaUrl of ['https://example.org/1', 'https://example.org/2'])
    provider
      .getMeter('m', '1', { schemaUrl })
      .createCounter(`c${schemaUrl.at(-1)}`)
      .add(1);
  assert.deepEqual(
    collect().map(({ name }) => name),
    ['c2'],
  );
});

rule('metrics/sdk § Instrument selection criteria', 'criteria are additive', () => {
  assert.equal(selects({ instrumentName: 'http.requests', instrumentType: 'counter' }), true);
  assert.equal(selects({ instrumentName: 'http.requests', instrumentType: 'histogram' }), false);
});

rule('metrics/sdk § Instrument selection criteria', '* matches all, ? one character, * any number', () => {
  for (const instrumentName of ['*', 'http.*', 'http?requests', 'http.requests*', '*e?ts'])
    assert.equal(selects({ instrumentName }), true, instrumentName);
  for (const instrumentName of ['?', 'http.requests?', 'http*x', 'http-requests'])
    assert.equal(selects({ instrumentName }), false, instrumentName);
});

rule('metrics/sdk § Stream configuration', 'a name is used, else that of the instrument', () => {
  for (const name of ['renamed', undefined]) {
    const { meter, collect } = metered({ views: ofI(name === undefined ? {} : { name }) });
    meter.createCounter('i').add(1);
    assert.equal(collect()[0]!.name, name ?? 'i');
  }
});

rule('metrics/sdk § Stream configuration', 'a name for what may be several instruments fails fast', () => {
  for (const selector of [{ instrumentName: 'i*' }, { instrumentType: 'counter' } as const])
    assert.throws(() => checkedViews([{ selector, stream: { name: 'x' } }]), /without wildcards/);
});

rule('metrics/sdk § Stream configuration', 'a description is used, else that of the instrument', () => {
  for (const description of ['viewed', undefined]) {
    const { meter, collect } = metered({ views: ofI(description === undefined ? {} : { description }) });
    meter.createCounter('i', { description: 'own' }).add(1);
    assert.equal(collect()[0]!.description, description ?? 'own');
  }
});

rule('metrics/sdk § Stream configuration', 'of attributes an allow-list keeps these, and no others', () => {
  const { meter, collect } = metered({ views: ofI({ attributeKeys: { included: ['a'] } }) });
  meter.createCounter('i').add(1, { a: 1, b: 2 });
  assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{ a: 1 }, 1]]);
});

rule('metrics/sdk § Stream configuration', 'an exclude-list keeps all others', () => {
  const { meter, collect } = metered({ views: ofI({ attributeKeys: { excluded: ['a'] } }) });
  meter.createCounter('i').add(1, { a: 1, b: 2, c: 3 });
  assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{ b: 2, c: 3 }, 1]]);
});

rule('metrics/sdk § Stream configuration', 'a key that is both included and excluded fails fast', () => {
  const attributeKeys = { included: ['a'], excluded: ['a'] };
  assert.throws(() => checkedViews(ofI({ attributeKeys })), /both includes and excludes/);
});

rule('metrics/sdk § Stream configuration', 'without a list all attributes are kept', () => {
  const { meter, collect } = metered({ views: ofI({ description: 'x' }) });
  meter.createCounter('i').add(1, { a: 1, b: 2 });
  assert.deepEqual(valuesOf(metricNamed(collect(), 'i')), [[{ a: 1, b: 2 }, 1]]);
});

rule(
  'metrics/sdk § Stream configuration',
  'without an aggregation the default one of the kind applies',
  () => {
    const { meter, collect } = metered({
      views: ofI({ description: 'x' }),
      histogramAggregation: 'base2_exponential_bucket_histogram',
    });
    meter.createHistogram('i').record(1);
    assert.equal(collect()[0]!.data?.type, 'exponentialHistogram');
  },
);

notApplicable(
  'metrics/sdk § Stream configuration',
  'exemplar_reservoir is a parameter',
  'the reservoirs are built in: one measurement for each series or bucket',
);

rule(
  'metrics/sdk § Stream configuration',
  'aggregation_cardinality_limit is used, else that of the provider',
  () => {
    for (const cardinalityLimit of [3, undefined]) {
      const stream = cardinalityLimit === undefined ? {} : { cardinalityLimit };
      const { meter, collect } = metered({ views: ofI(stream), cardinalityLimit: 2 });
      const counter = meter.createCounter('i');
      for (let i = 0; i < 9; i++) counter.add(1, { i });
      assert.equal(numberPoints(metricNamed(collect(), 'i')).length, (cardinalityLimit ?? 2) + 1);
    }
  },
);

rule(
  'metrics/sdk § Measurement processing',
  'without views the default aggregation, and what is advised',
  () => {
    const { meter, collect } = metered();
    meter.createHistogram('h', { advice: { explicitBucketBoundaries: [7] } }).record(1);
    assert.deepEqual(histogramPoints(metricNamed(collect(), 'h'))[0]!.explicitBounds, [7]);
  },
);

rule(
  'metrics/sdk § Measurement processing',
  'each view that matches applies by itself; they do not merge',
  () => {
    const { meter, collect } = metered({
      views: [
        { selector: { instrumentName: 'i' }, stream: { name: 'a', attributeKeys: { included: ['x'] } } },
        { selector: { instrumentName: 'i' }, stream: { name: 'b', description: 'B' } },
      ],
    });
    meter.createCounter('i').add(1, { x: 1, y: 2 });
    const metrics = collect();
    assert.deepEqual(valuesOf(metricNamed(metrics, 'a')), [[{ x: 1 }, 1]]);
    assert.equal(metricNamed(metrics, 'a').description, '');
    assert.deepEqual(valuesOf(metricNamed(metrics, 'b')), [[{ x: 1, y: 2 }, 1]]);
  },
);

rule(
  'metrics/sdk § Measurement processing',
  'conflicting identities: the view applies, with a warning',
  () => {
    const { meter, collect } = metered({
      views: [
        { selector: { instrumentName: 'i' }, stream: { aggregation: { type: 'sum' } } },
        { selector: { instrumentName: '*' }, stream: { attributeKeys: { included: ['x'] } } },
      ],
    });
    assert.equal(warnings(() => meter.createCounter('i').add(1)).length, 1);
    assert.equal(collect().length, 2);
  },
);

rule(
  'metrics/sdk § Measurement processing',
  'a semantic error: a warning, and as if there were no view',
  () => {
    const { meter, collect } = metered({
      views: ofI({ aggregation: { type: 'explicit_bucket_histogram' } }),
    });
    const warned = warnings(() =>
      meter.createObservableCounter('i').addCallback(result => result.observe(1)),
    );
    assert.equal(warned.length, 1);
    assert.equal(metricNamed(collect(), 'i').data?.type, 'sum');
  },
);

rule('metrics/sdk § Measurement processing', 'what the view says is before what is advised', () => {
  const aggregation = { type: 'explicit_bucket_histogram', boundaries: [3] } as const;
  const { meter, collect } = metered({ views: ofI({ aggregation }) });
  meter.createHistogram('i', { advice: { explicitBucketBoundaries: [7] } }).record(1);
  assert.deepEqual(histogramPoints(metricNamed(collect(), 'i'))[0]!.explicitBounds, [3]);
});

rule('metrics/sdk § Measurement processing', 'what no view matches is there by default', () => {
  const { meter, collect } = metered({ views: ofI(drop) });
  meter.createCounter('other').add(1);
  assert.deepEqual(valuesOf(metricNamed(collect(), 'other')), [[{}, 1]]);
});

rule('metrics/sdk § Measurement processing', 'a view that drops all leaves what another view keeps', () => {
  const { meter, collect } = metered({
    views: [{ selector: { instrumentName: 'x' } }, { selector: { instrumentName: '*' }, stream: drop }],
  });
  const warned = warnings(() => {
    for (const name of ['x', 'y']) meter.createCounter(name).add(1);
  });
  assert.deepEqual([warned, collect().map(({ name }) => name)], [[], ['x']]);
});

rule('metrics/sdk § Default Aggregation', 'by the kind of the instrument', () => {
  const { meter, collect } = metered();
  meter.createCounter('counter').add(1);
  meter.createUpDownCounter('up_down_counter').add(1);
  meter.createGauge('gauge').record(1);
  meter.createHistogram('histogram').record(1);
  meter.createObservableCounter('observable_counter').addCallback(r => r.observe(1));
  meter.createObservableUpDownCounter('observable_up_down_counter').addCallback(r => r.observe(1));
  meter.createObservableGauge('observable_gauge').addCallback(r => r.observe(1));
  const types = Object.fromEntries(collect().map(({ name, data }) => [name, data?.type]));
  const expected = (kind: string): string =>
    kind === 'histogram' ? 'histogram' : kind.endsWith('gauge') ? 'gauge' : 'sum';
  assert.deepEqual(types, Object.fromEntries(instrumentKinds.map(kind => [kind, expected(kind)])));
});

rule('metrics/sdk § Sum Aggregation', 'counters and histograms are monotonic, all else is not', () => {
  const sum = { selector: { instrumentName: '*' }, stream: { aggregation: { type: 'sum' } } } as const;
  const { meter, collect } = metered({ views: [sum] });
  meter.createCounter('counter').add(1);
  meter.createUpDownCounter('up_down_counter').add(1);
  meter.createHistogram('histogram').record(1);
  meter.createGauge('gauge').record(1);
  meter.createObservableCounter('observable_counter').addCallback(r => r.observe(1));
  meter.createObservableUpDownCounter('observable_up_down_counter').addCallback(r => r.observe(1));
  meter.createObservableGauge('observable_gauge').addCallback(r => r.observe(1));
  const monotonic = collect()
    .filter(({ data }) => data?.type === 'sum' && data.monotonic)
    .map(({ name }) => name);
  assert.deepEqual(monotonic.sort(), ['counter', 'histogram', 'observable_counter']);
});

rule('metrics/sdk § Last Value Aggregation', 'the last measurement, with a time', () => {
  const { meter, collect } = metered({ views: ofI({ aggregation: { type: 'last_value' } }) });
  const counter = meter.createCounter('i');
  for (const value of [5, 2]) counter.add(value);
  const [point] = numberPoints(metricNamed(collect(), 'i'));
  assert.equal(point!.value, 2);
  assert.ok(point!.timeUnixNano > 0n);
});

rule('metrics/sdk § Histogram Aggregations', 'count, sum, min and max', () => {
  const { meter, collect } = metered();
  const histogram = meter.createHistogram('h');
  for (const value of [2, 3, 7]) histogram.record(value);
  const [point] = histogramPoints(metricNamed(collect(), 'h'));
  assert.deepEqual([point!.count, point!.sum, point!.min, point!.max], [3, 12, 2, 7]);
});

rule('metrics/sdk § Histogram Aggregations', 'no sum of measurements that may be negative', () => {
  const { meter, collect } = metered({ views: ofI({ aggregation: { type: 'explicit_bucket_histogram' } }) });
  meter.createUpDownCounter('i').add(-2);
  const [point] = histogramPoints(metricNamed(collect(), 'i'));
  assert.deepEqual([point!.count, point!.sum], [1, undefined]);
});

rule('metrics/sdk § Explicit Bucket Histogram Aggregation', 'the default boundaries', () => {
  const { meter, collect } = metered();
  meter.createHistogram('h').record(1);
  assert.deepEqual(
    histogramPoints(metricNamed(collect(), 'h'))[0]!.explicitBounds,
    [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000],
  );
});

rule('metrics/sdk § Explicit Bucket Histogram Aggregation', 'buckets include their upper boundary', () => {
  const aggregation = { type: 'explicit_bucket_histogram', boundaries: [1, 2] } as const;
  const { meter, collect } = metered({ views: ofI({ aggregation }) });
  const histogram = meter.createHistogram('i');
  for (const value of [1, 1.5, 2, 3]) histogram.record(value);
  assert.deepEqual(histogramPoints(metricNamed(collect(), 'i'))[0]!.bucketCounts, [1, 2, 1]);
});

for (const type of ['explicit_bucket_histogram', 'base2_exponential_bucket_histogram'] as const)
  rule('metrics/sdk § Histogram Aggregations', `${type}: RecordMinMax is honored`, () => {
    const { meter, collect } = metered({ views: ofI({ aggregation: { type, recordMinMax: false } }) });
    meter.createHistogram('i').record(1);
    const metric = metricNamed(collect(), 'i');
    const [point] = metric.data?.type === 'histogram' ? histogramPoints(metric) : exponentialPoints(metric);
    assert.deepEqual([point!.min, point!.max, point!.sum], [undefined, undefined, 1]);
  });

const exponential = (more: { maxSize?: number; maxScale?: number } = {}): View[] =>
  ofI({ aggregation: { type: 'base2_exponential_bucket_histogram', ...more } });

rule(
  'metrics/sdk § Base2 Exponential Bucket Histogram Aggregation',
  'MaxSize and MaxScale are honored',
  () => {
    const { meter, collect } = metered({ views: exponential({ maxSize: 10, maxScale: 4 }) });
    const histogram = meter.createHistogram('i');
    histogram.record(1);
    assert.equal(exponentialPoints(metricNamed(collect(), 'i'))[0]!.scale, 4);
    for (let value = 1; value < 1000; value++) histogram.record(value);
    assert.ok(exponentialPoints(metricNamed(collect(), 'i'))[0]!.positive.counts.length <= 10);
  },
);

rule(
  'metrics/sdk § Base2 Exponential: all normal values',
  'the whole range; what is not finite is left out',
  () => {
    const { meter, collect } = metered({ views: exponential() });
    const histogram = meter.createHistogram('i');
    const values = [2 ** -1022, 1, Number.MAX_VALUE / 4];
    for (const value of [...values, Number.NaN, Number.POSITIVE_INFINITY]) histogram.record(value);
    const [point] = exponentialPoints(metricNamed(collect(), 'i'));
    assert.deepEqual([point!.count, point!.min, point!.max], [3, values[0], values[2]]);
    assert.equal(point!.sum, values[0]! + values[1]! + values[2]!);
  },
);

notApplicable(
  'metrics/sdk § Base2 Exponential: all normal values',
  'negative values',
  'histograms record none, and a view that asks it of what goes up and down is refused with a warning',
);

rule('metrics/sdk § Base2 Exponential: single measurements', 'have the maximum scale', () => {
  const { meter, collect } = metered({ views: exponential() });
  meter.createHistogram('i').record(123.4);
  assert.equal(exponentialPoints(metricNamed(collect(), 'i'))[0]!.scale, 20);
});

rule('metrics/sdk § Base2 Exponential: ideal scale', 'more than half of the buckets are needed', () => {
  const { meter, collect } = metered({ views: exponential() });
  const histogram = meter.createHistogram('i');
  for (let value = 1; value <= 1000; value++) histogram.record(value);
  const { positive } = exponentialPoints(metricNamed(collect(), 'i'))[0]!;
  assert.ok(positive.counts.length > 80 && positive.counts.length <= 160, `${positive.counts.length}`);
});

rule('metrics/sdk § Exemplar', 'attributes that a view leaves out are in the exemplar', () => {
  const { meter, collect } = metered({ views: ofI({ attributeKeys: { included: ['X', 'Y'] } }) });
  const identity = SpanIdentity.root(1);
  const context = ObservabilityContext.root.withSpan(trace.wrapSpanContext(identity));
  meter.createCounter('i').add(1, { X: 'x', Y: 'y', Z: 'z' }, context);
  const [point] = numberPoints(metricNamed(collect(), 'i'));
  const [exemplar] = point!.exemplars;
  assert.deepEqual(attributesOf(point!.attributes), { X: 'x', Y: 'y' });
  assert.deepEqual(attributesOf(exemplar!.filteredAttributes), { Z: 'z' });
  assert.equal(Buffer.from(exemplar!.traceId).toString('hex'), identity.traceId);
});
