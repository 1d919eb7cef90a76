// Options: where they come from, what is refused, and that the reference page is generated from the table.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OptionError } from '../src/errors.ts';
import { limits } from '../src/limits.ts';
import { optionTable } from '../src/options.ts';
import { readPem } from '../src/pem.ts';
import { readOptions } from '../src/read-options.ts';
import { root } from './source-tree.ts';

describe('an option', () => {
  it('comes from code before the environment before its default', () => {
    const env = { OTEL_SERVICE_NAME: 'from-env', OTEL_METRIC_EXPORT_INTERVAL: '500' };
    const { options, warnings } = readOptions({ serviceName: 'from-code' }, env);
    assert.equal(options.serviceName, 'from-code');
    assert.equal(options.metricExportInterval, 500);
    assert.equal(options.endpoint, 'http://127.0.0.1:4317');
    assert.deepEqual(warnings, []);
  });

  it('counts as unset when its variable is empty', () => {
    assert.equal(
      readOptions({}, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }).options.endpoint,
      optionTable.endpoint.default,
    );
  });

  it('has the default endpoint of its protocol', () => {
    const endpoint = (env: Record<string, string>): string => readOptions({}, env).options.endpoint;
    const http = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' };
    assert.equal(endpoint({}), 'http://127.0.0.1:4317');
    assert.equal(endpoint(http), 'http://127.0.0.1:4318');
    const given = 'http://127.0.0.1:4317';
    assert.equal(endpoint({ ...http, OTEL_EXPORTER_OTLP_ENDPOINT: given }), given);
    assert.equal(readOptions({ endpoint: given }, http).options.endpoint, given);
  });

  it('is left to the general one unless it is given itself, and can be used', () => {
    const read = (text: string): number | undefined =>
      readOptions({}, { OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: text }).options.logRecordAttributeCountLimit;
    assert.deepEqual([read(''), read('3'), read('many')], [undefined, 3, undefined]);
  });

  it('is read by its kind', () => {
    const { options } = readOptions(
      {},
      {
        OTEL_SDK_DISABLED: 'TRUE',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=prod, team=a%2Cb',
        TRICORD_METRIC_LABELS: 'tenant, job,',
        TRICORD_LOGS_FIELDS: '-password, req.headers.*, card.number=***',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
        OTEL_TRACES_SAMPLER: 'traceidratio',
      },
    );
    assert.equal(options.disabled, true);
    assert.deepEqual(options.resourceAttributes, { 'deployment.environment.name': 'prod', team: 'a,b' });
    assert.deepEqual(options.metricLabels, ['tenant', 'job']);
    assert.deepEqual(options.logsFields, ['-password', 'req.headers.*', 'card.number=***']);
    assert.equal(options.tracesSamplerArg, 0.25);
    assert.equal(options.tracesSampler, 'traceidratio');
  });

  it('of an endpoint is a host and a port, of which the first and the last count', () => {
    const read = (text: string): [string, number] => {
      const { options, warnings } = readOptions({}, { TRICORD_PROMETHEUS_ENDPOINT: text });
      return [options.prometheusEndpoint, warnings.length];
    };
    for (const text of ['127.0.0.1:1', '[::1]:65535', ' localhost:9464 ', ''])
      assert.deepEqual(read(text), [text.trim(), 0]);
    const refused = ['127.0.0.1', ':9464', 'localhost:0', 'localhost:65536', '::1:9464', 'http://x:1', '   '];
    for (const text of refused) assert.deepEqual(read(text), ['', 1], text);
  });

  it('of several exporters takes them in any order', () => {
    const read = (text: string): string =>
      readOptions({}, { OTEL_METRICS_EXPORTER: text }).options.metricsExporter;
    assert.deepEqual(['prometheus, OTLP', 'otlp,prometheus', 'none', 'console', 'otlp,none'].map(read), [
      'otlp,prometheus',
      'otlp,prometheus',
      'none',
      'otlp',
      'otlp',
    ]);
  });

  it('of sampling rules keeps their order, and takes the last equals sign', () => {
    const text = ' GET /health=0;; /checkout/*=1 ;a=b= 2.5e-1;';
    const { options, warnings } = readOptions({}, { TRICORD_TRACES_RULES: text });
    assert.deepEqual(warnings, []);
    assert.deepEqual(Object.entries(options.tracesRules), [
      ['GET /health', 0],
      ['/checkout/*', 1],
      ['a=b', 0.25],
    ]);
  });
});

describe('the sampler', () => {
  it('is ours unless another one is named, by any name of the specification', () => {
    const read = (name: string): string => {
      const { options, warnings } = readOptions({}, { OTEL_TRACES_SAMPLER: name });
      assert.deepEqual(warnings, []);
      return options.tracesSampler;
    };
    assert.equal(read(''), 'parentbased_dynamic');
    for (const name of ['always_on', 'always_off', 'traceidratio']) {
      assert.equal(read(name), name);
      assert.equal(read(`parentbased_${name}`), `parentbased_${name}`);
    }
  });
});

describe('a variable that cannot be used', () => {
  it('is reported with what would be right, and its default is in force', () => {
    const wrong: readonly (readonly [string, string, RegExp])[] = [
      ['OTEL_SDK_DISABLED', 'yes', /OTEL_SDK_DISABLED="yes" is ignored: it takes true or false/],
      ['OTEL_METRIC_EXPORT_INTERVAL', '9', /it takes a whole number \(ms, 10 to 3600000\)/],
      ['OTEL_METRIC_EXPORT_INTERVAL', '3600001', /3600000/],
      ['OTEL_METRIC_EXPORT_INTERVAL', 'soon', /whole number/],
      ['OTEL_TRACES_SAMPLER_ARG', '1.1', /a number \(probability, 0 to 1\)/],
      ['OTEL_TRACES_SAMPLER', 'xray', /one of always_on, .*, parentbased_dynamic/],
      ['TRICORD_TRACES_BUDGET', '0', /a whole number \(recorded spans per second, 1 to 1000000\)/],
      ['TRICORD_TRACES_ERRORS', 'some', /one of auto, on, off/],
      ['TRICORD_TRACES_RULES', '/a=1;/health', /pattern=probability rules, .*; "\/health" is none/],
      ['TRICORD_TRACES_RULES', '/a=1.5', /probabilities 0 to 1; "\/a=1.5" is none/],
      ['TRICORD_TRACES_RULES', '=1', /"=1" is none/],
      ['TRICORD_TRACES_RULES', '/a=', /"\/a=" is none/],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'carrier-pigeon', /one of grpc, http\/protobuf/],
      [
        'OTEL_EXPORTER_OTLP_HEADERS',
        'secret-without-name',
        /\(not shown\) is ignored: it takes key=value pairs/,
      ],
      ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%', /it takes key=value pairs, .* percent-encoded/],
      [
        'OTEL_PROPAGATORS',
        'b3,tracecontext',
        /"b3,tracecontext" is ignored: it takes a list of tracecontext/,
      ],
      [
        'TRICORD_LOGS_FIELDS',
        '-a, b..c',
        /"-a, b..c" is ignored: it takes a list of `path`.*; "b..c" is none/,
      ],
      ['TRICORD_LOGS_FIELDS', 'a*', /"a\*" is none/],
      ['TRICORD_LOGS_FIELDS', 'a=x', /"a=x" is none/],
      ['TRICORD_LOGS_FIELDS', '-a=***', /"-a=\*\*\*" is none/],
      ['TRICORD_LOGS_FIELDS', Array(17).fill('a').join('.'), /is none/],
      ['TRICORD_LOGS_CAPTURE', 'no', /it takes true, false, on or off/],
      ['TRICORD_LOGS_BUDGET', '-1', /it takes a whole number \(records\/s, 0 to/],
      [
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
        'http://x',
        /_TRACES_ENDPOINT is ignored: one connection .*Set OTEL_EXPORTER_OTLP_ENDPOINT,/,
      ],
      ['OTEL_SERVICE_NAM', 'shop', /there is no such variable. Did you mean OTEL_SERVICE_NAME\?/],
      ['OTEL_BSP_SCHEDULE_DELAY', '-1', /^OTEL_BSP_SCHEDULE_DELAY="-1" is ignored: .*0 to 60000/],
      ['OTEL_BSP_MAX_QUEUE_SIZE', '4096', /^OTEL_BSP_MAX_QUEUE_SIZE is ignored. .*TRICORD_RING_BYTES/],
      [
        'OTEL_EXPERIMENTAL_CONFIG_FILE',
        'sdk.yaml',
        /^OTEL_EXPERIMENTAL_CONFIG_FILE is ignored. Use OTEL_CONFIG_FILE\.$/,
      ],
      ['TRICORD_RING_BITES', '1', /there is no such variable. Did you mean TRICORD_RING_BYTES\?/],
      ['TRICORD_SAMPLR', '1', /there is no such variable. Did you mean OTEL_TRACES_SAMPLER\?/],
      ['TRICORD_ENDPOINT', 'x', /there is no such variable. Did you mean OTEL_EXPORTER_OTLP_ENDPOINT\?/],
      ['OTEL_LOG_BUDGET', '1', /there is no such variable. Did you mean TRICORD_LOGS_BUDGET\?/],
    ];
    for (const [name, value, message] of wrong) {
      const { options, warnings } = readOptions({}, { [name]: value });
      assert.equal(warnings.length, 1, name);
      assert.match(warnings[0]!, message);
      assert.deepEqual(options, readOptions({}, {}).options);
    }
  });

  it('is told apart from the bounds themselves', () => {
    const read = (value: number): { warnings: readonly string[] } =>
      readOptions({}, { TRICORD_RING_BYTES: String(value) });
    assert.deepEqual(read(limits.ring_bytes_min).warnings, []);
    assert.deepEqual(read(limits.ring_bytes_max).warnings, []);
    assert.equal(read(limits.ring_bytes_min - 1).warnings.length, 1);
    assert.equal(read(limits.ring_bytes_max + 1).warnings.length, 1);
  });
});

describe('an option in code that cannot be used', () => {
  it('throws and names the option, or the nearest one', () => {
    const misspelled = { serviceNam: 'shop' } as never;
    assert.throws(() => readOptions(misspelled, {}), {
      name: 'TricordError',
      code: 'TRICORD_OPTION',
      message: /Unknown option "serviceNam". Did you mean "serviceName"\?/,
    });
    assert.throws(() => readOptions({ ringBytes: 1 }, {}), OptionError);
    for (const tracesRules of [{ '/a': 2 }, { '': 1 }, { '/a': '1' }, ['/a'], null])
      assert.throws(
        () => readOptions({ tracesRules: tracesRules as never }, {}),
        /Option "tracesRules" is .*; it takes pattern=probability rules/,
      );
    assert.throws(
      () => readOptions({ protocol: 'smoke' as never }, {}),
      /Option "protocol" is "smoke"; it takes grpc, http\/protobuf/,
    );
    assert.throws(
      () => readPem('certificate', '/nowhere/ca.pem'),
      /OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read "\/nowhere\/ca.pem"/,
    );
  });
});

describe('the reference pages', () => {
  it('are generated from the tables', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(root, 'scripts/options-page.ts'), '--check'],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  });
});
