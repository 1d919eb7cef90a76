// Every OTEL_* variable of the OpenTelemetry specification, and what becomes of those that are no option here.

/** What becomes of a variable. One that `options.ts` has is an option, whatever stands here. */
export type Fate =
  /** A row of the options table. */
  | { readonly kind: 'option' }
  /** Another name of an option, which counts where the option's own variable is not set. */
  | { readonly kind: 'alias'; readonly of: string; readonly note: string }
  /** The general variable `of` for one signal: honoured where all signals that are sent agree. */
  | { readonly kind: 'signal'; readonly of: string }
  /** Whatever it says holds already, or concerns what the agent does not have: nothing is said of it. */
  | { readonly kind: 'moot'; readonly note: string }
  /** Not honoured, which is said when it is set. */
  | { readonly kind: 'ignored'; readonly note: string };

export interface Section {
  readonly title: string;
  readonly variables: Readonly<Record<string, Fate>>;
}

const option: Fate = { kind: 'option' };
const alias = (of: string, note: string): Fate => ({ kind: 'alias', of, note });
const moot = (note: string): Fate => ({ kind: 'moot', note });
const ignored = (note: string): Fate => ({ kind: 'ignored', note });

const OTLP = 'OTEL_EXPORTER_OTLP_';
const signals = ['TRACES', 'METRICS', 'LOGS'] as const;
/** What may be said for one signal alone. The protocol comes first: it decides what an endpoint looks like. */
const perSignal = [
  'PROTOCOL',
  'ENDPOINT',
  'HEADERS',
  'TIMEOUT',
  'COMPRESSION',
  'CERTIFICATE',
  'CLIENT_CERTIFICATE',
  'CLIENT_KEY',
] as const;

const insecure = moot('The scheme of the endpoint decides: `http` or `https`.');
const byBytes = 'The buffers are bounded in bytes: use `TRICORD_RING_BYTES` and `TRICORD_RESEND_BYTES`.';
const batchBytes = 'A batch is bounded in bytes, 512 KiB.';
const callTimeout = 'Use `OTEL_EXPORTER_OTLP_TIMEOUT`, which bounds each call.';
const noZipkin = moot('There is no Zipkin exporter: `OTEL_TRACES_EXPORTER` takes `otlp` or `none`.');
const file = moot('Honoured, in the place of all others: [configuration-file.md](configuration-file.md).');
const noFile = ignored('Use `OTEL_CONFIG_FILE`.');

function signalVariables(): Record<string, Fate> {
  const rows = signals.flatMap(signal =>
    perSignal.map(what => [`${OTLP}${signal}_${what}`, { kind: 'signal', of: OTLP + what }] as const),
  );
  return Object.fromEntries(rows);
}

/** By the chapters of "OpenTelemetry Environment Variable Specification", "OpenTelemetry Protocol Exporter" and what Node.js adds. */
export const specification: readonly Section[] = [
  {
    title: 'General SDK configuration',
    variables: {
      OTEL_SDK_DISABLED: option,
      OTEL_RESOURCE_ATTRIBUTES: option,
      OTEL_SERVICE_NAME: option,
      OTEL_LOG_LEVEL: option,
      OTEL_PROPAGATORS: option,
      OTEL_TRACES_SAMPLER: option,
      OTEL_TRACES_SAMPLER_ARG: option,
      OTEL_ENTITIES: ignored('In development: use `OTEL_RESOURCE_ATTRIBUTES`.'),
    },
  },
  {
    title: 'Batch span processor and batch log record processor',
    variables: {
      OTEL_BSP_SCHEDULE_DELAY: alias(
        'TRICORD_TRACES_LINGER',
        'How long an ended span may wait for others; the default is 100 ms.',
      ),
      OTEL_BSP_EXPORT_TIMEOUT: ignored(callTimeout),
      OTEL_BSP_MAX_QUEUE_SIZE: ignored(byBytes),
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: ignored(batchBytes),
      OTEL_BLRP_SCHEDULE_DELAY: alias('TRICORD_LOGS_LINGER', 'How long a log record may wait for others.'),
      OTEL_BLRP_EXPORT_TIMEOUT: ignored(callTimeout),
      OTEL_BLRP_MAX_QUEUE_SIZE: ignored(byBytes),
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: ignored(batchBytes),
    },
  },
  {
    title: 'Limits of attributes, spans and log records',
    variables: {
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: option,
      OTEL_ATTRIBUTE_COUNT_LIMIT: option,
      OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: option,
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: option,
      OTEL_SPAN_EVENT_COUNT_LIMIT: option,
      OTEL_SPAN_LINK_COUNT_LIMIT: option,
      OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: option,
      OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: option,
      OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: option,
      OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: option,
    },
  },
  {
    title: 'Selection of exporters',
    variables: { OTEL_TRACES_EXPORTER: option, OTEL_METRICS_EXPORTER: option, OTEL_LOGS_EXPORTER: option },
  },
  {
    title: 'OTLP exporter',
    variables: {
      OTEL_EXPORTER_OTLP_ENDPOINT: option,
      OTEL_EXPORTER_OTLP_PROTOCOL: option,
      OTEL_EXPORTER_OTLP_HEADERS: option,
      OTEL_EXPORTER_OTLP_COMPRESSION: option,
      OTEL_EXPORTER_OTLP_TIMEOUT: option,
      OTEL_EXPORTER_OTLP_CERTIFICATE: option,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: option,
      OTEL_EXPORTER_OTLP_CLIENT_KEY: option,
      OTEL_EXPORTER_OTLP_INSECURE: insecure,
    },
  },
  {
    title: 'OTLP exporter, for one signal',
    variables: {
      ...signalVariables(),
      OTEL_EXPORTER_OTLP_TRACES_INSECURE: insecure,
      OTEL_EXPORTER_OTLP_METRICS_INSECURE: insecure,
      OTEL_EXPORTER_OTLP_LOGS_INSECURE: insecure,
      OTEL_EXPORTER_OTLP_SPAN_INSECURE: insecure,
      OTEL_EXPORTER_OTLP_METRIC_INSECURE: insecure,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: ignored('Metrics are cumulative.'),
      OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: option,
    },
  },
  {
    title: 'Other exporters',
    variables: {
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: noZipkin,
      OTEL_EXPORTER_ZIPKIN_TIMEOUT: noZipkin,
      OTEL_EXPORTER_ZIPKIN_PROTOCOL: noZipkin,
      OTEL_EXPORTER_PROMETHEUS_HOST: option,
      OTEL_EXPORTER_PROMETHEUS_PORT: option,
    },
  },
  {
    title: 'Metrics SDK',
    variables: {
      OTEL_METRICS_EXEMPLAR_FILTER: option,
      OTEL_METRIC_EXPORT_INTERVAL: option,
      OTEL_METRIC_EXPORT_TIMEOUT: ignored(callTimeout),
    },
  },
  {
    title: 'Declarative configuration',
    variables: { OTEL_CONFIG_FILE: file, OTEL_EXPERIMENTAL_CONFIG_FILE: noFile },
  },
  {
    title: 'Node.js, and the semantic conventions',
    variables: {
      OTEL_NODE_RESOURCE_DETECTORS: option,
      OTEL_NODE_ENABLED_INSTRUMENTATIONS: option,
      OTEL_NODE_DISABLED_INSTRUMENTATIONS: option,
      OTEL_NODE_EXPERIMENTAL_SDK_METRICS: option,
      OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT: ignored('Use `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`.'),
      OTEL_SPAN_ATTRIBUTE_PER_LINK_COUNT_LIMIT: ignored('Use `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`.'),
      OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: ignored(
        'The methods of RFC 9110, PATCH and QUERY are known; every other is `_OTHER`.',
      ),
      OTEL_SEMCONV_STABILITY_OPT_IN: moot('The stable conventions are the only ones here.'),
    },
  },
];

const fates: ReadonlyMap<string, Fate> = new Map(
  specification.flatMap(({ variables }) => Object.entries(variables)),
);

/**
 * Variables for the SDKs of other languages, and those by which the Kubernetes operator passes on names: an environment
 * that is shared has them, and nobody misspelled anything.
 */
const FOREIGN =
  /^OTEL_((JAVA(AGENT)?|PYTHON|DOTNET|GO|PHP|RUBY|RUST|SWIFT|CPP|ERLANG|ELIXIR|BROWSER|INSTRUMENTATION)_.*|RESOURCE_ATTRIBUTES_(POD|NODE)_\w+|(POD|NODE)_IP|JAVAAGENT)$/;

/** The environment as the options table reads it. */
export interface Standing {
  readonly env: NodeJS.ProcessEnv;
  /** By the variable of an option, the one that its value came from, where that is another. */
  readonly origins: ReadonlyMap<string, string>;
  /** One line for each variable that is set and has no effect; it begins with the variable's name. */
  readonly warnings: readonly string[];
}

/** What is set; an empty variable is not ("Parsing empty value"). */
const given = (env: NodeJS.ProcessEnv, name: string): string | undefined => env[name] || undefined;

/**
 * Puts what other names of options say under the options' own, and tells which of the specification's variables have no
 * effect.
 * @param options the variables of the options table
 * @param sends whether a signal, `TRACES`, `METRICS` or `LOGS`, is sent
 */
export function standing(
  env: NodeJS.ProcessEnv,
  options: readonly string[],
  sends: (signal: string) => boolean,
): Standing {
  const settled: NodeJS.ProcessEnv = { ...env };
  const origins = new Map<string, string>();
  const warnings: string[] = [];
  const set = (target: string, source: string, value: string): void => {
    settled[target] = value;
    origins.set(target, source);
  };
  for (const [name, fate] of fates) {
    const value = given(env, name);
    if (value === undefined || options.includes(name)) continue;
    if (fate.kind === 'ignored') warnings.push(`${name} is ignored. ${fate.note.replaceAll('`', '')}`);
    if (fate.kind === 'alias' && given(env, fate.of) === undefined) set(fate.of, name, value);
  }
  for (const what of perSignal) warnings.push(...joinSignals(settled, what, sends, set));
  return { env: settled, origins, warnings };
}

/**
 * One connection carries all signals, so that what is said for one of them counts when it holds for every signal that is
 * sent. What is said for a signal that is not sent does not matter.
 */
function joinSignals(
  env: NodeJS.ProcessEnv,
  what: (typeof perSignal)[number],
  sends: (signal: string) => boolean,
  set: (target: string, source: string, value: string) => void,
): string[] {
  const general = OTLP + what;
  const named = (signal: string): string => `${OTLP}${signal}_${what}`;
  const sent = signals.filter(sends);
  const said = sent.filter(signal => given(env, named(signal)) !== undefined);
  if (said.length === 0) return [];
  const values = sent.map(signal => {
    const own = given(env, named(signal));
    return own === undefined ? given(env, general) : asGeneral(own, what, signal, env);
  });
  const [value] = values;
  if (value !== undefined && values.every(other => other === value)) {
    if (value !== given(env, general)) set(general, named(said[0]!), value);
    return [];
  }
  const differs = (signal: string): boolean => {
    const shared = asGeneral(given(env, named(signal))!, what, signal, env);
    return shared === undefined || shared !== given(env, general);
  };
  return said
    .filter(differs)
    .map(
      signal =>
        `${named(signal)} is ignored: one connection carries all signals that are sent. ` +
        `Set ${general}, or the same for each of them.`,
    );
}

/** An endpoint for one signal of OTLP/HTTP is the whole URL; undefined when it is none that all signals could share. */
function asGeneral(
  value: string,
  what: (typeof perSignal)[number],
  signal: string,
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (what !== 'ENDPOINT' || given(env, `${OTLP}PROTOCOL`) !== 'http/protobuf') return value.trim();
  const path = `/v1/${signal.toLowerCase()}`;
  const url = value.trim().replace(/\/$/, '');
  return url.endsWith(path) ? url.slice(0, -path.length) : undefined;
}

/** Whether the specification does not know a variable of ours or OpenTelemetry's either, and it is nobody else's. */
export function isUnknown(name: string): boolean {
  return !fates.has(name) && !isForeign(name);
}

/** Whether a variable is for somebody else who shares the environment. */
export function isForeign(name: string): boolean {
  return FOREIGN.test(name) && !fates.has(name);
}

/** Names that may have been meant. */
export function knownVariables(options: readonly string[]): string[] {
  return [...new Set([...options, ...fates.keys()])];
}
