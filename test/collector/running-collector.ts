// A collector inside the test's process: real listeners, a real queue in a temporary folder, and an exporter that keeps what arrives.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { Collector } from '../../collector/collector.ts';
import type { QueuedBatch } from '../../collector/component.ts';
import { loadConfig } from '../../collector/config.ts';
import { factory, type Registry } from '../../collector/factory.ts';
import { Log } from '../../collector/log.ts';
import { registry } from '../../collector/registry.ts';
import type { LedgerPage } from '../../collector/web/self-routes.ts';
import { balancedLedger } from './ledger/balanced-ledger.ts';

/** Keeps every batch; `fails` decides about each call before. */
class Capture {
  readonly batches: QueuedBatch[] = [];
  fails: (batches: readonly QueuedBatch[]) => Error | undefined = () => undefined;
  #waiting: (() => void)[] = [];

  take(batches: readonly QueuedBatch[]): void {
    const error = this.fails(batches);
    if (error !== undefined) throw error;
    this.batches.push(...batches);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when so many batches have arrived. */
  async count(wanted: number): Promise<readonly QueuedBatch[]> {
    while (this.batches.length < wanted) await new Promise<void>(resolve => this.#waiting.push(resolve));
    return this.batches;
  }
}

/** The real component types, and exporters of type `capture` that fill these captures by their id. */
function testRegistry(captures: Map<string, Capture>): Registry {
  const capture = factory(z.strictObject({}), async (_settings, { id }) => {
    const kept = new Capture();
    captures.set(id, kept);
    return {
      retry: { initialMs: 1, maxMs: 10, multiplier: 2, randomization: 0, giveUpAfterMs: 0 },
      start: async () => undefined,
      stop: async () => undefined,
      export: async (batches: readonly QueuedBatch[]) => kept.take(batches),
    };
  });
  return { ...registry, exporters: { ...registry.exporters, capture: async () => capture } };
}

export interface TestCollector {
  readonly endpoints: Readonly<Record<string, string>>;
  readonly captures: ReadonlyMap<string, Capture>;
  readonly capture: Capture;
  readonly logLines: readonly string[];
  readonly folder: string;
  metric(series: string): Promise<number>;
  /** The ledger, after a look that it has no gap. */
  ledger(): Promise<LedgerPage>;
  /** Looks at the ledger first. */
  stop(): Promise<void>;
}

/** OTLP on free ports into `capture`, for all three signals. */
export const captureAll = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:0 }
      http: { endpoint: 127.0.0.1:0 }
exporters:
  capture:
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces: { receivers: [otlp], exporters: [capture] }
    metrics: { receivers: [otlp], exporters: [capture] }
    logs: { receivers: [otlp], exporters: [capture] }
`;

export async function startCollector(yaml: string = captureAll): Promise<TestCollector> {
  const folder = await mkdtemp(join(tmpdir(), 'tricord-collector-'));
  const file = join(folder, 'collector.yaml');
  await writeFile(file, yaml);
  const captures = new Map<string, Capture>();
  const sources = { files: [file], settings: [], dataDir: join(folder, 'data'), environment: {} };
  const config = await loadConfig(sources, testRegistry(captures));
  const logLines: string[] = [];
  const log = new Log(line => logLines.push(line), 'debug');
  const collector = new Collector({ config, log, version: 'test', pageDir: join(folder, 'page') });
  try {
    await collector.start();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    endpoints: collector.endpoints,
    captures,
    capture: captures.get('capture')!,
    logLines,
    folder,
    metric: async series => {
      const text = await (await fetch(`http://${collector.endpoints.web}/metrics`)).text();
      const line = text.split('\n').find(each => each.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    ledger: () => balancedLedger(collector.endpoints.web!),
    stop: async () => {
      try {
        await balancedLedger(collector.endpoints.web!);
      } finally {
        await collector.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
