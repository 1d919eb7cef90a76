// Every option of the agent in one table: its variable, default, unit, bounds and meaning.
import { readFileSync } from 'node:fs';
import { OptionError } from './errors.ts';
import { limits } from './limits.ts';
import { nearest } from './nearest.ts';

/** The options of the agent, as `start()` takes them (all optional there) and as the agent then uses them. */
export interface Options {
  disabled: boolean;
  serviceName: string;
  resourceAttributes: Readonly<Record<string, string | number | boolean>>;
  endpoint: string;
  protocol: 'grpc' | 'http/protobuf';
  headers: Readonly<Record<string, string>>;
  certificate: string;
  clientCertificate: string;
  clientKey: string;
  timeout: number;
  tracesExporter: 'otlp' | 'none';
  metricsExporter: 'otlp' | 'none';
  logsExporter: 'otlp' | 'none';
  tracesSampler: TracesSampler;
  tracesSamplerArg: number;
  propagators: readonly string[];
  metricExportInterval: number;
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
  eventCountLimit: number;
  linkCountLimit: number;
  instrumentations: readonly string[];
  otelInstrumentations: readonly string[];
  tracesLinger: number;
  logsLinger: number;
  ringBytes: number;
  resendBytes: number;
  transportThread: boolean;
  flushTimeout: number;
}

type TracesSampler =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

/** One row of the table; {@link Option.parse} turns the variable's text into the value and throws an Error saying what would be right. */
export interface Option<T> {
  readonly env: string;
  readonly default: T;
  readonly doc: string;
  /** What the value is, with its unit and bounds, for people. */
  readonly shape: string;
  readonly parse: (text: string) => T;
  /** Whether a value given in code is acceptable. */
  readonly accepts: (value: unknown) => boolean;
  /** Its value is never shown. */
  readonly secret?: boolean;
}

const isText = (value: unknown): value is string => typeof value === 'string';

function text(env: string, fallback: string, doc: string, shape = 'text'): Option<string> {
  return { env, default: fallback, doc, shape, parse: value => value, accepts: isText };
}

const flagWords: Readonly<Record<string, boolean>> = { true: true, false: false };
const switchWords: Readonly<Record<string, boolean>> = { ...flagWords, on: true, off: false };

/** @param words what the variable's text may be; the specification knows only `true` and `false` */
function flag(env: string, fallback: boolean, doc: string, words = flagWords): Option<boolean> {
  const shape = Object.keys(words)
    .join(', ')
    .replace(/, (\w+)$/, ' or $1');
  const parse = (value: string): boolean => {
    const lower = value.toLowerCase();
    if (!Object.hasOwn(words, lower)) throw new Error(shape);
    return words[lower]!;
  };
  return {
    env,
    default: fallback,
    doc,
    shape,
    parse,
    accepts: value => typeof value === 'boolean',
  };
}

function choice<T extends string>(
  env: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
  doc: string,
): Option<T> {
  const shape = choices.join(', ');
  const parse = (value: string): T => {
    const found = choices.find(candidate => candidate === value.toLowerCase());
    if (found === undefined) throw new Error(`one of ${shape}`);
    return found;
  };
  return { env, default: fallback, doc, shape, parse, accepts: value => choices.includes(value as T) };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly fraction?: boolean;
}

function quantity(env: string, fallback: number, bounds: Bounds, doc: string): Option<number> {
  const { min, max, unit, fraction = false } = bounds;
  const shape = `${unit}, ${min} to ${max}`;
  const accepts = (value: unknown): boolean =>
    typeof value === 'number' && value >= min && value <= max && (fraction || Number.isInteger(value));
  const parse = (value: string): number => {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (!accepts(number)) throw new Error(`${fraction ? 'a number' : 'a whole number'} (${shape})`);
    return number;
  };
  return { env, default: fallback, doc, shape, parse, accepts };
}

/** A limit for one kind of record; unset, the general one is in force. */
function specificLimit(env: string, general: Option<number>, doc: string): Option<number | undefined> {
  return { ...general, env, default: undefined, doc: `${doc}; \`${general.env}\` when it is unset.` };
}

/** @param known what items may be, in lowercase, in a variable in any case; by default anything */
function list(
  env: string,
  fallback: readonly string[],
  doc: string,
  known?: readonly string[],
): Option<readonly string[]> {
  const shape = `${known === undefined ? 'list' : `list of ${known.join(', ')}`}, separated by commas`;
  const accepts = (value: unknown): boolean =>
    Array.isArray(value) && value.every(item => isText(item) && (known?.includes(item) ?? true));
  const parse = (value: string): string[] => {
    const items = value.split(',').map(item => item.trim());
    const given = items
      .filter(item => item !== '')
      .map(item => (known === undefined ? item : item.toLowerCase()));
    if (!accepts(given)) throw new Error(`a ${shape}`);
    return given;
  };
  return { env, default: fallback, doc, shape, parse, accepts };
}

/** @param readKey what of a key is encoded; by default nothing */
function pairs(
  env: string,
  doc: string,
  readKey: (key: string) => string | undefined = key => key,
): Option<Readonly<Record<string, string>>> {
  const parse = (value: string): Record<string, string> => {
    const entries = value
      .split(',')
      .filter(item => item.trim() !== '')
      .map(item => {
        const at = item.indexOf('=');
        const key = at > 0 ? readKey(item.slice(0, at).trim()) : undefined;
        const decoded = percentDecoded(item.slice(at + 1).trim());
        if (!key || decoded === undefined)
          throw new Error('key=value pairs, separated by commas, values percent-encoded');
        return [key, decoded] as const;
      });
    return Object.fromEntries(entries);
  };
  const accepts = (value: unknown): boolean => isRecordOf(value, ['string']);
  return { env, default: {}, doc, shape: 'key=value pairs, separated by commas', parse, accepts };
}

function isRecordOf(value: unknown, types: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every(each => types.includes(typeof each));
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

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
const samplers: readonly TracesSampler[] = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

/** The table. Its order is the order of the reference page. */
export const optionTable: { readonly [K in keyof Options]: Option<Options[K]> } = {
  disabled: flag('OTEL_SDK_DISABLED', false, 'Turns the whole agent off.'),
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
  metricsExporter: choice('OTEL_METRICS_EXPORTER', exporters, 'otlp', 'Whether metrics are sent.'),
  logsExporter: choice(
    'OTEL_LOGS_EXPORTER',
    exporters,
    'otlp',
    'Whether log records are sent; with `none`, log lines still carry their trace and span IDs.',
  ),
  tracesSampler: choice('OTEL_TRACES_SAMPLER', samplers, 'parentbased_always_on', 'Which traces are kept.'),
  tracesSamplerArg: quantity(
    'OTEL_TRACES_SAMPLER_ARG',
    1,
    { min: 0, max: 1, unit: 'probability', fraction: true },
    'Probability for the `traceidratio` samplers.',
  ),
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
    'Which instrumentations `tricord/register` installs: `all`, `none`, names, and names with a minus sign for exceptions.',
  ),
  otelInstrumentations: list(
    'TRICORD_OTEL_INSTRUMENTATIONS',
    [],
    'Which stock OpenTelemetry instrumentations `tricord/register` loads from the application’s packages: `all` of `@opentelemetry/auto-instrumentations-node`, names such as `mongoose`, and names with a minus sign for exceptions.',
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
};

/** The default endpoint is another one there (OTLP specification, "Default port"). */
const OTLP_HTTP_ENDPOINT = 'http://127.0.0.1:4318';

export interface ReadOptions {
  readonly options: Readonly<Options>;
  /** Variables that could not be used, each with what would be right; their defaults are in force. */
  readonly warnings: readonly string[];
}

/**
 * Options from code over the environment over the defaults. As the OpenTelemetry specification asks, a variable that
 * cannot be used is reported and ignored; empty variables count as unset.
 * @throws OptionError for an unknown or unusable option given in code
 */
export function readOptions(given: Partial<Options> = {}, env: NodeJS.ProcessEnv = process.env): ReadOptions {
  const warnings = unknownVariables(env);
  const names = Object.keys(optionTable) as (keyof Options)[];
  for (const name of Object.keys(given)) {
    if (!names.includes(name as keyof Options)) {
      throw new OptionError(`Unknown option "${name}". Did you mean "${nearest(name, names)}"?`);
    }
  }
  const read = <K extends keyof Options>(name: K): Options[K] => {
    const option: Option<Options[K]> = optionTable[name];
    const value = given[name];
    if (value === undefined) return readVariable(option);
    if (option.accepts(value)) return value;
    const shown = option.secret ? '(not shown)' : printable(value);
    throw new OptionError(`Option "${name}" is ${shown}; it takes ${option.shape}.`);
  };
  const readVariable = <T>(option: Option<T>): T => {
    const variable = env[option.env];
    if (variable === undefined || variable === '') return option.default;
    try {
      return option.parse(variable);
    } catch (error) {
      const shown = option.secret ? '(not shown)' : printable(variable);
      warnings.push(`${option.env}=${shown} is ignored: it takes ${(error as Error).message}.`);
      return option.default;
    }
  };
  const options = Object.fromEntries(names.map(name => [name, read(name)])) as unknown as Options;
  if (given.resourceAttributes !== undefined) {
    // Both are merged (resource SDK, "Specifying resource information via an environment variable").
    const variable = readVariable(optionTable.resourceAttributes);
    options.resourceAttributes = { ...variable, ...given.resourceAttributes };
  }
  const isGiven = given.endpoint !== undefined || Boolean(env[optionTable.endpoint.env]);
  if (options.protocol === 'http/protobuf' && !isGiven) options.endpoint = OTLP_HTTP_ENDPOINT;
  return { options, warnings };
}

/**
 * `TRICORD_*` variables that mean nothing are most likely misspelled. Those of OTLP that are not known here, such as the
 * ones for a single signal, are told of too: whoever sets one expects data to go elsewhere, or in another way.
 */
function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = Object.values(optionTable).map(option => option.env);
  return Object.keys(env)
    .filter(name => /^(TRICORD|OTEL_EXPORTER_OTLP)_/.test(name) && env[name] !== '' && !known.includes(name))
    .map(name => `${name} is ignored: there is no such variable. Did you mean ${nearest(name, known)}?`);
}

const printable = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 200);

/**
 * The contents of a PEM file that an option names; undefined when it names none.
 * @throws OptionError naming the variable, the path and the reason
 */
export function readPem(
  name: 'certificate' | 'clientCertificate' | 'clientKey',
  path: string,
): string | undefined {
  if (path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OptionError(
      `${optionTable[name].env}: cannot read ${printable(path)}: ${(error as Error).message}`,
    );
  }
}

/** The reference table in Markdown, one row per option. */
export function optionsMarkdown(): string {
  const rows = (Object.entries(optionTable) as [string, Option<unknown>][]).map(([name, option]) => {
    const shown =
      typeof option.default === 'object'
        ? Object.values(option.default as object).join(',')
        : String(option.default ?? '');
    return `| \`${option.env}\` | \`${name}\` | ${shown === '' ? '' : `\`${shown}\``} | ${option.shape} | ${option.doc} |`;
  });
  return ['| variable | in `start()` | default | takes | meaning |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}
