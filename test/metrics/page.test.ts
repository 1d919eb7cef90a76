// The page for Prometheus: which families and series it has, and how they are written.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ValueType } from '@opentelemetry/api';
import { processClock } from '../../src/context/clock.ts';
import { FLAG_SAMPLED, SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import type { MetricProducer } from '../../src/metrics/metric-producer.ts';
import { acceptedFormat } from '../../src/metrics/page/accept.ts';
import { type Exposed, exposed } from '../../src/metrics/page/families.ts';
import { merged } from '../../src/metrics/page/merge.ts';
import { type TextFormat, textPage } from '../../src/metrics/page/text.ts';
import type { AttributeList } from '../../src/transport/otlp/record.ts';
import { MemorySink } from '../memory-sink.ts';
import { complaints, promtool } from '../servers/prometheus.ts';
import { missing } from '../servers/server-process.ts';
import { metricNamed, takeMetrics, valuesOf } from './collected.ts';

const resource: AttributeList = { keys: ['service.name', 'host.id'], values: ['shop', ''], count: 2 };

function fixture(options: Partial<MeterProviderOptions> = {}) {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new MeterProvider({ sink, isRead: true, ...options });
  const show = (): Promise<Exposed> =>
    provider.read(scopes => exposed(scopes, resource, time => processClock.toUnixMillis(time)));
  const lines = async (format: TextFormat = 'openMetrics'): Promise<string[]> =>
    textPage(await show(), format).split('\n');
  return { sink, provider, meter: provider.getMeter(''), show, lines };
}

const sampled = (): ObservabilityContext =>
  ObservabilityContext.root.withIdentity(SpanIdentity.root(FLAG_SAMPLED));

/** Without what every page begins and ends with. */
const body = (lines: readonly string[]): string[] => lines.filter(line => !/target|^# EOF$|^$/.test(line));

describe('a page', () => {
  it('has each metric under the name that Prometheus has for it, with type, unit and help', async () => {
    const { meter, lines } = fixture();
    meter
      .createCounter('http.requests', { description: 'All "of"\nthem \\ so far' })
      .add(2, { 'http.route': '/' });
    meter.createUpDownCounter('pool.size', { unit: '{connection}' }).add(-1);
    meter.createGauge('memory', { unit: 'By', valueType: ValueType.INT }).record(5);
    meter.createHistogram('wait', { unit: 's', advice: { explicitBucketBoundaries: [1, 2.5] } }).record(2);
    assert.deepEqual(await lines(), [
      '# TYPE target info',
      '# HELP target Target metadata',
      'target_info{service_name="shop"} 1',
      '# TYPE http_requests counter',
      '# HELP http_requests All \\"of\\"\\nthem \\\\ so far',
      'http_requests_total{http_route="/"} 2',
      '# TYPE pool_size gauge',
      'pool_size -1',
      '# TYPE memory_bytes gauge',
      '# UNIT memory_bytes bytes',
      'memory_bytes 5',
      '# TYPE wait_seconds histogram',
      '# UNIT wait_seconds seconds',
      'wait_seconds_bucket{le="1"} 0',
      'wait_seconds_bucket{le="2.5"} 1',
      'wait_seconds_bucket{le="+Inf"} 1',
      'wait_seconds_sum 2',
      'wait_seconds_count 1',
      '# EOF',
      '',
    ]);
    assert.deepEqual((await lines('plain')).slice(0, 6), [
      '# TYPE target_info gauge',
      '# HELP target_info Target metadata',
      'target_info{service_name="shop"} 1',
      '# TYPE http_requests_total counter',
      '# HELP http_requests_total All "of"\\nthem \\\\ so far',
      'http_requests_total{http_route="/"} 2',
    ]);
  });

  it('says which scope a series is of, and keeps the names of its own labels free', async () => {
    const { provider, lines } = fixture();
    const meter = provider.getMeter('lib', '1.2', { schemaUrl: 'https://x' });
    const attributes = { le: 'a"\\\n', 'a.b': 1, a_b: [true, 'x'], 'otel.scope.name': 'forged', '1st': '' };
    meter.createHistogram('h', { advice: { explicitBucketBoundaries: [] } }).record(1, attributes);
    const [, line] = body(await lines());
    assert.equal(
      line,
      'h_bucket{a_b="1;[true,\\"x\\"]",key_le="a\\"\\\\\\n",key_otel_scope_name="forged",' +
        'otel_scope_name="lib",otel_scope_version="1.2",otel_scope_schema_url="https://x",le="+Inf"} 1',
    );
  });

  it('has one family of a name and one series of a set of labels, the first ones, and tells of the others', async () => {
    const { meter, show, lines } = fixture();
    meter.createCounter('a.b').add(1);
    meter.createCounter('a/b').add(2);
    meter.createUpDownCounter('a-b.total').add(3);
    meter.createHistogram('a_b').record(4);
    meter.createCounter('c').add(1, { 'x.y': 1 });
    meter.createCounter('c').add(5, { x_y: 1 });
    assert.deepEqual(body(await lines()), [
      '# TYPE a_b counter',
      'a_b_total 1',
      '# TYPE a_b_total gauge',
      'a_b_total 3',
      '# TYPE c counter',
      'c_total{x_y="1"} 1',
    ]);
    assert.deepEqual((await show()).conflicts, ['a_b']);
  });

  it('shows exemplars where they can be: of counters and buckets, in OpenMetrics', async () => {
    const { meter, lines } = fixture();
    const context = sampled();
    const bounds = { advice: { explicitBucketBoundaries: [1, 2] } };
    meter.createCounter('c').add(3, {}, context);
    meter.createUpDownCounter('u').add(3, {}, context);
    const histogram = meter.createHistogram('h', bounds);
    histogram.record(1.5, {}, context);
    histogram.record(0.5);
    const { traceId, spanId } = context.identity!;
    const mark = ` # {trace_id="${traceId}",span_id="${spanId}"} `;
    const marked = body(await lines()).filter(line => line.includes('{trace_id='));
    const [counted, bucket] = marked.map(line => line.split(mark));
    assert.equal(marked.length, 2);
    assert.deepEqual([counted![0], counted![1]!.split(' ')[0]], ['c_total 3', '3']);
    assert.deepEqual([bucket![0], bucket![1]!.split(' ')[0]], ['h_bucket{le="2"} 2', '1.5']);
    assert.ok(Math.abs(Number(counted![1]!.split(' ')[1]) - Date.now() / 1000) < 10);
    assert.ok((await lines('plain')).every(line => !line.includes('trace_id')));
  });

  it('has an exponential histogram in powers of two', async () => {
    const { meter, lines } = fixture({ histogramAggregation: 'base2_exponential_bucket_histogram' });
    const histogram = meter.createHistogram('h');
    for (const value of [0, 1, 1.5, 3, 8, 2 ** 70]) histogram.record(value);
    const buckets = body(await lines()).filter(line => /le="(0|1|2|4|8|16|\+Inf)"/.test(line));
    assert.deepEqual(buckets, [
      'h_bucket{le="0"} 1',
      'h_bucket{le="1"} 2',
      'h_bucket{le="2"} 3',
      'h_bucket{le="4"} 4',
      'h_bucket{le="8"} 5',
      'h_bucket{le="16"} 5',
      'h_bucket{le="+Inf"} 6',
    ]);
  });

  it('is taken by promtool', { skip: missing(promtool) }, async () => {
    const { provider, lines } = fixture();
    const meter = provider.getMeter('lib');
    const description = 'Help "me"';
    meter.createCounter('c', { description }).add(Number.MAX_VALUE, { 'a b': 'ü"\\\n{}' });
    meter.createHistogram('h', { description, unit: 's' }).record(1e-9);
    meter.createUpDownCounter('u', { description, unit: 'By' }).add(-1e300);
    const page = (await lines('plain')).join('\n');
    assert.equal(complaints(page), '');
    assert.match(
      complaints(page.replace('# TYPE c_total counter', '# TYPE c_total count')),
      /unknown metric type/,
    );
  });
});

describe('a page beside the export', () => {
  it('changes nothing of what is exported, and has the totals of what is exported as deltas', async () => {
    const { sink, provider, meter, lines } = fixture({ temporalityPreference: 'delta' });
    const counter = meter.createCounter('c');
    const histogram = meter.createHistogram('h', { advice: { explicitBucketBoundaries: [1] } });
    let total = 0;
    meter.createObservableCounter('o').addCallback(result => result.observe(total));
    const exported: unknown[] = [];
    const numbers = async (): Promise<string[]> => {
      const all = body(await lines());
      return all.filter(line => /^(c_total|h_sum|h_count|o_total)/.test(line));
    };
    for (let round = 1; round <= 3; round++) {
      counter.add(round, { a: 1 });
      if (round === 2) counter.add(7, { b: 1 });
      histogram.record(round);
      total += 10;
      const sum = (round * (round + 1)) / 2;
      const expected = (late: number): string[] => [
        `c_total{a="1"} ${sum + late}`,
        ...(round > 1 ? ['c_total{b="1"} 7'] : []),
        `h_sum ${sum}`,
        `h_count ${round}`,
        `o_total ${total}`,
      ];
      assert.deepEqual(await numbers(), expected(100 * (round - 1)));
      assert.deepEqual(await numbers(), expected(100 * (round - 1)));
      // What no page has seen before it is exported.
      counter.add(100, { a: 1 });
      await provider.collect();
      const metrics = takeMetrics(sink);
      exported.push([valuesOf(metricNamed(metrics, 'c')), valuesOf(metricNamed(metrics, 'o'))]);
      assert.deepEqual(await numbers(), expected(100 * round));
    }
    assert.deepEqual(exported, [
      [[[{ a: 1 }, 101]], [[{}, 10]]],
      [
        [
          [{ a: 1 }, 102],
          [{ b: 1 }, 7],
        ],
        [[{}, 10]],
      ],
      [[[{ a: 1 }, 103]], [[{}, 10]]],
    ]);
  });

  it('keeps an exemplar until there is another, however often the export has told it', async () => {
    for (const temporalityPreference of ['cumulative', 'delta'] as const) {
      const { sink, provider, meter, lines } = fixture({ temporalityPreference });
      meter.createCounter('c').add(1, {}, sampled());
      for (let i = 0; i < 2; i++) {
        await provider.collect();
        assert.match((await lines()).join('\n'), /c_total 1 # \{trace_id=/, temporalityPreference);
      }
      const told = takeMetrics(sink).map(
        ({ data }) => data?.type === 'sum' && data.points[0]?.exemplars.length,
      );
      assert.deepEqual(told, temporalityPreference === 'delta' ? [1] : [1, 0]);
    }
  });

  it('waits for a collection that is under way, which waits for it', async () => {
    const { sink, provider, meter, lines } = fixture();
    let calls = 0;
    meter.createObservableGauge('g').addCallback(async result => {
      const call = ++calls;
      await Promise.resolve();
      result.observe(call);
    });
    const [, page] = await Promise.all([provider.collect(), lines(), provider.collect()]);
    assert.ok(page.includes('g 2'), page.join('\n'));
    assert.deepEqual(
      takeMetrics(sink).map(metric => valuesOf(metric)[0]![1]),
      [1],
    );
    const [second] = await Promise.all([lines(), provider.collect()]);
    assert.ok(second.includes('g 3'));
    assert.deepEqual(
      takeMetrics(sink).map(metric => valuesOf(metric)[0]![1]),
      [4],
    );
  });

  it('has what producers give, and lets them know that it is only shown', async () => {
    const purposes: unknown[] = [];
    const producer: MetricProducer = {
      collect(clock, purpose) {
        purposes.push(purpose);
        const time = clock.now();
        const point = { attributes: { keys: [], values: [], count: 0 }, startTime: undefined, time };
        const record = { name: 'p', description: '', unit: '', type: 'summary', size: 1 } as const;
        const summary = { ...point, count: 2, sum: 3, quantiles: [{ quantile: 0.5, value: Number.NaN }] };
        return [{ scope: { name: '' }, metrics: [{ ...record, point: () => summary }] }];
      },
    };
    const failing: MetricProducer = {
      collect() {
        throw new Error('not now');
      },
    };
    const { provider, lines } = fixture({ producers: [failing, producer] });
    const page = body(await lines());
    assert.deepEqual(page, ['# TYPE p summary', 'p{quantile="0.5"} NaN', 'p_sum 3', 'p_count 2']);
    await provider.collect();
    assert.deepEqual(purposes, ['page', undefined]);
    assert.equal(provider.counters.failed, 2);
  });
});

describe('the pages of several processes', () => {
  const page = async (
    measure: (provider: MeterProvider) => void,
    options: Partial<MeterProviderOptions> = {},
  ): Promise<Exposed> => {
    const { provider, show } = fixture(options);
    measure(provider);
    return show();
  };
  const lines = (all: Exposed): string[] => body(textPage(all, 'openMetrics').split('\n'));

  it('are one, whatever the scale of their exponential histograms', async () => {
    const options = { histogramAggregation: 'base2_exponential_bucket_histogram' } as const;
    const recorded = (values: readonly number[]): Promise<Exposed> =>
      page(provider => {
        const histogram = provider.getMeter('').createHistogram('h');
        for (const value of values) histogram.record(value);
      }, options);
    const [few, wide, zeros] = [
      [1, 1.001],
      [1e-8, 3, 3, 1e15],
      [0, 0],
    ] as const;
    const together = await recorded([...few, ...wide, ...zeros]);
    const pages = await Promise.all([few, wide, zeros].map(recorded));
    for (const [first, ...others] of [pages, pages.toReversed()]) {
      const all = merged(
        first!,
        others.map(other => ({ page: other, process: undefined })),
      );
      assert.deepEqual(all, together);
    }
  });

  it('have the first of what cannot be brought together', async () => {
    const first = await page(provider => {
      provider.getMeter('').createCounter('c').add(1);
      provider
        .getMeter('')
        .createHistogram('h', { advice: { explicitBucketBoundaries: [1] } })
        .record(1);
    });
    const second = await page(provider => {
      provider.getMeter('').createHistogram('c').record(1);
      provider
        .getMeter('')
        .createHistogram('h', { advice: { explicitBucketBoundaries: [2] } })
        .record(1);
    });
    const all = merged(first, [{ page: second, process: ['cluster_worker', '2'] }]);
    assert.deepEqual(lines(all), lines(first));
    assert.deepEqual(all.conflicts, ['c']);
  });

  it('show the newest exemplar of a counter', async () => {
    const contexts = [sampled(), sampled()];
    const [older, newer] = await Promise.all(
      contexts.map(context => page(provider => provider.getMeter('').createCounter('c').add(1, {}, context))),
    );
    for (const [a, b] of [
      [older!, newer!],
      [newer!, older!],
    ] as const) {
      const [, line] = lines(merged(a, [{ page: b, process: undefined }]));
      assert.match(line!, new RegExp(`^c_total 2 # .*${contexts[1]!.identity!.traceId}`));
    }
  });
});

describe('the format of a page', () => {
  const protobuf =
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
  const cases: readonly [accept: string | undefined, format: string][] = [
    [undefined, 'plain'],
    ['*/*', 'plain'],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'plain'],
    ['application/openmetrics-text', 'openMetrics'],
    ['application/openmetrics-text; version=0.0.1', 'plain'],
    // What Prometheus 2.42 and 3.5 ask for, with native histograms and without.
    [
      `${protobuf},application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
      'protobuf',
    ],
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openMetrics',
    ],
    ['application/openmetrics-text;q=0.1, text/plain;q=0.9', 'plain'],
    ['application/openmetrics-text;q=0', 'plain'],
    [`${protobuf.replace('delimited', 'text')}, application/openmetrics-text;q=0.1`, 'openMetrics'],
    [';;q=,=,', 'plain'],
  ];
  for (const [accept, format] of cases)
    it(`is ${format} for ${accept}`, () => assert.equal(acceptedFormat(accept), format));
});
