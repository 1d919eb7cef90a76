// The real collector at the other end: a process on free ports, and what arrived there.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Child } from '../scripts/child.ts';

const root = resolve(import.meta.dirname, '..');

/** Spans and log records are counted and let go; metrics are kept, as only their values tell whether all arrived. */
const counting = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:0 }
      http: { endpoint: 127.0.0.1:0 }
exporters:
  debug: {}
  store: {}
service:
  web: { endpoint: 127.0.0.1:0 }
  telemetry: { logs: { level: warn } }
  pipelines:
    traces: { receivers: [otlp], exporters: [debug] }
    logs: { receivers: [otlp], exporters: [debug] }
    metrics: { receivers: [otlp], exporters: [store] }
`;

export type Item = 'spans' | 'log_records' | 'metric_points';

export class Collector {
  /** `http://host:port` for OTLP/gRPC and the stream, for OTLP/HTTP, and for `/metrics` and queries. */
  readonly grpc: string;
  readonly http: string;
  readonly web: string;
  readonly process: Child;

  /** Runs `use` with a collector of its own, which is stopped and forgotten afterwards. */
  static async during<T>(use: (collector: Collector) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), 'tricord-bench-'));
    try {
      return await Collector.within(folder, counting, use);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Runs `use` with a collector that keeps its data in this folder, and is stopped afterwards. */
  static async within<T>(
    folder: string,
    config: string,
    use: (collector: Collector) => Promise<T>,
  ): Promise<T> {
    const collector = await Collector.#start(folder, config);
    try {
      return await use(collector);
    } finally {
      await collector.process.stop();
    }
  }

  static async #start(folder: string, config: string): Promise<Collector> {
    const file = join(folder, 'collector.yaml');
    await writeFile(file, config);
    const child = await Child.start({
      name: 'the collector',
      cwd: join(root, 'collector'),
      args: ['dist/main.js', '--config', file, '--data-dir', join(folder, 'data')],
      env: {},
      ready: /"msg":"ready"/,
      readyWithinMs: 30_000,
    });
    return new Collector(child);
  }

  constructor(process: Child) {
    const { endpoints } = JSON.parse(process.readyLine) as { endpoints: Record<string, string> };
    this.process = process;
    this.grpc = `http://${endpoints['otlp.grpc']}`;
    this.http = `http://${endpoints['otlp.http']}`;
    this.web = `http://${endpoints.web}`;
  }

  /** What a child needs to send here, whichever agent it runs. */
  get environment(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.grpc,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_SERVICE_NAME: 'bench',
    };
  }

  /** Items that are durable here. */
  async received(item: Item): Promise<number> {
    const text = await (await fetch(`${this.web}/metrics`)).text();
    const lines = text.matchAll(new RegExp(`^otelcol_receiver_accepted_${item}_total\\{.*\\} (\\d+)$`, 'gm'));
    return [...lines].reduce((sum, line) => sum + Number(line[1]), 0);
  }

  /** The sum over all series of a PromQL selector, as they are now. */
  async sum(selector: string): Promise<number> {
    const query = encodeURIComponent(`sum(${selector})`);
    const response = await fetch(`${this.web}/prometheus/api/v1/query?query=${query}`);
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  }
}
