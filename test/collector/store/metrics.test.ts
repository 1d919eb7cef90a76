// Metrics: OTLP's points as Prometheus' series, and the selections over them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { metricName, Signal } from 'tricord/otlp';
import { labelsIdentity } from '../../../collector/exporters/store/identity.ts';
import { LimitError, type Matcher, MatcherError, type Store } from '../../../collector/store/store.ts';
import {
  type Attributes,
  always,
  batchOf,
  keyValues,
  metricsBatch,
  nanos,
  openStore,
  spanId,
  temporaryDirectory,
  traceId,
} from './fixtures.ts';

const now = Math.floor(Date.now() / 1000) * 1000;
const equal = (name: string, value: string): Matcher => ({ name, op: '=', value });

const point = (seconds: number, value: number, attributes: Attributes = {}, more: object = {}) => ({
  timeUnixNano: nanos(now + seconds * 1000),
  asDouble: value,
  attributes: keyValues(attributes),
  ...more,
});

const gauge = (name: string, ...dataPoints: object[]) => ({ name, gauge: { dataPoints } });
const sum = (name: string, temporality: number, monotonic: boolean, ...dataPoints: object[]) => ({
  name,
  sum: { aggregationTemporality: temporality, isMonotonic: monotonic, dataPoints },
});

async function values(store: Store, ...matchers: Matcher[]): Promise<Record<string, number[]>> {
  const series = await store.metrics.select(matchers, always);
  return Object.fromEntries(
    series.map(({ labels, values: found }) => {
      const own = [...labels].filter(([name]) => name !== 'job').sort(([a], [b]) => (a < b ? -1 : 1));
      return [
        own.map(([name, value]) => (name === '__name__' ? value : `${name}=${value}`)).join(','),
        [...found],
      ];
    }),
  );
}

describe('names of metrics', () => {
  const cases: [string, string, 'counter' | 'gauge' | 'histogram', string][] = [
    ['http.server.request.duration', 's', 'histogram', 'http_server_request_duration_seconds'],
    ['process.memory.usage', 'By', 'gauge', 'process_memory_usage_bytes'],
    ['http.requests', '{request}', 'counter', 'http_requests_total'],
    ['http_requests_total', '', 'counter', 'http_requests_total'],
    ['process.cpu.time', 's', 'counter', 'process_cpu_time_seconds_total'],
    ['process.cpu.utilization', '1', 'gauge', 'process_cpu_utilization_ratio'],
    ['jobs', '1', 'counter', 'jobs_total'],
    ['speed', 'm/s', 'gauge', 'speed_meters_per_second'],
    ['request_duration_seconds', 's', 'histogram', 'request_duration_seconds'],
    ['(lambda).executions(#)', '', 'gauge', 'lambda_executions'],
    ['5xx', '', 'gauge', '_5xx'],
    ['', '', 'gauge', '_'],
  ];
  for (const [name, unit, kind, expected] of cases) {
    it(`${JSON.stringify(name)} in ${JSON.stringify(unit)} is ${expected}`, () => {
      assert.equal(metricName(name, unit, kind), expected);
    });
  }
});

describe('the identity of a series', () => {
  it('is the same for every order of labels and another one for other labels', () => {
    const pair = fc.tuple(fc.string(), fc.string());
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: ([name]) => name }), fc.array(pair), (one, other) => {
        assert.equal(labelsIdentity(new Map(one)), labelsIdentity(new Map([...one].reverse())));
        const same = JSON.stringify([...new Map(one)].sort()) === JSON.stringify([...new Map(other)].sort());
        assert.equal(labelsIdentity(new Map(one)) === labelsIdentity(new Map(other)), same);
      }),
    );
  });

  it('does not merge what a separator would', () => {
    assert.notEqual(
      labelsIdentity(
        new Map([
          ['a', 'x|y'],
          ['b', ''],
        ]),
      ),
      labelsIdentity(
        new Map([
          ['a', 'x'],
          ['b', 'y|'],
        ]),
      ),
    );
  });
});

describe('points', () => {
  it('become series with job, instance and the attributes as labels, the resource in target_info', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const resource = {
      'service.namespace': 'eu',
      'service.name': 'shop',
      'service.instance.id': 'i1',
      'host.name': 'a',
    };
    await exporter.export([
      metricsBatch([gauge('queue.size', point(0, 3, { 'queue.name': 'q', on: true }))], resource),
    ]);
    const [series] = await exporter.store.metrics.select([equal('__name__', 'queue_size')], always);
    assert.deepEqual(Object.fromEntries(series!.labels), {
      __name__: 'queue_size',
      queue_name: 'q',
      on: 'true',
      job: 'eu/shop',
      instance: 'i1',
    });
    assert.deepEqual([...series!.times], [now]);
    const [target] = await exporter.store.metrics.select([equal('__name__', 'target_info')], always);
    assert.equal(target!.labels.get('host_name'), 'a');
    assert.equal(target!.labels.get('service_name'), undefined);
  });

  it('of one name from several scopes are series of their own', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const scopes = [
      { name: 'prom-client' },
      { name: 'prom-client', attributes: keyValues({ 'prom_client.registry': 1 }) },
      { name: 'prom-client', version: '2', attributes: keyValues({ name: 'not the name' }) },
    ];
    const scopeMetrics = scopes.map((scope, i) => ({
      scope,
      schemaUrl: 'https://a',
      metrics: [sum('jobs', 2, true, point(0, i + 1)), sum('deltas', 1, true, point(0, i + 1))],
    }));
    for (let sent = 0; sent < 2; sent++) {
      await exporter.export([batchOf(Signal.metrics, { resourceMetrics: [{ scopeMetrics }] })]);
    }
    const jobs = await exporter.store.metrics.select([equal('__name__', 'jobs_total')], always);
    const schema = { otel_scope_schema_url: 'https://a' };
    assert.deepEqual(
      jobs
        .toSorted((a, b) => a.values[0]! - b.values[0]!)
        .map(({ labels, values }) => [Object.fromEntries(labels), ...values]),
      [
        [{ __name__: 'jobs_total', otel_scope_name: 'prom-client', ...schema }, 1],
        [
          {
            __name__: 'jobs_total',
            otel_scope_name: 'prom-client',
            otel_scope_prom_client_registry: '1',
            ...schema,
          },
          2,
        ],
        [{ __name__: 'jobs_total', otel_scope_name: 'prom-client', otel_scope_version: '2', ...schema }, 3],
      ],
    );
    const deltas = await exporter.store.metrics.select([equal('__name__', 'deltas_total')], always);
    assert.deepEqual(deltas.map(({ values }) => values[0]!).sort(), [2, 4, 6]);
  });

  it('that are deltas are added up, cumulative ones are not', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([
      metricsBatch([
        sum('a', 1, true, point(0, 2)),
        sum('b', 2, true, point(0, 2)),
        sum('c', 2, false, point(0, 2)),
      ]),
      metricsBatch([
        sum('a', 1, true, point(1, 3)),
        sum('b', 2, true, point(1, 3)),
        sum('c', 2, false, point(1, 1)),
      ]),
    ]);
    assert.deepEqual(await values(exporter.store, { name: '__name__', op: '=~', value: 'a.*|b.*|c.*' }), {
      a_total: [2, 5],
      b_total: [2, 3],
      c: [2, 1],
    });
  });

  it('of histograms become cumulative buckets, count and sum', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const dataPoint = {
      timeUnixNano: nanos(now),
      count: 6,
      sum: 10,
      explicitBounds: [0.5, 2],
      bucketCounts: [1, 2, 3],
    };
    const metric = (temporality: number, name: string) => ({
      name,
      unit: 's',
      histogram: { aggregationTemporality: temporality, dataPoints: [dataPoint] },
    });
    await exporter.export([metricsBatch([metric(2, 'h'), metric(1, 'd')]), metricsBatch([metric(1, 'd')])]);
    assert.deepEqual(await values(exporter.store, { name: '__name__', op: '=~', value: '[hd]_.*' }), {
      'h_seconds_bucket,le=0.5': [1],
      'h_seconds_bucket,le=2': [3],
      'h_seconds_bucket,le=+Inf': [6],
      h_seconds_count: [6],
      h_seconds_sum: [10],
      'd_seconds_bucket,le=0.5': [2],
      'd_seconds_bucket,le=2': [6],
      'd_seconds_bucket,le=+Inf': [12],
      d_seconds_count: [12],
      d_seconds_sum: [20],
    });
  });

  it('of exponential histograms become buckets at the powers of two, at every scale', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const dataPoint = (scale: number, positive: object) => ({
      timeUnixNano: nanos(now),
      count: 7,
      sum: 9,
      scale,
      zeroCount: 1,
      positive,
      negative: { offset: 0, bucketCounts: [1] },
    });
    const metric = (name: string, one: object) => ({
      name,
      exponentialHistogram: { aggregationTemporality: 2, dataPoints: [one] },
    });
    await exporter.export([
      metricsBatch([
        // Scale 1: (1, 1.41] (1.41, 2] (2, 2.83]; scale -1: (1, 4] (4, 16]; far beyond everything.
        metric('fine', dataPoint(1, { offset: 0, bucketCounts: [2, 2, 1] })),
        metric('coarse', dataPoint(-1, { offset: 0, bucketCounts: [4, 1] })),
        metric('wild', dataPoint(-2_000_000_000, { offset: 2_000_000_000, bucketCounts: [5] })),
      ]),
    ]);
    const buckets = (name: string) => values(exporter.store, equal('__name__', `${name}_bucket`));
    assert.deepEqual(await buckets('fine'), {
      'fine_bucket,le=0': [2],
      'fine_bucket,le=2': [6],
      'fine_bucket,le=4': [7],
      'fine_bucket,le=+Inf': [7],
    });
    assert.deepEqual(await buckets('coarse'), {
      'coarse_bucket,le=0': [2],
      'coarse_bucket,le=4': [6],
      'coarse_bucket,le=8': [6],
      'coarse_bucket,le=16': [7],
      'coarse_bucket,le=+Inf': [7],
    });
    assert.deepEqual(await buckets('wild'), { 'wild_bucket,le=0': [2], 'wild_bucket,le=+Inf': [7] });
  });

  it('of summaries become quantiles, count and sum', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const dataPoint = {
      timeUnixNano: nanos(now),
      count: 2,
      sum: 3,
      quantileValues: [{ quantile: 0.5, value: 1 }],
    };
    await exporter.export([metricsBatch([{ name: 's', summary: { dataPoints: [dataPoint] } }])]);
    assert.deepEqual(await values(exporter.store, { name: '__name__', op: '=~', value: 's(_.*)?' }), {
      's,quantile=0.5': [1],
      s_count: [2],
      s_sum: [3],
    });
  });

  it('keep their exemplars with trace and span, on the bucket that they fell into', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const exemplar = {
      timeUnixNano: nanos(now),
      asDouble: 0.7,
      traceId: traceId(5),
      spanId: spanId(6),
      filteredAttributes: keyValues({ tenant: 'acme' }),
    };
    const dataPoint = {
      timeUnixNano: nanos(now),
      count: 1,
      sum: 0.7,
      explicitBounds: [0.5, 1],
      bucketCounts: [0, 1, 0],
      exemplars: [exemplar],
    };
    await exporter.export([
      metricsBatch([{ name: 'h', histogram: { aggregationTemporality: 2, dataPoints: [dataPoint] } }]),
    ]);
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      const [found, ...more] = await exporter.store.metrics.exemplars(
        [equal('__name__', 'h_bucket')],
        always,
      );
      assert.deepEqual(Object.fromEntries(found!.labels), {
        tenant: 'acme',
        trace_id: traceId(5),
        span_id: spanId(6),
      });
      assert.equal(found!.seriesLabels.get('le'), '1');
      assert.equal(found!.value, 0.7);
      assert.equal(found!.time, now);
      assert.deepEqual(more, []);
    }
  });

  it('without a value, or beyond the limit of series, are dropped by name', async t => {
    const { exporter, telemetry } = await openStore(t, await temporaryDirectory(t), { series_max: 3 });
    await exporter.export([
      metricsBatch([
        gauge('a', { timeUnixNano: nanos(now) }, point(0, 1, {}, { flags: 1 })),
        gauge(
          'b',
          point(0, 1, { n: 1 }),
          point(0, 1, { n: 2 }),
          point(0, 1, { n: 3 }),
          point(0, 1, { n: 1 }),
        ),
        { name: 'nothing' },
      ]),
    ]);
    const text = telemetry.render();
    assert.match(text, /tricord_store_dropped_total\{reason="point_without_value"\} 2\n/);
    assert.match(text, /tricord_store_dropped_total\{reason="series_limit"\} 1\n/);
    assert.match(text, /tricord_store_dropped_total\{reason="metric_without_data"\} 1\n/);
    assert.equal((await exporter.store.metrics.series([[equal('__name__', 'b')]], always)).length, 2);
  });

  it('take every value, key and time as data', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const hostile = [
      '__proto__',
      'constructor',
      '__name__',
      '',
      '\0',
      "'; --",
      'le',
      '9',
      'a.b',
      'a_b',
      'job',
    ];
    const attributes = hostile.map(key => ({ key, value: { stringValue: `v ${key}` } }));
    const odd = ['NaN', 'Infinity', '-Infinity'].map((value, i) => ({
      timeUnixNano: nanos(now + i),
      asDouble: value,
    }));
    await exporter.export([
      metricsBatch([
        gauge('odd', ...odd),
        gauge('hostile', { timeUnixNano: '18446744073709551615', asInt: '1', attributes }),
      ]),
    ]);
    await exporter.store.flush();
    assert.deepEqual(await values(exporter.store, equal('__name__', 'odd')), {
      odd: [NaN, Infinity, -Infinity],
    });
    const [series] = await exporter.store.metrics.select([equal('__proto__', 'v __proto__')], {
      start: 0,
      end: Infinity,
    });
    assert.equal(series!.labels.get('__name__'), 'hostile');
    assert.equal(series!.labels.get('key___name__'), 'v __name__');
    assert.equal(series!.labels.get('a_b'), 'v a.b;v a_b');
    assert.equal(series!.labels.get('job'), 'shop');
  });
});

describe('selections', () => {
  it('match as Prometheus does, from memory and from files', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const { metrics } = exporter.store;
    await exporter.export([
      metricsBatch([gauge('m', point(0, 1, { x: 'a', n: 'one' }), point(0, 2, { x: 'ab\nc' }), point(0, 3))]),
    ]);
    const matched = async (op: Matcher['op'], value: string): Promise<string> => {
      const found = await metrics.select([equal('__name__', 'm'), { name: 'x', op, value }], always);
      return found
        .map(({ values: [first] }) => first)
        .sort()
        .join('');
    };
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      assert.equal(await matched('=', 'a'), '1');
      assert.equal(await matched('=', ''), '3');
      assert.equal(await matched('!=', 'a'), '23');
      assert.equal(await matched('!=', ''), '12');
      assert.equal(await matched('=~', 'a'), '1');
      assert.equal(await matched('=~', 'a.*'), '12');
      assert.equal(await matched('=~', '.*'), '123');
      assert.equal(await matched('=~', 'a|'), '13');
      assert.equal(await matched('!~', '.+'), '3');
      assert.equal(await matched('=', "' OR true --"), '');
    }
    await assert.rejects(matched('=~', '(?=x)'), MatcherError);
  });

  it('take times at both ends of the range, ordered, the last of equal ones', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([metricsBatch([gauge('m', point(3, 3), point(1, 1), point(2, 2))])]);
    await exporter.store.flush();
    await exporter.export([metricsBatch([gauge('m', point(2, 20), point(4, 4))])]);
    const select = async (from: number, to: number): Promise<number[]> => {
      const range = { start: now + from * 1000, end: now + to * 1000 };
      const [series] = await exporter.store.metrics.select([equal('__name__', 'm')], range);
      return series === undefined ? [] : [...series.values];
    };
    assert.deepEqual(await select(1, 4), [1, 20, 3, 4]);
    assert.deepEqual(await select(1.001, 3.999), [20, 3]);
    assert.deepEqual(await select(5, 9), []);
  });

  it('are refused beyond samplesMax, by name, and taken at it', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([metricsBatch([gauge('m', point(1, 1), point(2, 2), point(3, 3))])]);
    const select = (samplesMax: number) =>
      exporter.store.metrics.select([equal('__name__', 'm')], always, { samplesMax });
    assert.equal((await select(3))[0]!.times.length, 3);
    await assert.rejects(select(2), (error: Error) => {
      return error instanceof LimitError && error.message.includes('samplesMax = 2');
    });
  });

  it('list series, label names, values and metadata', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const { metrics } = exporter.store;
    const described = {
      ...sum('reqs', 2, true, point(0, 1, { path: '/a' })),
      description: 'Requests',
      unit: '{r}',
    };
    await exporter.export([metricsBatch([described, gauge('temp', point(60, 1, { room: 'x' }))])]);
    await exporter.store.flush();
    await exporter.export([
      metricsBatch([{ ...described, sum: { ...described.sum, dataPoints: [point(1, 2, { path: '/a' })] } }]),
    ]);
    const all = always;
    assert.deepEqual(await metrics.labelNames([[equal('__name__', 'reqs_total')]], all), [
      '__name__',
      'job',
      'path',
    ]);
    assert.deepEqual(await metrics.labelValues('path', [], all), ['/a']);
    assert.deepEqual(await metrics.labelValues('__proto__', [], all), []);
    assert.equal((await metrics.series([[equal('path', '/a')], [equal('room', 'x')]], all)).length, 2);
    assert.equal((await metrics.series([[equal('room', 'x')]], { start: now, end: now + 59_999 })).length, 0);
    assert.equal((await metrics.series([[equal('room', 'x')]], { start: now, end: now + 60_000 })).length, 1);
    const metadata = await metrics.metadata();
    assert.deepEqual(
      metadata.find(({ name }) => name === 'reqs_total'),
      { name: 'reqs_total', type: 'counter', help: 'Requests', unit: '{r}' },
    );
  });
});
