// The OpenTelemetry Collector as a peer: built once by its own builder, where Go is installed, and run as a process.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../scripts/child.ts';

const here = import.meta.dirname;
const manifest = join(here, 'otelcol/builder.yaml');
const folder = join(here, 'dist/otelcol');
const program = join(folder, 'otelcol');
const stamp = join(folder, '.tricord-bench');

/** Where Go installs itself, for those who have not put it into their PATH. */
const GO_FOLDER = '/usr/local/go/bin';
const READY_WITHIN_MS = 30_000;

const environment = { ...process.env, PATH: `${process.env.PATH}:${GO_FOLDER}` };

const go = (args: readonly string[]): boolean => {
  const { status } = spawnSync('go', args, { cwd: here, env: environment, stdio: ['ignore', 2, 2] });
  return status === 0;
};

/** Of its modules and of its builder. */
export function otelCollectorVersion(): string {
  const text = readFileSync(manifest, 'utf8');
  const version = /^ +- gomod: go\.opentelemetry\.io\/collector\/receiver\/otlpreceiver (v\S+)$/m.exec(text);
  if (version === null) throw new Error(`${manifest} names no otlpreceiver`);
  return version[1]!;
}

/** Builds it unless it is there, which takes two minutes. Returns why it is not to be had, or undefined when it is. */
export function buildOtelCollector(): string | undefined {
  const digest = createHash('sha256').update(readFileSync(manifest)).digest('hex');
  if (existsSync(program) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return undefined;
  if (spawnSync('go', ['version'], { env: environment }).status !== 0) return 'Go is not installed';
  process.stderr.write('Building the OpenTelemetry Collector (once) …\n');
  mkdirSync(folder, { recursive: true });
  const builder = `go.opentelemetry.io/collector/cmd/builder@${otelCollectorVersion()}`;
  if (!go(['run', builder, '--config', manifest])) return 'its builder failed';
  writeFileSync(stamp, digest);
  return undefined;
}

/**
 * A queue on disk and one exporter without compression, as ours beside it. The queue has room for whatever comes, and would have
 * senders wait rather than refuse them.
 */
const config = (data: string, receiver: string, fsync: boolean): string => `
extensions:
  file_storage: { directory: '${data}', create_directory: true, fsync: ${fsync} }
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:0 }
exporters:
  otlp_grpc:
    endpoint: ${receiver}
    compression: none
    tls: { insecure: true }
    sending_queue: { storage: file_storage, queue_size: 10000000, block_on_overflow: true }
service:
  extensions: [file_storage]
  telemetry:
    logs: { encoding: json, output_paths: [stdout] }
    metrics: { level: none }
  pipelines:
    traces: { receivers: [otlp], exporters: [otlp_grpc] }
`;

/**
 * Runs `use` with one that keeps its queue in the folder and sends to `receiver`, and is stopped afterwards.
 * @param use gets where it takes OTLP/gRPC, `http://host:port`
 */
export async function withOtelCollector<T>(
  data: string,
  receiver: string,
  fsync: boolean,
  use: (endpoint: string) => Promise<T>,
): Promise<T> {
  const file = join(data, 'otelcol.yaml');
  await writeFile(file, config(join(data, 'queue'), receiver, fsync));
  const child = await Child.start({
    name: 'the OpenTelemetry Collector',
    command: program,
    cwd: data,
    args: ['--config', file],
    env: {},
    ready: /"msg":"Starting GRPC server"/,
    readyWithinMs: READY_WITHIN_MS,
  });
  try {
    const { endpoint } = JSON.parse(child.readyLine) as { endpoint: string };
    return await use(`http://${endpoint}`);
  } finally {
    await child.stop();
  }
}
