// OTEL_CONFIG_FILE: what a file says as options, what it gets wrong, and an application under it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeTraces, Signal } from 'tricord/otlp';
import { type ReadConfiguration, readConfigurationFile } from '../src/configuration-file.ts';
import { attributesOf } from './decoded-records.ts';
import { run } from './register/application.ts';
import { arrivedAt } from './register/arrived.ts';
import { TestCollector } from './transport/test-collector.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-configuration-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'otel.yaml');

function read(text: string, env: Record<string, string> = {}): ReadConfiguration {
  writeFileSync(path, text);
  return readConfigurationFile(path, env);
}

const whole = `
file_format: "1.0"
disabled: false
attribute_limits: { attribute_count_limit: 64, attribute_value_length_limit: 4096 }
resource:
  attributes_list: \${OTEL_RESOURCE_ATTRIBUTES}
  attributes:
    - { name: service.name, value: checkout }
    - { name: shard, value: 7, type: int }
    - { name: zones, value: [a, b], type: string_array }
propagator:
  composite: [ { tracecontext: }, { baggage: } ]
tracer_provider:
  limits: { attribute_count_limit: 32, event_attribute_count_limit: 7, event_count_limit: 9, link_count_limit: 8 }
  sampler: { parent_based: { root: { trace_id_ratio_based: { ratio: 0.25 } } } }
  processors:
    - batch:
        schedule_delay: 250
        exporter: &exporter
          otlp_grpc:
            endpoint: http://\${HOST:-collector}:4317
            headers: [ { name: key, value: "\${KEY}" } ]
            timeout: 5000
meter_provider:
  exemplar_filter: always_on
  readers:
    - periodic:
        interval: 2000
        cardinality_limits: { default: 500 }
        exporter:
          otlp_grpc:
            endpoint: http://\${HOST:-collector}:4317
            headers: [ { name: key, value: "\${KEY}" } ]
            timeout: 5000
            default_histogram_aggregation: base2_exponential_bucket_histogram
logger_provider:
  processors: [ { simple: { exporter: *exporter } } ]
distribution:
  tricord: { ring_bytes: 1048576, instrumentations: [ -pino ], transport_thread: false }
`;

describe('a configuration file', () => {
  it('says what options say', () => {
    const { given, warnings } = read(whole, { KEY: '12', OTEL_RESOURCE_ATTRIBUTES: 'tier=gold,shard=1' });
    assert.deepEqual(warnings, []);
    assert.deepEqual(given, {
      disabled: false,
      attributeCountLimit: 64,
      attributeValueLengthLimit: 4096,
      resourceAttributes: { tier: 'gold', shard: 7, 'service.name': 'checkout', zones: 'a,b' },
      propagators: ['tracecontext', 'baggage'],
      spanAttributeCountLimit: 32,
      eventAttributeCountLimit: 7,
      eventCountLimit: 9,
      linkCountLimit: 8,
      tracesSampler: 'parentbased_traceidratio',
      tracesSamplerArg: 0.25,
      tracesLinger: 250,
      tracesExporter: 'otlp',
      exemplarFilter: 'always_on',
      metricExportInterval: 2000,
      cardinalityLimit: 500,
      histogramAggregation: 'base2_exponential_bucket_histogram',
      metricsExporter: 'otlp',
      logsLinger: 0,
      logsExporter: 'otlp',
      protocol: 'grpc',
      endpoint: 'http://collector:4317',
      compression: '',
      headers: { key: '12' },
      certificate: '',
      clientCertificate: '',
      clientKey: '',
      timeout: 5000,
      ringBytes: 1_048_576,
      instrumentations: ['-pino'],
      transportThread: false,
    });
  });

  it('has a page for Prometheus beside the export, or alone', () => {
    const pull =
      '{ pull: { exporter: { prometheus/development: { host: 0.0.0.0, port: 9000, without_units: true } } } }';
    const push = '{ periodic: { exporter: { otlp_grpc: } } }';
    const of = (readers: string): ReadConfiguration =>
      read(`file_format: "1.0"\nmeter_provider: { readers: [ ${readers} ] }`);
    const { given, warnings } = of(`${pull}, ${push}`);
    const { metricsExporter, prometheusHost, prometheusPort } = given;
    assert.deepEqual([metricsExporter, prometheusHost, prometheusPort], ['otlp,prometheus', '0.0.0.0', 9000]);
    assert.match(warnings.join(), /prometheus\/development\.without_units is ignored/);
    assert.equal(warnings.length, 1);
    assert.equal(of(pull).given.metricsExporter, 'prometheus');
  });

  it('sends nothing of a signal, and propagates nothing, that it does not speak of', () => {
    const { given } = read('file_format: "1.1"');
    const { tracesExporter, metricsExporter, logsExporter, propagators, tracesSampler } = given;
    assert.deepEqual(
      [tracesExporter, metricsExporter, logsExporter, propagators, tracesSampler],
      ['none', 'none', 'none', ['none'], 'parentbased_always_on'],
    );
  });

  it('adds the paths of OTLP/HTTP itself', () => {
    const processor = 'batch: { exporter: { otlp_http: { endpoint: "http://c:4318/base/v1/traces" } } }';
    const { given } = read(`{ file_format: "1.0", tracer_provider: { processors: [ { ${processor} } ] } }`);
    assert.deepEqual([given.protocol, given.endpoint], ['http/protobuf', 'http://c:4318/base']);
  });

  it('packs batches where an exporter says so, and refuses what nobody unpacks', () => {
    const of = (settings: string): string =>
      `{ file_format: "1.0", logger_provider: { processors: [ { simple: { exporter: { otlp_grpc: ${settings} } } } ] } }`;
    assert.equal(read(of('{ compression: gzip }')).given.compression, 'gzip');
    assert.equal(read(of('{ compression: none }')).given.compression, 'none');
    assert.equal(read(of('{}')).given.compression, '');
    assert.throws(() => read(of('{ compression: zstd }')), /compression .*none or gzip/);
  });

  it('takes variables as the specification says', () => {
    const variables = { NUMBER: '7', YES: 'true', MAP: '{a: b}', EMPTY: '' };
    const value = (text: string): unknown =>
      read(`file_format: "1.0"\nresource:\n  attributes:\n    - name: x\n      value: ${text}`, variables)
        .given.resourceAttributes!.x;
    const cases: [text: string, value: unknown][] = [
      ['${NUMBER}', 7],
      ['"${NUMBER}"', '7'],
      ['${env:YES}', true],
      ['a-${NUMBER}-${YES}', 'a-7-true'],
      ['${MISSING:-some text}', 'some text'],
      ['"${EMPTY:-filled}"', 'filled'],
      ['${MISSING}', undefined],
      ['"${MAP}"', '{a: b}'],
      ['$${NUMBER}', '${NUMBER}'],
    ];
    for (const [text, expected] of cases) assert.equal(value(text), expected, text);
    assert.throws(
      () => value('"${a-b}"'),
      /otel\.yaml:5:14: resource.attributes\[0\]\.value: \$\{a-b\} names no variable/,
    );
  });

  it('names what it has that is not followed, with its place', () => {
    const text = `file_format: "1.0"
tracer_provider:
  procesors: []
  sampler: { jaeger_remote: { endpoint: x } }
  processors:
    - batch: { exporter: { console: } }
propagator: { composite: [ { b3: } ] }
`;
    const { given, warnings } = read(text);
    assert.equal(given.tracesExporter, 'none');
    const unknown = 'is ignored: there is no such setting here, or it is not supported.';
    assert.deepEqual(warnings, [
      `${path}:7:15: propagator.composite is ignored: there is no propagator b3.`,
      `${path}:3:3: tracer_provider.procesors ${unknown}`,
      `${path}:4:14: tracer_provider.sampler.jaeger_remote ${unknown}`,
      `${path}:6:28: tracer_provider.processors[0].batch.exporter.console ${unknown}`,
    ]);
  });

  const view = 'file_format: "1.0"\nmeter_provider:\n  views:\n    - selector: { instrument_name: a';
  const refused: [title: string, text: string, message: RegExp][] = [
    ['no YAML', 'a: [', /otel\.yaml:1:5: /],
    ['no mapping', '- a', /otel\.yaml: the file is no mapping/],
    ['another version', 'file_format: "2.0"', /:1:14: file_format is "2\.0"; it takes a version of 1/],
    ['no version', 'disabled: true', /file_format is undefined; it takes a version of 1/],
    [
      'a list for a mapping',
      'file_format: "1.0"\ntracer_provider: []',
      /:2:18: tracer_provider is \[\]; it takes a mapping/,
    ],
    [
      'text for a list',
      'file_format: "1.0"\nresource: { attributes: x }',
      /:2:25: resource\.attributes is "x"; it takes a list/,
    ],
    [
      'an attribute without a name',
      'file_format: "1.0"\nresource: { attributes: [ { value: 1 } ] }',
      /attributes\[0\]\.name is undefined; it takes text/,
    ],
    [
      'a value of a wrong type',
      'file_format: "1.0"\ndisabled: 7',
      /:2:11: disabled is 7; it takes true or false/,
    ],
    [
      'a value out of bounds',
      'file_format: "1.0"\nattribute_limits: { attribute_count_limit: -1 }',
      /attribute_count_limit is -1; it takes count, 0 to 10000/,
    ],
    [
      'boundaries that are no numbers',
      `${view} }\n      stream: { aggregation: { explicit_bucket_histogram: { boundaries: [1, two] } } }`,
      /:5:77: .*explicit_bucket_histogram\.boundaries\[1\] is "two"; it takes a number/,
    ],
    [
      'an own option of a wrong type',
      'file_format: "1.0"\ndistribution: { tricord: { ring_bytes: big } }',
      /:2:40: distribution\.tricord\.ring_bytes is "big"; it takes bytes/,
    ],
  ];
  for (const [title, text, message] of refused) {
    it(`is refused, with the place, for ${title}`, () =>
      assert.throws(() => read(text), { code: 'TRICORD_OPTION', message }));
  }

  it('has views, in the words of those that are given in code', () => {
    const { views, warnings } = read(
      `file_format: "1.0"
meter_provider:
  views:
    - selector: { instrument_name: "http.*", instrument_type: histogram, unit: s, meter_name: shop, meter_version: "2", meter_schema_url: x }
      stream:
        aggregation: { explicit_bucket_histogram: { boundaries: [0.5, 1], record_min_max: false } }
        attribute_keys: { included: [http.route, tenant], excluded: [tenant] }
    - selector: { instrument_name: upload.size }
      stream: { name: upload.bytes, description: bytes, aggregation: { sum: }, aggregation_cardinality_limit: 50 }
    - selector: { meter_name: chatty }
      stream: { aggregation: { drop: {} } }
    - selector: { instrument_name: b }
      stream: { aggregation: { base2_exponential_bucket_histogram: { max_size: 20, max_scale: 3 } } }
`,
    );
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      views.map(({ path: place }) => place.slice(path.length)),
      [':4:7', ':8:7', ':10:7', ':12:7'].map((place, i) => `${place}: meter_provider.views[${i}]`),
    );
    assert.deepEqual(
      views.map(({ view }) => view),
      [
        {
          selector: {
            instrumentName: 'http.*',
            instrumentType: 'histogram',
            unit: 's',
            meterName: 'shop',
            meterVersion: '2',
            meterSchemaUrl: 'x',
          },
          stream: {
            attributeKeys: { included: ['http.route', 'tenant'], excluded: ['tenant'] },
            aggregation: {
              type: 'explicit_bucket_histogram',
              boundaries: [0.5, 1],
              recordMinMax: false,
            },
          },
        },
        {
          selector: { instrumentName: 'upload.size' },
          stream: {
            name: 'upload.bytes',
            description: 'bytes',
            aggregation: { type: 'sum' },
            cardinalityLimit: 50,
          },
        },
        { selector: { meterName: 'chatty' }, stream: { aggregation: { type: 'drop' } } },
        {
          selector: { instrumentName: 'b' },
          stream: { aggregation: { type: 'base2_exponential_bucket_histogram', maxSize: 20, maxScale: 3 } },
        },
      ],
    );
  });

  it('names what of a view is not followed, with its place', () => {
    const { views, warnings } = read(`file_format: "1.0"
meter_provider:
  views:
    - selector: { instrument_name: a, colour: red }
      stream:
        attribute_keys: { excluded: ["user.*"] }
        aggregation: { median: }
`);
    assert.deepEqual(
      views.map(({ view }) => view),
      [{ selector: { instrumentName: 'a' }, stream: {} }],
    );
    const unknown = 'is ignored: there is no such setting here, or it is not supported.';
    assert.deepEqual(warnings, [
      `${path}:6:9: meter_provider.views[0].stream.attribute_keys is ignored: patterns such as "user.*" are not supported.`,
      `${path}:4:39: meter_provider.views[0].selector.colour ${unknown}`,
      `${path}:7:24: meter_provider.views[0].stream.aggregation.median ${unknown}`,
    ]);
  });

  it('is refused when its signals are to go to different places', () => {
    const exporter = (port: number): string => `exporter: { otlp_grpc: { endpoint: "http://c:${port}" } }`;
    const text = `{ file_format: "1.0",
      tracer_provider: { processors: [ { batch: { ${exporter(1)} } } ] },
      logger_provider: { processors: [ { batch: { ${exporter(2)} } } ] } }`;
    assert.throws(() => read(text), /differ \(http:\/\/c:1, http:\/\/c:2\); the agent has one connection/);
  });

  it('is refused when it is not there', () => {
    assert.throws(
      () => readConfigurationFile(join(folder, 'none.yaml'), {}),
      /OTEL_CONFIG_FILE: .*none\.yaml cannot be read: ENOENT/,
    );
  });
});

describe('an application under a configuration file', () => {
  const script = `const { trace } = require('@opentelemetry/api'); trace.getTracer('t').startSpan('one').end(); console.log('ran')`;

  it('follows it, and no other OTEL_ variable', async () => {
    const collector = await TestCollector.start();
    after(() => collector.stop());
    writeFileSync(
      path,
      `{ file_format: "1.0", resource: { attributes: [ { name: service.name, value: filed } ] },
      tracer_provider: { processors: [ { simple: { exporter: { otlp_grpc: { endpoint: "\${URL}" } } } } ] } }`,
    );
    const env = {
      OTEL_CONFIG_FILE: path,
      URL: collector.url,
      OTEL_TRACES_SAMPLER: 'always_off',
      OTEL_SERVICE_NAME: 'other',
    };
    assert.deepEqual(await run(script, { env }), { code: 0, signal: null, stdout: 'ran\n', stderr: '' });
    const { spans, metrics } = arrivedAt(collector);
    assert.deepEqual([spans.map(({ name }) => name), metrics.size], [['one'], 0]);
    const [batch] = collector.taken.filter(({ signal }) => signal === Signal.traces);
    let service: unknown;
    decodeTraces(batch!.payload, {
      resource: found => {
        service = attributesOf(found)['service.name'];
      },
      span: () => {},
    });
    assert.equal(service, 'filed');
  });

  it('has the metrics that its views make of instruments', async () => {
    const collector = await TestCollector.start();
    after(() => collector.stop());
    writeFileSync(
      path,
      `file_format: "1.0"
meter_provider:
  readers: [ { periodic: { exporter: { otlp_grpc: { endpoint: "${collector.url}" } } } } ]
  views:
    - selector: { instrument_name: size }
      stream: { name: bytes, description: all of them, aggregation: { sum: }, attribute_keys: { included: [tenant] } }
    - selector: { meter_name: chatty }
      stream: { aggregation: { drop: } }
`,
    );
    const measuring = `const { metrics } = require('@opentelemetry/api');
      const size = metrics.getMeter('shop').createHistogram('size');
      size.record(3, { tenant: 'a', user: 1 }); size.record(4, { tenant: 'a', user: 2 });
      metrics.getMeter('chatty').createCounter('word').add(1);`;
    const { code, stderr } = await run(measuring, { env: { OTEL_CONFIG_FILE: path } });
    assert.deepEqual([code, stderr], [0, '']);
    const { metrics } = arrivedAt(collector);
    assert.ok(!metrics.has('size') && !metrics.has('word'));
    const bytes = metrics.get('bytes')!;
    assert.equal(bytes.description, 'all of them');
    assert.partialDeepStrictEqual(bytes.data, { type: 'sum', points: [{ value: 7 }] });
  });

  const unusable: readonly (readonly [string, string, string])[] = [
    ['a value', 'disabled: perhaps', ':2:11: disabled is "perhaps"; it takes true or false.'],
    [
      'a view',
      'meter_provider: { views: [ { selector: { instrument_name: a }, stream: { aggregation_cardinality_limit: 0 } } ] }',
      ':2:28: meter_provider.views[0].stream.cardinalityLimit is 0; it takes a whole number from 1 to 1000000.',
    ],
  ];
  for (const [title, line, message] of unusable) {
    it(`runs without the agent when ${title} of the file cannot be used, and is told on one line`, async () => {
      writeFileSync(path, `file_format: "1.0"\n${line}`);
      const { code, stdout, stderr } = await run(script, { env: { OTEL_CONFIG_FILE: path } });
      assert.deepEqual([code, stdout], [0, 'ran\n']);
      assert.equal(stderr, `tricord: the start failed: ${path}${message}\n`);
    });
  }
});
