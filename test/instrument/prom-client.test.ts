// The prom-client bridge: every registry of every copy, as OTLP, under the names and with the values of a scrape.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { diag } from '@opentelemetry/api';
import * as fromImport from 'prom-client';
import type { DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../src/context/clock.ts';
import { bridgeRegistry, instrumentPromClient } from '../../src/instrument/prom-client.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { processProducers } from '../../src/metrics/metric-producer.ts';
import { MemorySink } from '../memory-sink.ts';
import {
  attributesOf,
  histogramPoints,
  metricNamed,
  numberPoints,
  spanIdOf,
  summaryPoints,
  takeMetrics,
  traceIdOf,
  valuesOf,
} from '../metrics/collected.ts';
import { describesRow, nothing } from './observed-row.ts';

type PromClient = typeof fromImport;

const require = createRequire(import.meta.url);

/** A copy of prom-client of its own, as a second version in node_modules would be. */
function loadCopy(): PromClient {
  for (const file of Object.keys(require.cache))
    if (file.includes('/prom-client/')) delete require.cache[file];
  return require('prom-client') as PromClient;
}

const client = require('prom-client') as PromClient;
instrumentPromClient(client);

const sink = new MemorySink(processClock.anchorUnixNanos);
const provider = new MeterProvider({ sink, producers: processProducers });

async function collect(): Promise<DecodedMetric[]> {
  await provider.collect();
  return takeMetrics(sink);
}

function collectSync(): DecodedMetric[] {
  provider.collectSync();
  return takeMetrics(sink);
}

/** Its constructor takes the content type, which its type does not say. */
const openMetricsRegistry = (): fromImport.Registry =>
  new (client.Registry as new (contentType: string) => fromImport.Registry)(client.openMetricsContentType);

const named = (metrics: readonly DecodedMetric[], prefix: string): string[] =>
  metrics.map(metric => metric.name).filter(name => name.startsWith(prefix));

describe('a prom-client metric', () => {
  for (const [way, take] of [
    ['in time', collect],
    ['at exit', collectSync],
  ] as const) {
    it(`becomes its OpenTelemetry counterpart, ${way}`, async () => {
      const prefix = `kinds_${way.replace(' ', '_')}`;
      const registers = [new client.Registry()];
      const labelNames = ['route', 'status'];
      const counter = new client.Counter({
        name: `${prefix}_requests_total`,
        help: 'Requests.',
        labelNames,
        registers,
      });
      counter.inc({ route: '/a', status: 200 }, 2.5);
      counter.inc({ route: '/b|status:1', status: 404 });
      const gauge = new client.Gauge({ name: `${prefix}_depth`, help: 'Depth.', registers });
      gauge.set(-3);
      const histogram = new client.Histogram({
        name: `${prefix}_seconds`,
        help: 'Durations.',
        labelNames: ['route'],
        buckets: [0.1, 1],
        registers,
      });
      for (const value of [0.1, 0.5, 0.5, 3]) histogram.observe({ route: '/a' }, value);
      histogram.observe({ route: '/b' }, 1);
      const summary = new client.Summary({
        name: `${prefix}_bytes`,
        help: 'Sizes.',
        percentiles: [0.5],
        registers,
      });
      for (const value of [1, 2, 3]) summary.observe(value);

      const metrics = await take();
      const sum = metricNamed(metrics, `${prefix}_requests_total`);
      assert.ok(sum.data?.type === 'sum' && sum.data.monotonic && sum.data.temporality === 2);
      assert.equal(sum.description, 'Requests.');
      assert.deepEqual(valuesOf(sum), [
        [{ route: '/a', status: '200' }, 2.5],
        [{ route: '/b|status:1', status: '404' }, 1],
      ]);
      const [point] = numberPoints(sum);
      assert.ok(point!.startTimeUnixNano > 0n && point!.startTimeUnixNano < point!.timeUnixNano);
      assert.equal(metricNamed(metrics, `${prefix}_depth`).data?.type, 'gauge');
      assert.deepEqual(valuesOf(metricNamed(metrics, `${prefix}_depth`)), [[{}, -3]]);
      const [a, b] = histogramPoints(metricNamed(metrics, `${prefix}_seconds`));
      assert.deepEqual(attributesOf(a!.attributes), { route: '/a' });
      assert.deepEqual([a!.explicitBounds, a!.bucketCounts, a!.count], [[0.1, 1], [1, 2, 1], 4]);
      assert.ok(Math.abs(a!.sum! - 4.1) < 1e-9);
      assert.deepEqual([b!.bucketCounts, b!.sum], [[0, 1, 0], 1]);
      const [bytes] = summaryPoints(metricNamed(metrics, `${prefix}_bytes`));
      assert.deepEqual([bytes!.count, bytes!.sum, bytes!.quantiles], [3, 6, [{ quantile: 0.5, value: 2 }]]);
    });
  }

  it('has its exemplars, with the IDs that its labels name, once', async () => {
    const registry = openMetricsRegistry();
    const config = { help: 'h', enableExemplars: true, registers: [registry] };
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const spanId = 'f7ad6b7169203331';
    const counter = new client.Counter({ name: 'exemplar_total', ...config });
    counter.inc({ value: 2, exemplarLabels: { trace_id: traceId, span_id: spanId, user: 'u1' } });
    const histogram = new client.Histogram({ name: 'exemplar_seconds', buckets: [1], ...config });
    histogram.observe({ value: 0.5, exemplarLabels: { traceId, spanId } });
    histogram.observe({ value: 5, exemplarLabels: { other: 'x' } });

    const metrics = await collect();
    const [exemplar] = numberPoints(metricNamed(metrics, 'exemplar_total'))[0]!.exemplars;
    assert.deepEqual([traceIdOf(exemplar!), spanIdOf(exemplar!), exemplar!.value], [traceId, spanId, 2]);
    assert.deepEqual(attributesOf(exemplar!.filteredAttributes), { user: 'u1' });
    assert.ok(Math.abs(Number(exemplar!.timeUnixNano / 1_000_000n) - Date.now()) < 60_000);
    const [low, high] = histogramPoints(metricNamed(metrics, 'exemplar_seconds'))[0]!.exemplars;
    assert.deepEqual([traceIdOf(low!), low!.value], [traceId, 0.5]);
    assert.deepEqual([high!.traceId.length, attributesOf(high!.filteredAttributes)], [0, { other: 'x' }]);

    while (Date.now() <= Number(low!.timeUnixNano / 1_000_000n)) await setImmediate();
    await collect();
    assert.deepEqual(numberPoints(metricNamed(await collect(), 'exemplar_total'))[0]!.exemplars, []);
  });

  it('keeps its name when a scrape for OpenMetrics shortens it', async () => {
    const registry = openMetricsRegistry();
    new client.Counter({ name: 'scraped_total', help: 'h', registers: [registry] }).inc();
    await registry.metrics();
    assert.deepEqual(named(await collect(), 'scraped'), ['scraped_total']);
    assert.deepEqual(named(collectSync(), 'scraped'), ['scraped_total']);
  });

  it('carries the default labels of its registry, its own before them', async () => {
    const registry = new client.Registry();
    registry.setDefaultLabels({ app: 'shop', zone: 'a' });
    const gauge = new client.Gauge({
      name: 'default_labels',
      help: 'h',
      labelNames: ['zone'],
      registers: [registry],
    });
    gauge.set({ zone: 'b' }, 1);
    assert.deepEqual(valuesOf(metricNamed(await collect(), 'default_labels')), [
      [{ app: 'shop', zone: 'b' }, 1],
    ]);
  });

  it('collects when asked, if there is time; one that fails costs itself only', async () => {
    const registers = [new client.Registry()];
    let calls = 0;
    new client.Gauge({
      name: 'collected_async',
      help: 'h',
      registers,
      async collect() {
        await setImmediate();
        this.set(++calls);
      },
    });
    new client.Gauge({
      name: 'collected_failing',
      help: 'h',
      registers,
      collect() {
        throw new Error('no');
      },
    });
    const metrics = await collect();
    assert.deepEqual(valuesOf(metricNamed(metrics, 'collected_async')), [[{}, 1]]);
    assert.deepEqual(valuesOf(metricNamed(collectSync(), 'collected_async')), [[{}, 1]]);
    assert.equal(calls, 1);
    for (const metric of registers[0]!.getMetricsAsArray()) registers[0]!.removeSingleMetric(metric.name);
  });
});

describe('the bridge', () => {
  it('knows the default registry, also of an ES module’s import, and every registry made later', async () => {
    assert.equal(instrumentPromClient(fromImport), true);
    new fromImport.Counter({ name: 'default_registry', help: 'h' }).inc();
    const custom = new client.Registry();
    new client.Counter({ name: 'custom_registry', help: 'h', registers: [custom] }).inc();
    const metrics = await collect();
    assert.deepEqual(named(metrics, 'default_registry'), ['default_registry']);
    assert.deepEqual(named(metrics, 'custom_registry'), ['custom_registry']);
  });

  it('knows several copies, and tells metrics of the same name apart by their scopes', async () => {
    const copy = loadCopy();
    assert.notEqual(copy.register, client.register);
    assert.equal(instrumentPromClient(copy), true);
    new client.Counter({ name: 'copied', help: 'h' }).inc(1);
    new copy.Counter({ name: 'copied', help: 'h' }).inc(2);
    await provider.collect();
    const scopes = new Set(sink.frames.map(frame => JSON.stringify(frame.scope)));
    assert.ok(scopes.size > 1 && scopes.has('{"name":"prom-client"}'));
    const values = takeMetrics(sink)
      .filter(metric => metric.name === 'copied')
      .map(metric => numberPoints(metric)[0]!.value);
    assert.deepEqual(values, [1, 2]);
  });

  it('exports a metric once, however many registries hold it', async () => {
    const [one, two] = [new client.Registry(), new client.Registry()];
    new client.Counter({ name: 'shared', help: 'h', registers: [one, two] }).inc();
    new client.Counter({ name: 'not_shared', help: 'h', registers: [two] }).inc();
    assert.deepEqual(named(await collect(), 'shared'), ['shared']);
  });

  it('does not take merged registries for registries of their own', async () => {
    const registry = new client.Registry();
    new client.Counter({ name: 'merged', help: 'h', registers: [registry] }).inc();
    const merged = Array.from({ length: 1001 }, () => client.Registry.merge([registry]));
    const late = new client.Registry();
    new client.Counter({ name: 'after_merges', help: 'h', registers: [late] }).inc();
    assert.deepEqual(named(await collect(), 'after_merges'), ['after_merges']);
    assert.equal(merged.length, 1001);
  });

  it('leaves out what a cluster’s primary has aggregated from its workers', async () => {
    const registry = new client.Registry();
    new client.Counter({ name: 'aggregated', help: 'h', registers: [registry] }).inc();
    const aggregate = client.AggregatorRegistry.aggregate([await registry.getMetricsAsJSON()] as never);
    bridgeRegistry(aggregate);
    assert.deepEqual(named(await collect(), 'aggregated'), ['aggregated']);
  });

  it('exports no longer what was removed from its registry', async () => {
    const registry = new client.Registry();
    new client.Counter({ name: 'removed', help: 'h', registers: [registry] }).inc();
    assert.deepEqual(named(await collect(), 'removed'), ['removed']);
    registry.clear();
    assert.deepEqual(named(await collect(), 'removed'), []);
  });

  it('does not take what is no prom-client, and says so for a registry', () => {
    assert.equal(instrumentPromClient({}), false);
    assert.equal(instrumentPromClient(client.Registry), false);
    const given: string[] = [];
    const ignore = (): void => {};
    const logger = { error: ignore, info: ignore, debug: ignore, verbose: ignore };
    diag.setLogger({ ...logger, warn: message => given.push(message) }, { suppressOverrideMessage: true });
    for (const other of [undefined, {}, 7]) bridgeRegistry(other as never);
    diag.disable();
    assert.equal(given.length, 3);
  });

  it('says once that a metric fails to collect, until it answers again', async () => {
    const registry = new client.Registry();
    let fails = true;
    new client.Gauge({
      name: 'moody',
      help: 'h',
      registers: [registry],
      collect() {
        if (fails) throw new Error('no');
      },
    });
    const given: string[] = [];
    const ignore = (): void => {};
    const logger = { error: ignore, info: ignore, debug: ignore, verbose: ignore };
    diag.setLogger({ ...logger, warn: message => given.push(message) }, { suppressOverrideMessage: true });
    for (const next of [true, true, false, true]) {
      fails = next;
      await collect();
    }
    diag.disable();
    assert.deepEqual(
      given.filter(message => message.includes('moody')),
      Array(2).fill('The prom-client metric "moody" failed to collect.'),
    );
    registry.clear();
  });

  it('forgets registries that the program forgot, and takes new ones in their place', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const forget = (): void => {
      for (let i = 0; i < 600; i++) {
        new client.Counter({ name: 'forgotten', help: 'h', registers: [new client.Registry()] }).inc();
      }
    };
    for (let round = 0; round < 4; round++) {
      forget();
      await setImmediate();
      gc();
    }
    const kept = new client.Registry();
    new client.Counter({ name: 'kept', help: 'h', registers: [kept] }).inc();
    const metrics = await collect();
    assert.deepEqual(named(metrics, 'kept'), ['kept']);
    assert.ok(named(metrics, 'forgotten').length <= 600);
  });
});

describesRow(() => ({
  name: 'prom-client',
  libraries: ['prom-client'],
  server: '',
  example: '',
  seen: nothing,
}));
