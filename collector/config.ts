// Reads the configuration: files, `--set` and the environment in; checked settings, or every problem with its place, out.
import { readFileSync } from 'node:fs';
import { Signal, type SignalName } from 'tricord/otlp';
import type { z } from 'zod';
import { graphProblems, type PipelineConfig } from './config/graph.ts';
import type { Environment } from './config/interpolation.ts';
import { ConfigError, type Place, type Problem } from './config/problem.ts';
import { check, configSchema, type ServiceConfig } from './config/schema.ts';
import { type ConfigNode, type MapNode, mergeTree, parseSetting, parseTree } from './config/tree.ts';
import type {
  ComponentKind,
  ConnectorFactory,
  ExporterFactory,
  ProcessorFactory,
  ReceiverFactory,
  Registry,
  Types,
} from './factory.ts';
import { suggestion } from './suggestions.ts';

/** What runs when there is no `--config`: everything on loopback, kept in the store. */
const defaultConfig = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:4317 }
      http: { endpoint: 127.0.0.1:4318 }
exporters:
  store: {}
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [store] }
    metrics: { receivers: [otlp], exporters: [store] }
    logs: { receivers: [otlp], exporters: [store] }
`;

export interface ConfigSources {
  /** Paths, the later ones on top; empty: the default configuration. */
  readonly files: readonly string[];
  /** `path=value`, on top of all files. */
  readonly settings: readonly string[];
  /** On top of `service.data_dir`. */
  readonly dataDir?: string | undefined;
  readonly environment: Environment;
}

/** One component as configured. */
interface ComponentConfig<F> {
  readonly id: string;
  readonly factory: F;
  /** What the factory's schema made of it. */
  readonly settings: unknown;
  readonly place: Place;
}

export interface Config {
  readonly receivers: readonly ComponentConfig<ReceiverFactory>[];
  readonly processors: readonly ComponentConfig<ProcessorFactory>[];
  readonly exporters: readonly ComponentConfig<ExporterFactory>[];
  readonly connectors: readonly ComponentConfig<ConnectorFactory>[];
  readonly pipelines: readonly PipelineConfig[];
  readonly service: ServiceConfig;
}

/** @throws ConfigError with everything that is wrong */
export async function loadConfig(sources: ConfigSources, registry: Registry): Promise<Config> {
  const root = readTree(sources);
  const problems: Problem[] = [];
  const shape = check(configSchema, root);
  if ('problems' in shape) problems.push(...shape.problems);
  const receivers = await componentsOf(root, 'receivers', registry.receivers, problems);
  const processors = await componentsOf(root, 'processors', registry.processors, problems);
  const exporters = await componentsOf(root, 'exporters', registry.exporters, problems);
  const connectors = await componentsOf(root, 'connectors', registry.connectors, problems);
  problems.push(...pipelineIdProblems(root));
  if ('problems' in shape) throw new ConfigError(problems);

  const { service } = shape.value;
  const pipelines = pipelinesOf(service);
  const graph = {
    root,
    receivers: idsOf(root, 'receivers'),
    processors: idsOf(root, 'processors'),
    exporters: idsOf(root, 'exporters'),
    connectors: new Map(connectors.map(({ id, factory }) => [id, factory])),
    pipelines,
  };
  problems.push(...graphProblems(graph));
  if (problems.length > 0) throw new ConfigError(problems);
  const dataDir = sources.dataDir ?? service.data_dir;
  return {
    receivers,
    processors,
    exporters,
    connectors,
    pipelines,
    service: { ...service, data_dir: dataDir },
  };
}

function readTree({ files, settings, environment }: ConfigSources): MapNode {
  const trees = files.map(file => parseTree(readConfigFile(file), file, environment));
  if (files.length === 0) trees.push(parseTree(defaultConfig, '(default configuration)', environment));
  trees.push(...settings.map(setting => parseSetting(setting, environment)));
  return trees.reduce(mergeTree);
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${(error as Error).message}`;
    throw new ConfigError([{ place: { file, line: 0, column: 0 }, message }]);
  }
}

function idsOf(root: MapNode, kind: ComponentKind): string[] {
  const node = root.entries.get(kind)?.node;
  return node?.kind === 'map' ? [...node.entries.keys()] : [];
}

/** As in the OpenTelemetry Collector: `type` or `type/name`. At most 64 characters: it names files. */
const ID = /^(?=.{1,64}$)([A-Za-z][A-Za-z0-9_]*)(?:\/[^\s/]+)?$/;

async function componentsOf<F extends { readonly schema: z.ZodType }>(
  root: MapNode,
  kind: ComponentKind,
  types: Types<F>,
  problems: Problem[],
): Promise<ComponentConfig<F>[]> {
  const node = root.entries.get(kind)?.node;
  if (node?.kind !== 'map') return [];
  const found: ComponentConfig<F>[] = [];
  for (const [id, { place, node: settings }] of node.entries) {
    const type = ID.exec(id)?.[1];
    const load = type !== undefined && Object.hasOwn(types, type) ? types[type] : undefined;
    if (load === undefined)
      problems.push({ place, message: unknownType(kind, id, type, Object.keys(types)) });
    else {
      const factory = await load();
      const checked = check(factory.schema, orEmpty(settings), [kind, id]);
      if ('problems' in checked) problems.push(...checked.problems);
      else found.push({ id, factory, settings: checked.value, place });
    }
  }
  return found;
}

function unknownType(
  kind: ComponentKind,
  id: string,
  type: string | undefined,
  known: readonly string[],
): string {
  const word = kind.slice(0, -1);
  if (type === undefined) return `"${id}" is no ${word} id; write type or type/name`;
  const near = suggestion(type, known);
  const list = near.startsWith('; known') ? '' : ` (known: ${[...known].sort().join(', ')})`;
  return `unknown ${word} type "${type}"${near}${list}`;
}

/** `store:` without a value is `store: {}`. */
function orEmpty(node: ConfigNode): ConfigNode {
  const empty = node.kind === 'scalar' && node.value === null;
  return empty ? { kind: 'map', place: node.place, entries: new Map() } : node;
}

/** The signal of a pipeline id; undefined when it names none. */
function signalOf(id: string): SignalName | undefined {
  const type = ID.exec(id)?.[1];
  return type !== undefined && Object.hasOwn(Signal, type) ? (type as SignalName) : undefined;
}

function* pipelineIdProblems(root: MapNode): Generator<Problem> {
  const service = root.entries.get('service')?.node;
  const pipelines = service?.kind === 'map' ? service.entries.get('pipelines')?.node : undefined;
  if (pipelines?.kind !== 'map') return;
  for (const [id, { place }] of pipelines.entries) {
    if (signalOf(id) !== undefined) continue;
    const near = suggestion(id.split('/', 1)[0]!, Object.keys(Signal));
    yield { place, message: `"${id}" is no pipeline id; it begins with its signal${near}` };
  }
}

function pipelinesOf({ pipelines }: ServiceConfig): PipelineConfig[] {
  return Object.entries(pipelines).flatMap(([id, lists]) => {
    const signal = signalOf(id);
    return signal === undefined ? [] : [{ id, signal, ...lists }];
  });
}
