// The rules of what is read from the metrics SDK and sent (specification/metrics/sdk): exemplars, readers, producers.
import assert from 'node:assert/strict';
import { trace } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { SpanIdentity } from '../../../src/context/identity.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import { MeterProvider } from '../../../src/metrics/meter-provider.ts';
import { MemorySink } from '../../memory-sink.ts';
import {
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  takeMetrics,
  traceIdOf,
  valuesOf,
} from '../../metrics/collected.ts';
import { notApplicable, rule } from '../rule.ts';
import { metered } from './metered.ts';

const spans = (metric: DecodedMetric): [bigint, bigint][] =>
  numberPoints(metric).map(point => [point.startTimeUnixNano, point.timeUnixNano]);
const underSpan = (flags: number): ObservabilityContext =>
  ObservabilityContext.root.withSpan(trace.wrapSpanContext(SpanIdentity.root(flags)));

rule('metrics/sdk § Exemplar', 'value, time, trace and span of the measurement', () => {
  const { meter, collect } = metered();
  const identity = SpanIdentity.root(1);
  const context = ObservabilityContext.root.withSpan(trace.wrapSpanContext(identity));
  meter.createCounter('c').add(7, {}, context);
  const [point] = numberPoints(metricNamed(collect(), 'c'));
  const [exemplar] = point!.exemplars;
  assert.deepEqual([exemplar!.value, traceIdOf(exemplar!)], [7, identity.traceId]);
  assert.equal(Buffer.from(exemplar!.spanId).toString('hex'), identity.spanId);
  assert.ok(
    exemplar!.timeUnixNano >= point!.startTimeUnixNano && exemplar!.timeUnixNano <= point!.timeUnixNano,
  );
});

const filters = { always_on: 3, always_off: 0, trace_based: 1 } as const;
for (const [exemplarFilter, expected] of Object.entries(filters))
  rule('metrics/sdk § ExemplarFilter', `${exemplarFilter}`, () => {
    const { meter, collect } = metered({ exemplarFilter: exemplarFilter as keyof typeof filters });
    const counter = meter.createCounter('c');
    counter.add(1, { a: 1 }, underSpan(1));
    counter.add(1, { a: 2 }, underSpan(0));
    counter.add(1, { a: 3 });
    const exemplars = numberPoints(metricNamed(collect(), 'c')).flatMap(point => point.exemplars);
    assert.equal(exemplars.length, expected);
  });

rule('metrics/sdk § ExemplarFilter', 'TraceBased is the default', () => {
  const { meter, collect } = metered();
  const counter = meter.createCounter('c');
  counter.add(1, { a: 1 }, underSpan(1));
  counter.add(1, { a: 2 }, underSpan(0));
  assert.deepEqual(
    numberPoints(metricNamed(collect(), 'c')).map(({ exemplars }) => exemplars.length),
    [1, 0],
  );
});

rule('metrics/sdk § Exemplar defaults', 'explicit buckets: at most one for each bucket', () => {
  const { meter, collect } = metered({ exemplarFilter: 'always_on' });
  const histogram = meter.createHistogram('h', { advice: { explicitBucketBoundaries: [1, 2] } });
  for (const value of [0.5, 0.6, 1.5, 9, 9]) histogram.record(value);
  const values = histogramPoints(metricNamed(collect(), 'h'))[0]!.exemplars.map(({ value }) => Number(value));
  assert.equal(values.length, 3);
  assert.deepEqual(
    values.map(value => Math.ceil(value)),
    [1, 2, 9],
  );
});

rule('metrics/sdk § Exemplar defaults', 'exponential buckets: at most the smaller of 20 and MaxSize', () => {
  for (const maxSize of [160, 4]) {
    const aggregation = { type: 'base2_exponential_bucket_histogram', maxSize } as const;
    const { meter, collect } = metered({
      exemplarFilter: 'always_on',
      views: [{ selector: { instrumentName: 'h' }, stream: { aggregation } }],
    });
    const histogram = meter.createHistogram('h');
    for (let exponent = -20; exponent < 20; exponent++) histogram.record(2 ** exponent);
    const [point] = exponentialPoints(metricNamed(collect(), 'h'));
    assert.equal(point!.exemplars.length, Math.min(20, maxSize));
  }
});

rule('metrics/sdk § ExemplarReservoir', 'is reset at each collection', () => {
  const { meter, collect } = metered({ exemplarFilter: 'always_on' });
  const counter = meter.createCounter('c');
  counter.add(1);
  collect();
  assert.deepEqual(numberPoints(metricNamed(collect(), 'c'))[0]!.exemplars, []);
});

notApplicable(
  'metrics/sdk § Custom ExemplarReservoir',
  'users provide reservoirs of their own',
  'the reservoirs are built in, so that a measurement that is not kept costs a count',
);

rule(
  'metrics/sdk § MetricReader',
  'cumulative, synchronous: points come again without new measurements',
  () => {
    const { meter, collect } = metered();
    meter.createCounter('c').add(1);
    meter.createGauge('g').record(1);
    for (let i = 0; i < 3; i++) assert.equal(collect().length, 2);
  },
);

rule('metrics/sdk § MetricReader', 'delta, synchronous: only what was measured since', () => {
  const { meter, collect } = metered({ temporalityPreference: 'delta' });
  meter.createCounter('c').add(1);
  meter.createHistogram('h').record(1);
  assert.deepEqual([collect().length, collect().length], [2, 0]);
});

rule('metrics/sdk § MetricReader', 'delta, asynchronous: differences of totals', () => {
  const { meter, collect } = metered({ temporalityPreference: 'delta' });
  let total = 5;
  meter.createObservableCounter('o').addCallback(result => result.observe(total));
  const values = (): unknown => valuesOf(metricNamed(collect(), 'o'))[0]![1];
  assert.equal(values(), 5);
  total = 12;
  assert.equal(values(), 7);
});

rule('metrics/sdk § MetricReader', 'cumulative repeats the start, delta advances it', () => {
  for (const temporalityPreference of ['cumulative', 'delta'] as const) {
    const { meter, collect } = metered({ temporalityPreference });
    const counter = meter.createCounter('c');
    const seen: [bigint, bigint][] = [];
    for (let i = 0; i < 3; i++) {
      counter.add(1);
      seen.push(...spans(metricNamed(collect(), 'c')));
    }
    for (let i = 1; i < 3; i++)
      assert.equal(seen[i]![0], temporalityPreference === 'delta' ? seen[i - 1]![1] : seen[0]![0]);
  }
});

notApplicable(
  'metrics/sdk § MetricReader',
  'several readers on one provider, each with its temporality and aggregations',
  'there is one way out, and it is built in; a collector fans out',
);

rule('metrics/sdk § Periodic exporting MetricReader', 'collects at its interval, one at a time', periodic);

async function periodic(): Promise<void> {
  const arrived = Promise.withResolvers<void>();
  const sink = new (class extends MemorySink {
    override commit(items: number): boolean {
      const committed = super.commit(items);
      if (this.frames.length === 3) arrived.resolve();
      return committed;
    }
  })();
  const provider = new MeterProvider({ sink, interval: 1 });
  provider.getMeter('m').createCounter('c').add(1);
  provider.start();
  const alive = setInterval(() => {}, 1000);
  await arrived.promise;
  clearInterval(alive);
  await provider.shutdown();
  assert.ok(takeMetrics(sink).length >= 3);
}

for (const [section, text] of [
  ['MetricExporter', 'exporters are plugged in'],
  ['Pull Metric Exporter', 'a scraper asks'],
  ['MetricFilter', 'filters of points'],
] as const)
  notApplicable(`metrics/sdk § ${section}`, text, 'there is one way out, OTLP, and it is built in');

rule(
  'metrics/sdk § MetricProducer',
  'metrics of third parties are collected with those of the instruments',
  () => {
    const metric = {
      type: 'gauge',
      ...{ name: 'p', description: '', unit: '', integer: false, size: 1 },
      point: () => ({
        attributes: { keys: [], values: [], count: 0 },
        ...{ startTime: undefined, time: 1, value: 4, exemplars: [] },
      }),
    } as const;
    const { meter, sink, provider } = metered({
      producers: [{ collect: () => [{ scope: { name: 'elsewhere' }, metrics: [metric] }] }],
    });
    meter.createCounter('c').add(1);
    provider.collectSync();
    assert.deepEqual(
      sink.frames.map(({ scope }) => scope.name),
      ['conformance', 'elsewhere'],
    );
    assert.deepEqual(valuesOf(metricNamed(takeMetrics(sink), 'p')), [[{}, 4]]);
  },
);

rule('metrics/sdk § Numerical limits handling', 'NaN, infinities and overflows disturb nobody', () => {
  const { meter, collect } = metered();
  const [counter, gauge, histogram] = [
    meter.createCounter('c'),
    meter.createGauge('g'),
    meter.createHistogram('h'),
  ];
  for (const value of [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    counter.add(value);
    gauge.record(value);
    histogram.record(value);
  }
  meter.createCounter('big', { valueType: 0 }).add(Number.MAX_VALUE);
  const metrics = collect();
  assert.deepEqual(valuesOf(metricNamed(metrics, 'c')), [[{}, 1]]);
  assert.deepEqual(valuesOf(metricNamed(metrics, 'g')), [[{}, 1]]);
  assert.equal(histogramPoints(metricNamed(metrics, 'h'))[0]!.count, 1);
  assert.equal(metrics.length, 4);
});
