// The application with the agent, in a process of its own: makes numbered spans until it is told to stop.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Json } from '../json.ts';
import { root } from '../source-tree.ts';

export class Maker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param endpoint `host:port` of a collector's gRPC port */
  constructor(endpoint: string, more: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://${endpoint}`, ...more };
    const args = ['--conditions=source', 'test/end-to-end/span-maker.ts'];
    this.#child = spawn(process.execPath, args, { cwd: root, env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** The first report names the trace. */
  async next(): Promise<Json> {
    return JSON.parse((await this.#lines.next()).value as string);
  }

  /** Resolves with what it says of what it has made. */
  async stop(): Promise<Json> {
    this.#child.stdin!.end('stop');
    const report = await this.next();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return report;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
