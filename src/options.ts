// Every option of the agent in one table: its variable, default, unit, bounds and meaning.
import { limits } from './limits.ts';
import {
  type Bounds,
  choice,
  combination,
  fieldRules,
  flag,
  hostAndPort,
  isRecordOf,
  list,
  numberWords,
  type Option,
  optionalChoice,
  pairs,
  percentDecoded,
  quantity,
  specificLimit,
  switchWords,
  text,
} from './option-kinds.ts';
import {
  areSamplingRules,
  parseSamplingRules,
  type SamplingRules,
  samplingRulesShape,
} from './sampling-rules.ts';

/** The options of the agent, as `start()` takes them (all optional there) and as the agent then uses them. */
export interface Options {
  disabled: boolean;
  logLevel: '' | LogLevel;
  doctor: boolean;
  serviceName: string;
  resourceAttributes: Readonly<Record<string, string | number | boolean>>;
  resourceDetectors: readonly string[];
  endpoint: string;
  protocol: 'grpc' | 'http/protobuf';
  compression: '' | 'none' | 'gzip';
  headers: Readonly<Record<string, string>>;
  certificate: string;
  clientCertificate: string;
  clientKey: string;
  timeout: number;
  tracesExporter: 'otlp' | 'none';
  metricsExporter: 'otlp' | 'none' | 'prometheus' | 'otlp,prometheus';
  prometheusEndpoint: string;
  prometheusHost: string;
  prometheusPort: number;
  logsExporter: 'otlp' | 'none';
  tracesSampler: (typeof samplers)[number];
  tracesSamplerArg: number;
  tracesBudget: number;
  tracesErrors: 'auto' | 'on' | 'off';
  tracesSlow: number;
  tracesRules: SamplingRules;
  propagators: readonly string[];
  metricExportInterval: number;
  metricExportTimeout: number;
  temporalityPreference: 'cumulative' | 'delta' | 'lowmemory';
  exemplarFilter: 'trace_based' | 'always_on' | 'always_off';
  histogramAggregation: 'explicit_bucket_histogram' | 'base2_exponential_bucket_histogram';
  cardinalityLimit: number;
  metricLabels: readonly string[];
  baggageLabels: readonly string[];
  attributeCountLimit: number;
  attributeValueLengthLimit: number;
  spanAttributeCountLimit: number | undefined;
  spanAttributeValueLengthLimit: number | undefined;
  eventAttributeCountLimit: number | undefined;
  linkAttributeCountLimit: number | undefined;
  logRecordAttributeCountLimit: number | undefined;
  logRecordAttributeValueLengthLimit: number | undefined;
  eventCountLimit: number;
  linkCountLimit: number;
  instrumentations: readonly string[];
  otelInstrumentations: readonly string[];
  enabledInstrumentations: readonly string[];
  disabledInstrumentations: readonly string[];
  sdkMetrics: boolean;
  logsCapture: boolean;
  logsFields: readonly string[];
  logsBudget: number;
  tracesLinger: number;
  logsLinger: number;
  ringBytes: number;
  resendBytes: number;
  transportThread: boolean;
  flushTimeout: number;
  profilesSlow: number;
  profilesInterval: number;
}

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'parentbased_dynamic',
] as const;

const logLevels = ['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all'] as const;
export type LogLevel = (typeof logLevels)[number];

const milliseconds = (min: number, max: number): Bounds => ({ min, max, unit: 'ms' });
const count = (max: number): Bounds => ({ min: 0, max, unit: 'count' });
const attributeCountLimit = quantity(
  'OTEL_ATTRIBUTE_COUNT_LIMIT',
  limits.attributes_max,
  count(10_000),
  'Attributes of one span, event, link or log record.',
);
const attributeValueLengthLimit = quantity(
  'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
  limits.attribute_value_length_max,
  { min: 0, max: limits.attribute_value_length_max, unit: 'UTF-16 units' },
  'Length of one attribute’s text; longer ones are cut.',
);

const exporters = ['otlp', 'none'] as const;
const detectors: readonly string[] = [
  ...['all', 'none', 'env', 'host', 'os', 'process', 'serviceinstance', 'container'],
  ...['alibaba', 'aws', 'azure', 'gcp'],
];

/** The table. Its order is the order of the reference page. */
export const optionTable: { readonly [K in keyof Options]: Option<Options[K]> } = {
  disabled: flag('OTEL_SDK_DISABLED', false, 'Turns the whole agent off.'),
  logLevel: optionalChoice(
    'OTEL_LOG_LEVEL',
    logLevels,
    'Which messages of OpenTelemetry’s `diag` go to stderr, the same one once a minute at the most. Unset, only what the agent says of itself does; with `none`, not even that.',
  ),
  doctor: flag(
    'TRICORD_DOCTOR',
    false,
    'Says on stderr at the start what was detected, and what is wrong, as `npx tricord doctor` does without running the application.',
    numberWords,
  ),
  serviceName: text(
    'OTEL_SERVICE_NAME',
    '',
    'The service’s name; else `service.name` of the resource attributes, else the name in the nearest `package.json`.',
  ),
  resourceAttributes: {
    ...pairs(
      'OTEL_RESOURCE_ATTRIBUTES',
      'Attributes of the resource, beside those that are detected, and those given in code, which win.',
      percentDecoded,
    ),
    accepts: value => isRecordOf(value, ['string', 'number', 'boolean']),
  },
  resourceDetectors: list(
    'OTEL_NODE_RESOURCE_DETECTORS',
    ['all'],
    'What the resource says: `env` (`OTEL_RESOURCE_ATTRIBUTES`), `host`, `os`, `process`, `serviceinstance`, `container`. `alibaba`, `aws`, `azure` and `gcp` are accepted and find nothing here.',
    detectors,
  ),
  endpoint: text(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'http://127.0.0.1:4317',
    'Where the collector listens; `https` for TLS.',
    'URL',
  ),
  protocol: choice(
    'OTEL_EXPORTER_OTLP_PROTOCOL',
    ['grpc', 'http/protobuf'],
    'grpc',
    'gRPC (the stream, or plain OTLP where the collector does not know it), or OTLP/HTTP.',
  ),
  compression: optionalChoice(
    'OTEL_EXPORTER_OTLP_COMPRESSION',
    ['none', 'gzip'],
    'Whether every batch is packed, or none. Unset, those are that have to wait, in the transport thread.',
  ),
  headers: {
    ...pairs('OTEL_EXPORTER_OTLP_HEADERS', 'Headers of every call to the collector.'),
    secret: true,
  },
  certificate: text('OTEL_EXPORTER_OTLP_CERTIFICATE', '', 'Certificate authority to trust, PEM.', 'file'),
  clientCertificate: text('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE', '', 'Client certificate, PEM.', 'file'),
  clientKey: text('OTEL_EXPORTER_OTLP_CLIENT_KEY', '', 'Key of the client certificate, PEM.', 'file'),
  timeout: quantity(
    'OTEL_EXPORTER_OTLP_TIMEOUT',
    10_000,
    milliseconds(0, limits.timeout_ms_max),
    'How long one call to the collector may take; 0 for no limit, which is ten minutes.',
  ),
  tracesExporter: choice('OTEL_TRACES_EXPORTER', exporters, 'otlp', 'Whether spans are sent.'),
  metricsExporter: combination(
    'OTEL_METRICS_EXPORTER',
    ['otlp', 'none', 'prometheus', 'otlp,prometheus'],
    'otlp',
    'Whether metrics are sent, or answered to Prometheus on a page of the process, or both. See [metrics](metrics.md#the-page-for-prometheus).',
  ),
  prometheusEndpoint: hostAndPort(
    'TRICORD_PROMETHEUS_ENDPOINT',
    'Where the process has that page, `/metrics`, whatever `OTEL_METRICS_EXPORTER` says.',
  ),
  prometheusHost: text('OTEL_EXPORTER_PROMETHEUS_HOST', '127.0.0.1', 'Its host, without the former.'),
  prometheusPort: quantity(
    'OTEL_EXPORTER_PROMETHEUS_PORT',
    9464,
    { min: 1, max: 65_535, unit: 'port' },
    'Its port.',
  ),
  logsExporter: choice(
    'OTEL_LOGS_EXPORTER',
    exporters,
    'otlp',
    'Whether log records are sent, whoever emits them; with `none`, log lines still carry their trace and span IDs.',
  ),
  tracesSampler: choice(
    'OTEL_TRACES_SAMPLER',
    samplers,
    'parentbased_dynamic',
    'Which traces are kept; `parentbased_dynamic`: all while `TRICORD_TRACES_BUDGET` is not used up, then an ever smaller share. See [sampling](sampling.md).',
  ),
  tracesSamplerArg: quantity(
    'OTEL_TRACES_SAMPLER_ARG',
    1,
    { min: 0, max: 1, unit: 'probability', fraction: true },
    'Probability for the `traceidratio` samplers.',
  ),
  tracesBudget: quantity(
    'TRICORD_TRACES_BUDGET',
    1000,
    { min: 1, max: 1_000_000, unit: 'recorded spans per second' },
    'What `parentbased_dynamic` keeps the process to, down to 1 % of the traces.',
  ),
  tracesErrors: choice(
    'TRICORD_TRACES_ERRORS',
    ['auto', 'on', 'off'],
    'auto',
    'Whether a first span of this process that is not sampled is kept when it ends in an error; `auto`: with `parentbased_dynamic`.',
  ),
  tracesSlow: quantity(
    'TRICORD_TRACES_SLOW',
    0,
    milliseconds(0, 86_400_000),
    'How long such a span takes that is kept for it, with any sampler; 0: none is.',
  ),
  tracesRules: {
    env: 'TRICORD_TRACES_RULES',
    default: {},
    doc: 'Probabilities of their own for first spans of this process, by name, path, or method and path, `*` for anything: `GET /health=0; /checkout/*=1`. The first that fits counts.',
    shape: samplingRulesShape,
    parse: parseSamplingRules,
    accepts: areSamplingRules,
  },
  propagators: list('OTEL_PROPAGATORS', ['tracecontext', 'baggage'], 'Which headers carry the context.', [
    'tracecontext',
    'baggage',
    'none',
  ]),
  metricExportInterval: quantity(
    'OTEL_METRIC_EXPORT_INTERVAL',
    10_000,
    milliseconds(10, 3_600_000),
    'How often metrics are collected.',
  ),
  metricExportTimeout: quantity(
    'OTEL_METRIC_EXPORT_TIMEOUT',
    5000,
    milliseconds(1, 3_600_000),
    'How long a collection waits for asynchronous callbacks.',
  ),
  temporalityPreference: choice(
    'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
    ['cumulative', 'delta', 'lowmemory'],
    'cumulative',
    'Whether points say what was measured since the start, or since the last point: see [metrics](metrics.md#temporality).',
  ),
  exemplarFilter: choice(
    'OTEL_METRICS_EXEMPLAR_FILTER',
    ['trace_based', 'always_on', 'always_off'],
    'trace_based',
    'Which measurements may become exemplars.',
  ),
  histogramAggregation: choice(
    'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION',
    ['explicit_bucket_histogram', 'base2_exponential_bucket_histogram'],
    'explicit_bucket_histogram',
    'How histograms aggregate.',
  ),
  cardinalityLimit: quantity(
    'TRICORD_CARDINALITY_LIMIT',
    limits.cardinality_max,
    { min: 2, max: 1_000_000, unit: 'series' },
    'Series of one metric; those beyond are added up in the series `otel.metric.overflow=true`.',
  ),
  metricLabels: list(
    'TRICORD_METRIC_LABELS',
    [],
    'Labels of the context that become attributes of metric points.',
  ),
  baggageLabels: list(
    'TRICORD_BAGGAGE_LABELS',
    [],
    'Labels of the context that cross process boundaries as W3C baggage, both ways.',
  ),
  attributeCountLimit,
  attributeValueLengthLimit,
  spanAttributeCountLimit: specificLimit(
    'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT',
    attributeCountLimit,
    'Attributes of one span',
  ),
  spanAttributeValueLengthLimit: specificLimit(
    'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
    attributeValueLengthLimit,
    'Length of one attribute’s text in spans, their events and links',
  ),
  eventAttributeCountLimit: specificLimit(
    'OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT',
    attributeCountLimit,
    'Attributes of one event',
  ),
  linkAttributeCountLimit: specificLimit(
    'OTEL_LINK_ATTRIBUTE_COUNT_LIMIT',
    attributeCountLimit,
    'Attributes of one link',
  ),
  logRecordAttributeCountLimit: specificLimit(
    'OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT',
    attributeCountLimit,
    'Attributes of one log record',
  ),
  logRecordAttributeValueLengthLimit: specificLimit(
    'OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT',
    attributeValueLengthLimit,
    'Length of one text of a log record',
  ),
  eventCountLimit: quantity(
    'OTEL_SPAN_EVENT_COUNT_LIMIT',
    limits.events_max,
    count(10_000),
    'Events of one span.',
  ),
  linkCountLimit: quantity(
    'OTEL_SPAN_LINK_COUNT_LIMIT',
    limits.links_max,
    count(10_000),
    'Links of one span.',
  ),
  instrumentations: list(
    'TRICORD_INSTRUMENTATIONS',
    ['all'],
    'Which instrumentations `tricord/register` installs: `all`, `none`, names, and names with a minus sign for exceptions. `console` is not among `all`.',
  ),
  logsCapture: flag(
    'TRICORD_LOGS_CAPTURE',
    true,
    'Whether the lines of pino, winston and the console become log records; with `off` they only carry their IDs, and what the application emits through the OpenTelemetry API is sent all the same. `OTEL_LOGS_EXPORTER=none` sends neither.',
    switchWords,
  ),
  logsFields: list(
    'TRICORD_LOGS_FIELDS',
    [],
    'Which attributes of log records are sent: see below.',
    fieldRules,
  ),
  logsBudget: quantity(
    'TRICORD_LOGS_BUDGET',
    0,
    { min: 0, max: 1_000_000_000, unit: 'records/s' },
    'Log records below WARN that are kept in a second, about; beyond it INFO is thinned, and DEBUG sooner, each with its weight in `sampling.threshold`. 0: all.',
  ),
  otelInstrumentations: list(
    'TRICORD_OTEL_INSTRUMENTATIONS',
    [],
    'Which stock OpenTelemetry instrumentations `tricord/register` loads from the application’s packages: `all` of `@opentelemetry/auto-instrumentations-node`, names such as `mongoose`, and names with a minus sign for exceptions.',
  ),
  enabledInstrumentations: list(
    'OTEL_NODE_ENABLED_INSTRUMENTATIONS',
    [],
    'Of those, only these; by the names of `TRICORD_INSTRUMENTATIONS` or OpenTelemetry’s (`http`, `runtime-node`).',
  ),
  disabledInstrumentations: list(
    'OTEL_NODE_DISABLED_INSTRUMENTATIONS',
    [],
    'Of those, not these; what there is none of anyway may be named.',
  ),
  sdkMetrics: flag(
    'OTEL_NODE_EXPERIMENTAL_SDK_METRICS',
    true,
    'Whether the agent’s metrics of itself are sent: `otel.sdk.*` and `tricord.*`.',
  ),
  tracesLinger: quantity(
    'TRICORD_TRACES_LINGER',
    100,
    milliseconds(0, 60_000),
    'How long an ended span may wait for others before it is sent.',
  ),
  logsLinger: quantity(
    'TRICORD_LOGS_LINGER',
    1000,
    milliseconds(0, 60_000),
    'How long a log record may wait for others before it is sent.',
  ),
  ringBytes: quantity(
    'TRICORD_RING_BYTES',
    limits.ring_bytes_default,
    { min: limits.ring_bytes_min, max: limits.ring_bytes_max, unit: 'bytes' },
    'Size of the buffer between the application and the transport thread, rounded up to a power of two.',
  ),
  resendBytes: quantity(
    'TRICORD_RESEND_BYTES',
    limits.resend_bytes_default,
    { min: limits.resend_bytes_min, max: limits.resend_bytes_max, unit: 'bytes' },
    'Size of the buffer of batches that the collector has not acknowledged. Behind its first quarter ever fewer records are kept, each with its weight.',
  ),
  transportThread: flag(
    'TRICORD_TRANSPORT_THREAD',
    true,
    'Whether sending has a thread of its own; without one it takes turns with the application on its event loop.',
    switchWords,
  ),
  flushTimeout: quantity(
    'TRICORD_FLUSH_TIMEOUT',
    2000,
    milliseconds(0, 60_000),
    'How long the exit of the process may wait until everything is delivered.',
  ),
  profilesSlow: quantity(
    'TRICORD_PROFILES_SLOW',
    0,
    milliseconds(0, 86_400_000),
    'How long a first span of this process takes that a CPU profile is sent of: see [profiles](profiles.md); 0: of none.',
  ),
  profilesInterval: quantity(
    'TRICORD_PROFILES_INTERVAL',
    10,
    milliseconds(1, 1000),
    'How often the thread is looked at for them.',
  ),
};
