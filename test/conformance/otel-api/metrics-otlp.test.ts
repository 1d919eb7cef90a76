// The rules of the OTLP metrics exporter and of the variables of metrics: specification/metrics/sdk_exporters/otlp, configuration.
import assert from 'node:assert/strict';
import { type Meter, metrics } from '@opentelemetry/api';
import type { DecodedMetric } from 'tricord/otlp';
import { type StartOptions, start } from '../../../src/index.ts';
import { readOptions } from '../../../src/read-options.ts';
import { metricNamed, valuesOf } from '../../metrics/collected.ts';
import { notApplicable, rule } from '../rule.ts';
import { httpCollector } from './http-collector.ts';
import { metered } from './metered.ts';

const TEMPORALITY = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';
const HISTOGRAMS = 'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION';
const section = 'metrics/sdk_exporters/otlp § Additional Environment Variable Configuration';
const [DELTA, CUMULATIVE] = [1, 2];

/** Starts the agent under `env`, and gives what its collector has of metrics, and of the resource, after a flush. */
async function delivered(
  env: Readonly<Record<string, string>>,
  measure: (meter: Meter) => void,
  options: StartOptions = {},
): Promise<{ metrics: DecodedMetric[]; resource: Record<string, unknown>; flushed: boolean }> {
  const collector = await httpCollector();
  const before = { ...process.env };
  Object.assign(process.env, env);
  const { endpoint } = collector;
  metrics.disable();
  const agent = start({
    endpoint,
    protocol: 'http/protobuf',
    transportThread: false,
    flushTimeout: 20_000,
    sdkMetrics: false,
    ...options,
  });
  process.env = before;
  try {
    measure(metrics.getMeter('m'));
    const flushed = await agent!.flush();
    const resource = Object.fromEntries((collector.resources[0] ?? []).map(({ key, value }) => [key, value]));
    return { metrics: [...collector.metrics], resource, flushed };
  } finally {
    await agent!.shutdown();
    collector.close();
  }
}

function measureAll(meter: Meter): void {
  meter.createCounter('counter').add(1);
  meter.createHistogram('histogram').record(1);
  meter.createUpDownCounter('up_down_counter').add(1);
  meter.createObservableCounter('observable_counter').addCallback(result => result.observe(1));
  meter.createObservableUpDownCounter('observable_up_down_counter').addCallback(r => r.observe(1));
}

const temporalities = (found: readonly DecodedMetric[]): Record<string, unknown> =>
  Object.fromEntries(
    found.map(({ name, data }) => [name, data !== undefined && 'temporality' in data && data.temporality]),
  );

const preferences: readonly [string, readonly string[]][] = [
  ['', []],
  ['Cumulative', []],
  ['DELTA', ['counter', 'histogram', 'observable_counter']],
  ['LowMemory', ['counter', 'histogram']],
];
for (const [preference, delta] of preferences)
  rule(section, `temporality preference "${preference}", whatever its case`, async () => {
    const { metrics: found } = await delivered({ [TEMPORALITY]: preference }, measureAll);
    const kinds = [
      'counter',
      'histogram',
      'up_down_counter',
      'observable_counter',
      'observable_up_down_counter',
    ];
    const expected = kinds.map(kind => [kind, delta.includes(kind) ? DELTA : CUMULATIVE]);
    assert.deepEqual(temporalities(found), Object.fromEntries(expected));
  });

rule(
  'metrics/sdk_exporters/otlp § General',
  'temporality is an option in code, before the variable',
  async () => {
    const { metrics: found } = await delivered({ [TEMPORALITY]: 'cumulative' }, measureAll, {
      temporalityPreference: 'delta',
    });
    assert.equal(temporalities(found).counter, DELTA);
  },
);

for (const [aggregation, type] of [
  ['', 'histogram'],
  ['explicit_bucket_histogram', 'histogram'],
  ['BASE2_exponential_bucket_histogram', 'exponentialHistogram'],
] as const)
  rule(section, `default histogram aggregation "${aggregation}", whatever its case`, async () => {
    const { metrics: found } = await delivered({ [HISTOGRAMS]: aggregation }, measureAll);
    assert.equal(metricNamed(found, 'histogram').data?.type, type);
  });

rule('metrics/sdk § MeterProvider', 'a resource is specified, and goes with all metrics', async () => {
  const { resource } = await delivered(
    { OTEL_RESOURCE_ATTRIBUTES: 'team=a,deployment.environment.name=test', OTEL_SERVICE_NAME: 'shop' },
    measureAll,
  );
  assert.deepEqual(
    [resource.team, resource['deployment.environment.name'], resource['service.name']],
    ['a', 'test', 'shop'],
  );
});

rule('metrics/sdk § ForceFlush', 'lets the caller know whether it succeeded', async () => {
  const { flushed, metrics: found } = await delivered({}, meter => meter.createCounter('c').add(3));
  assert.equal(flushed, true);
  assert.deepEqual(valuesOf(metricNamed(found, 'c')), [[{}, 3]]);
  const nobody = start({
    ...{ endpoint: 'http://127.0.0.1:1', protocol: 'http/protobuf' },
    ...{ transportThread: false, flushTimeout: 50 },
  })!;
  metrics.getMeter('m').createCounter('c').add(1);
  assert.equal(await nobody.flush(), false);
  await nobody.shutdown();
});

rule(
  'metrics/sdk § Shutdown',
  'the global API is without a provider afterwards, and takes measurements',
  async () => {
    await delivered({}, measureAll);
    metrics.getMeter('m').createCounter('c').add(1);
  },
);

rule('metrics/sdk § View', 'views are registered where the agent is started', async () => {
  const { metrics: found } = await delivered({}, measureAll, {
    views: [
      { selector: { instrumentName: 'counter' }, stream: { name: 'renamed' } },
      { selector: { instrumentName: '*' }, stream: { aggregation: { type: 'drop' } } },
    ],
  });
  assert.deepEqual(
    found.map(({ name }) => name),
    ['renamed'],
  );
});

const environment = 'configuration/sdk-environment-variables';

rule(`${environment} § Exemplars`, 'OTEL_METRICS_EXEMPLAR_FILTER: always_on, always_off, trace_based', () => {
  for (const filter of ['always_on', 'always_off', 'trace_based'])
    assert.equal(readOptions({}, { OTEL_METRICS_EXEMPLAR_FILTER: filter }).options.exemplarFilter, filter);
  assert.equal(readOptions({}, {}).options.exemplarFilter, 'trace_based');
});

rule(
  `${environment} § Periodic exporting MetricReader`,
  'interval and timeout are set in milliseconds',
  () => {
    const env = { OTEL_METRIC_EXPORT_INTERVAL: '1500', OTEL_METRIC_EXPORT_TIMEOUT: '700' };
    const { metricExportInterval, metricExportTimeout } = readOptions({}, env).options;
    assert.deepEqual([metricExportInterval, metricExportTimeout], [1500, 700]);
  },
);

notApplicable(
  `${environment} § Periodic exporting MetricReader`,
  'by default every 60 s, within 30 s',
  'every 10 s, and callbacks have 5 s: points are cheap here, and so shorter outages show',
);

rule(`${environment} § Exporter Selection`, 'OTEL_METRICS_EXPORTER=none: metrics are not sent', async () => {
  const { metrics: found } = await delivered({ OTEL_METRICS_EXPORTER: 'none' }, measureAll);
  assert.deepEqual(found, []);
});

rule(`${environment} § Implementation guidelines`, 'an unknown value: a warning, and the default', () => {
  const { options, warnings } = readOptions({}, { [TEMPORALITY]: 'sideways' });
  assert.deepEqual([options.temporalityPreference, warnings.length], ['cumulative', 1]);
  assert.match(warnings[0]!, /one of cumulative, delta, lowmemory/);
});

notApplicable(
  'metrics/sdk_exporters/otlp § General',
  'the exporter is paired with any reader',
  'exporter and reader are one and built in; metrics go out at the interval, and when flushed',
);

rule('metrics/sdk § Defaults and configuration', 'no configuration is needed', () => {
  const { meter, collect } = metered();
  meter.createCounter('c').add(1);
  assert.deepEqual(temporalities(collect()), { c: CUMULATIVE });
});
