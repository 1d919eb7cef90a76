// The pipelines as a graph: every component defined and used, every pipeline with two ends, no way round in a circle.
import type { SignalName } from 'tricord/otlp';
import type { ConnectorFactory } from '../factory.ts';
import { suggestion } from '../suggestions.ts';
import type { Problem } from './problem.ts';
import { type ConfigNode, placeOf } from './tree.ts';

export interface PipelineConfig {
  /** `traces`, `traces/slow`. */
  readonly id: string;
  readonly signal: SignalName;
  /** Ids of receivers and connectors. */
  readonly receivers: readonly string[];
  /** In the order in which they work. */
  readonly processors: readonly string[];
  /** Ids of exporters and connectors. */
  readonly exporters: readonly string[];
}

export interface GraphInput {
  readonly root: ConfigNode;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
  readonly connectors: ReadonlyMap<string, ConnectorFactory>;
  readonly pipelines: readonly PipelineConfig[];
}

export function graphProblems(input: GraphInput): Problem[] {
  const problems = [...referenceProblems(input), ...unusedProblems(input)];
  return problems.length > 0 ? problems : [...connectorProblems(input), ...cycleProblems(input)];
}

const roles = ['receivers', 'processors', 'exporters'] as const;
type Role = (typeof roles)[number];

function* referenceProblems(input: GraphInput): Generator<Problem> {
  if (input.pipelines.length === 0) {
    const message =
      'service.pipelines: no pipeline; add one, as in traces: {receivers: [otlp], exporters: [store]}';
    yield { place: placeOf(input.root, ['service', 'pipelines']), message };
  }
  for (const pipeline of input.pipelines) {
    for (const role of roles) {
      const path = ['service', 'pipelines', pipeline.id, role];
      if (role !== 'processors' && pipeline[role].length === 0) {
        const place = placeOf(input.root, path.slice(0, 2), pipeline.id);
        yield { place, message: `pipeline ${pipeline.id} has no ${role}` };
      }
      yield* listProblems(input, pipeline, role, path);
    }
  }
}

function* listProblems(
  input: GraphInput,
  pipeline: PipelineConfig,
  role: Role,
  path: readonly string[],
): Generator<Problem> {
  const known = role === 'processors' ? input.processors : [...input[role], ...input.connectors.keys()];
  for (const [index, id] of pipeline[role].entries()) {
    const place = placeOf(input.root, [...path, index]);
    if (pipeline[role].indexOf(id) < index) {
      yield { place, message: `"${id}" stands twice among the ${role} of pipeline ${pipeline.id}` };
    } else if (!known.includes(id)) {
      const message = `pipeline ${pipeline.id} uses ${role.slice(0, -1)} "${id}", which is not defined`;
      yield { place, message: `${message}${suggestion(id, known)}` };
    }
  }
}

function* unusedProblems(input: GraphInput): Generator<Problem> {
  const used = (role: Role, id: string): boolean =>
    input.pipelines.some(pipeline => pipeline[role].includes(id));
  for (const role of roles) {
    for (const id of input[role]) {
      if (used(role, id)) continue;
      const message = `${role.slice(0, -1)} "${id}" is defined, but no pipeline uses it; add it to one or remove it`;
      yield { place: placeOf(input.root, [role], id), message };
    }
  }
  for (const id of input.connectors.keys()) {
    for (const role of ['exporters', 'receivers'] as const) {
      if (used(role, id)) continue;
      const message = `connector "${id}" is defined, but no pipeline has it among its ${role}`;
      yield { place: placeOf(input.root, ['connectors'], id), message };
    }
  }
}

/** Pipelines that this one feeds through its connectors. */
function successors(
  input: GraphInput,
  pipeline: PipelineConfig,
): { readonly via: string; readonly to: PipelineConfig }[] {
  return pipeline.exporters.flatMap(via => {
    const connector = input.connectors.get(via);
    return input.pipelines
      .filter(to => to.receivers.includes(via) && connector?.connects(pipeline.signal, to.signal))
      .map(to => ({ via, to }));
  });
}

function* connectorProblems(input: GraphInput): Generator<Problem> {
  for (const pipeline of input.pipelines) {
    const reached = successors(input, pipeline);
    for (const [index, id] of pipeline.exporters.entries()) {
      if (!input.connectors.has(id) || reached.some(({ via }) => via === id)) continue;
      const place = placeOf(input.root, ['service', 'pipelines', pipeline.id, 'exporters', index]);
      yield {
        place,
        message: `connector "${id}" leads from pipeline ${pipeline.id} to none that takes its ${pipeline.signal}`,
      };
    }
  }
}

function* cycleProblems(input: GraphInput): Generator<Problem> {
  const finished = new Set<PipelineConfig>();
  const visit = (pipeline: PipelineConfig, way: readonly string[]): string[] | undefined => {
    if (finished.has(pipeline)) return undefined;
    const start = way.indexOf(pipeline.id);
    if (start >= 0) return [...way.slice(start), pipeline.id];
    for (const { via, to } of successors(input, pipeline)) {
      const cycle = visit(to, [...way, pipeline.id, `(${via})`]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(pipeline);
    return undefined;
  };
  for (const pipeline of input.pipelines) {
    const cycle = visit(pipeline, []);
    if (cycle === undefined) continue;
    const place = placeOf(input.root, ['service', 'pipelines'], pipeline.id);
    yield { place, message: `the pipelines run in a circle: ${cycle.join(' → ')}` };
    return;
  }
}
