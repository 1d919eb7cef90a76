// OTEL_CONFIG_FILE: the declarative configuration of OpenTelemetry, as far as the agent has what it speaks of, as options.
import { readFileSync } from 'node:fs';
import { ConfigurationFile, type Section } from './configuration-tree.ts';
import { type FileView, viewsOf } from './configuration-views.ts';
import { OptionError } from './errors.ts';
import { type Options, optionTable } from './options.ts';

type Env = Readonly<Record<string, string | undefined>>;
type Given = { -readonly [K in keyof Options]?: Options[K] };
/** Where an exporter sends to. */
type Target = Pick<
  Options,
  | 'endpoint'
  | 'protocol'
  | 'compression'
  | 'headers'
  | 'certificate'
  | 'clientCertificate'
  | 'clientKey'
  | 'timeout'
>;
type Exporter = 'tracesExporter' | 'metricsExporter' | 'logsExporter';

export interface ReadConfiguration {
  readonly given: Partial<Options>;
  readonly views: readonly FileView[];
  /** What the file says that is not followed, with file, line and column. */
  readonly warnings: readonly string[];
}

/**
 * Reads a file of the schema's version 1.
 * Source: OpenTelemetry specification, "Declarative configuration"; opentelemetry-configuration.
 * @throws OptionError for what cannot be read or is of a wrong type, naming file, line, key and what would be right
 */
export function readConfigurationFile(path: string, env: Env): ReadConfiguration {
  const file = new ConfigurationFile(path, textOf(path), env);
  const { root } = file;
  checkFormat(root);
  const given: Given = {};
  take(given, 'disabled', root, 'disabled');
  const common = root.section('attribute_limits');
  take(given, 'attributeCountLimit', common, 'attribute_count_limit');
  take(given, 'attributeValueLengthLimit', common, 'attribute_value_length_limit');
  given.resourceAttributes = resourceOf(root.section('resource'));
  given.propagators = propagatorsOf(root.section('propagator'));
  const targets = [readTraces(root, given), readMetrics(root, given), readLogs(root, given)];
  Object.assign(given, agreed(targets, path));
  const views = viewsOf(root.section('meter_provider'));
  readOwn(root, given);
  root.warnOfRest();
  return { given, views, warnings: file.warnings };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OptionError(`OTEL_CONFIG_FILE: ${path} cannot be read: ${(error as Error).message}`);
  }
}

function checkFormat(root: Section): void {
  const format = root.plain('file_format');
  if (!/^1(\.|$)/.test(String(format ?? '')))
    throw root.wrong('file_format', 'a version of 1, such as "1.0"');
}

/** A setting of the file as the option that says the same. @throws OptionError for a value that the option does not take */
function take<K extends keyof Given>(given: Given, name: K, section: Section, key: string): void {
  const value = section.plain(key);
  if (value === undefined) return;
  const option = optionTable[name];
  if (!option.accepts(value)) throw section.wrong(key, option.shape);
  given[name] = value as Options[K];
}

function resourceOf(resource: Section): Record<string, string | number | boolean> {
  const attributes: Record<string, string | number | boolean> = {};
  const list = resource.text('attributes_list');
  if (list !== undefined) Object.assign(attributes, optionTable.resourceAttributes.parse(list));
  for (const entry of resource.sections('attributes')) {
    const value = entry.plain('value');
    entry.text('type');
    if (value !== undefined) attributes[nameOf(entry)] = value;
  }
  resource.text('schema_url');
  return attributes;
}

/** @throws OptionError where there is none */
function nameOf(entry: Section): string {
  const name = entry.text('name');
  if (name === undefined) throw entry.wrong('name', 'text');
  return name;
}

/** Without any in the file, none. */
function propagatorsOf(propagator: Section): readonly string[] {
  const listed = propagator.text('composite_list')?.split(',') ?? [];
  const names = [
    ...propagator.sections('composite').flatMap(item => item.keys),
    ...listed.map(name => name.trim()),
  ];
  for (const item of propagator.sections('composite')) for (const name of item.keys) item.section(name);
  for (const name of names)
    if (!optionTable.propagators.accepts([name]))
      propagator.warn('composite', `there is no propagator ${name}`);
  const known = names.filter(name => optionTable.propagators.accepts([name]));
  return known.length === 0 ? ['none'] : [...new Set(known)];
}

function readTraces(root: Section, given: Given): Target | undefined {
  const provider = root.section('tracer_provider');
  const limits = provider.section('limits');
  take(given, 'spanAttributeCountLimit', limits, 'attribute_count_limit');
  take(given, 'spanAttributeValueLengthLimit', limits, 'attribute_value_length_limit');
  take(given, 'eventAttributeCountLimit', limits, 'event_attribute_count_limit');
  take(given, 'linkAttributeCountLimit', limits, 'link_attribute_count_limit');
  take(given, 'eventCountLimit', limits, 'event_count_limit');
  take(given, 'linkCountLimit', limits, 'link_count_limit');
  given.tracesSampler = 'parentbased_always_on';
  if (provider.has('sampler')) readSampler(provider.section('sampler'), given);
  return readProcessors(provider, 'tracesExporter', 'tracesLinger', given);
}

function readLogs(root: Section, given: Given): Target | undefined {
  const provider = root.section('logger_provider');
  const limits = provider.section('limits');
  take(given, 'logRecordAttributeCountLimit', limits, 'attribute_count_limit');
  take(given, 'logRecordAttributeValueLengthLimit', limits, 'attribute_value_length_limit');
  return readProcessors(provider, 'logsExporter', 'logsLinger', given);
}

/** What batches waits as long as its schedule says, what is simple does not wait. */
function readProcessors(
  provider: Section,
  exporter: Exporter,
  linger: 'tracesLinger' | 'logsLinger',
  given: Given,
): Target | undefined {
  let target: Target | undefined;
  for (const processor of provider.sections('processors')) {
    const batch = processor.has('batch');
    const settings = processor.section(batch ? 'batch' : 'simple');
    const found = targetOf(settings.section('exporter'));
    if (target !== undefined || found === undefined) continue;
    target = found;
    if (batch) take(given, linger, settings, 'schedule_delay');
    else given[linger] = 0;
  }
  given[exporter] = target === undefined ? 'none' : 'otlp';
  return target;
}

function readMetrics(root: Section, given: Given): Target | undefined {
  const provider = root.section('meter_provider');
  let target: Target | undefined;
  let isPulled = false;
  for (const reader of provider.sections('readers')) {
    if (readPull(reader, given)) {
      isPulled = true;
      continue;
    }
    const periodic = reader.section('periodic');
    const exporter = periodic.section('exporter');
    const found = targetOf(exporter);
    if (target !== undefined || found === undefined) continue;
    target = found;
    take(given, 'metricExportInterval', periodic, 'interval');
    take(given, 'metricExportTimeout', periodic, 'timeout');
    take(given, 'cardinalityLimit', periodic.section('cardinality_limits'), 'default');
    const kind = exporter.section(exporter.keys[0]!);
    take(given, 'histogramAggregation', kind, 'default_histogram_aggregation');
    readTemporality(kind, given);
  }
  take(given, 'exemplarFilter', provider, 'exemplar_filter');
  if (isPulled) given.metricsExporter = target === undefined ? 'prometheus' : 'otlp,prometheus';
  else given.metricsExporter = target === undefined ? 'none' : 'otlp';
  return target;
}

/** Whether others read there: Prometheus does. */
function readPull(reader: Section, given: Given): boolean {
  const name = 'prometheus/development';
  if (!reader.has('pull') || !reader.section('pull').section('exporter').has(name)) return false;
  const exporter = reader.section('pull').section('exporter').section(name);
  take(given, 'prometheusHost', exporter, 'host');
  take(given, 'prometheusPort', exporter, 'port');
  return true;
}

/** The file writes `low_memory` where the variable has `lowmemory`. */
function readTemporality(exporter: Section, given: Given): void {
  const preference = exporter.text('temporality_preference')?.replace('low_memory', 'lowmemory');
  if (preference === undefined) return;
  const { accepts } = optionTable.temporalityPreference;
  if (!accepts(preference)) throw exporter.wrong('temporality_preference', 'cumulative, delta or low_memory');
  given.temporalityPreference = preference as Options['temporalityPreference'];
}

function readSampler(sampler: Section, given: Given): void {
  const root = sampler.has('parent_based') ? sampler.section('parent_based').section('root') : sampler;
  const prefix = sampler.has('parent_based') ? 'parentbased_' : '';
  const [kind = 'always_on'] = root.keys;
  const name = `${prefix}${kind === 'trace_id_ratio_based' ? 'traceidratio' : kind}`;
  if (!optionTable.tracesSampler.accepts(name)) return;
  given.tracesSampler = name as Options['tracesSampler'];
  take(given, 'tracesSamplerArg', root.section(kind), 'ratio');
}

/** Of the exporter for OTLP; undefined for others. */
function targetOf(exporter: Section): Target | undefined {
  const key = ['otlp_grpc', 'otlp_http'].find(name => exporter.has(name));
  if (key === undefined) return undefined;
  const http = key === 'otlp_http';
  const settings = exporter.section(key);
  const tls = settings.section('tls');
  const encoding = http ? settings.text('encoding') : undefined;
  if (encoding !== undefined && encoding !== 'protobuf') settings.warn('encoding', 'protobuf is sent');
  const { accepts, default: asNeeded } = optionTable.compression;
  const compression = settings.text('compression') ?? asNeeded;
  if (!accepts(compression)) throw settings.wrong('compression', 'none or gzip');
  tls.flag('insecure');
  const endpoint = settings.text('endpoint') ?? (http ? 'http://localhost:4318' : 'http://localhost:4317');
  return {
    protocol: http ? 'http/protobuf' : 'grpc',
    // The agent adds the path itself, each signal's own.
    endpoint: http ? endpoint.replace(/\/v1\/(traces|metrics|logs)$/, '') : endpoint,
    compression: compression as Options['compression'],
    headers: headersOf(settings),
    certificate: tls.text('ca_file') ?? '',
    clientCertificate: tls.text('cert_file') ?? '',
    clientKey: tls.text('key_file') ?? '',
    timeout: settings.number('timeout') ?? optionTable.timeout.default,
  };
}

function headersOf(settings: Section): Record<string, string> {
  const list = settings.text('headers_list');
  const headers = { ...(list !== undefined && optionTable.headers.parse(list)) };
  for (const entry of settings.sections('headers')) {
    const value = entry.plain('value');
    if (value !== undefined) headers[nameOf(entry)] = String(value);
  }
  return headers;
}

/** @throws OptionError when signals are to go to different places: the agent has one connection */
function agreed(targets: readonly (Target | undefined)[], path: string): Partial<Target> {
  const [first, ...others] = targets.filter(target => target !== undefined);
  for (const other of others)
    if (JSON.stringify(other) !== JSON.stringify(first))
      throw new OptionError(
        `${path}: the exporters of traces, metrics and logs differ (${first!.endpoint}, ${other.endpoint}); the agent has one connection for all three.`,
      );
  return first ?? {};
}

/** `distribution.tricord`: every option by its name, in snake case. */
function readOwn(root: Section, given: Given): void {
  const own = root.section('distribution').section('tricord');
  for (const name of Object.keys(optionTable) as (keyof Options)[]) {
    const key = name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
    if (!own.has(key)) continue;
    const option = optionTable[name];
    const value = Array.isArray(option.default) ? own.texts(key) : own.plain(key);
    if (value === undefined) continue;
    if (!option.accepts(value)) throw own.wrong(key, option.shape);
    Object.assign(given, { [name]: value });
  }
}
