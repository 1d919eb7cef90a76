// Which way a batch goes: from each receiver and signal, through processors and connectors, to each exporter.
import { Signal } from 'tricord/otlp';
import type { PipelineConfig } from './config/graph.ts';
import type { Config } from './config.ts';

/*
 *   receiver ─▶ queue ─▶ exporter's reader ─▶ steps ─▶ exporter
 *
 * The pipelines are unrolled into paths. All receivers share one queue, whose batches carry the receiver's id and their
 * signal; each exporter reads all of it at its own pace and sends a batch along every path that leads from there to
 * itself, or passes over it when there is none. A connector is a step between the processors of two pipelines.
 */

export interface Path {
  readonly receiver: string;
  /** Of the batches at the receiver; a connector may change it on the way. */
  readonly signal: Signal;
  /** Ids of the pipelines that it goes through, in order. */
  readonly pipelines: readonly string[];
  /** Ids of processors and connectors, in order. */
  readonly steps: readonly string[];
  readonly exporter: string;
}

type Graph = Pick<Config, 'pipelines' | 'connectors'>;

/** Every path, in the order of the configuration. The graph has no cycle: {@link Config} is checked. */
export function pathsOf(graph: Graph): Path[] {
  const connectors = new Map(graph.connectors.map(connector => [connector.id, connector.factory]));
  const follow = (pipeline: PipelineConfig, way: Omit<Path, 'exporter'>): Path[] => {
    const pipelines = [...way.pipelines, pipeline.id];
    const steps = [...way.steps, ...pipeline.processors];
    return pipeline.exporters.flatMap(id => {
      const connector = connectors.get(id);
      if (connector === undefined) return [{ ...way, pipelines, steps, exporter: id }];
      return graph.pipelines
        .filter(next => next.receivers.includes(id) && connector.connects(pipeline.signal, next.signal))
        .flatMap(next => follow(next, { ...way, pipelines, steps: [...steps, id] }));
    });
  };
  return graph.pipelines.flatMap(pipeline =>
    pipeline.receivers
      .filter(receiver => !connectors.has(receiver))
      .flatMap(receiver =>
        follow(pipeline, { receiver, signal: Signal[pipeline.signal], pipelines: [], steps: [] }),
      ),
  );
}
