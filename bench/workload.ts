// A workload in a process of its own: started with its settings, asked and heard over the IPC channel, always ended.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { agentEnvironment, agentFlags } from './before.ts';
import type { Figures } from './scenario.ts';

export interface WorkloadOptions {
  /** A file below `bench/`. */
  readonly entry: string;
  /** What the workload reads with `settings()`; anything that JSON can hold. */
  readonly settings?: unknown;
  readonly env?: Readonly<Record<string, string>>;
  /** Options of the runtime, such as `--require`. */
  readonly execArgv?: readonly string[];
  /** It is killed when it runs longer. */
  readonly endsWithinMs?: number;
}

/** What a workload says: `[kind, body]`. */
type Message = readonly [kind: string, body: unknown];

const ENDS_WITHIN_MS = 120_000;

/** The line that names the error, or the last one. */
function errorIn(output: string): string {
  const lines = output.trim().split('\n');
  return (lines.find(line => /Error\b.*:/.test(line)) ?? lines.at(-1)!).trim();
}

/** The environment of this process without what would configure an agent. */
function plainEnvironment(): Record<string, string> {
  const foreign = /^(OTEL_|TRICORD_|DD_|NODE_OPTIONS$|npm_)/;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

/** With a folder in `BENCH_PROFILE`, every workload leaves CPU profiles there: a figure of such a run is no figure. */
function profileFlags(): string[] {
  const folder = process.env.BENCH_PROFILE;
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`];
}

export class Workload {
  readonly process: ChildProcess;
  readonly #entry: string;
  readonly #heard: Message[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #errors = '';
  #ended: string | undefined;

  constructor(options: WorkloadOptions) {
    const { entry, settings = {}, env = {}, execArgv = [], endsWithinMs = ENDS_WITHIN_MS } = options;
    this.#entry = entry;
    this.process = fork(resolve(import.meta.dirname, entry), [JSON.stringify(settings)], {
      cwd: import.meta.dirname,
      env: { ...plainEnvironment(), ...agentEnvironment(), ...env },
      execArgv: ['--disable-warning=ExperimentalWarning', ...profileFlags(), ...agentFlags(), ...execArgv],
      // Its standard output is the null device: what a logger writes there costs a system call and nothing else.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.process.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-2000);
    });
    this.process.on('message', message => {
      this.#heard.push(message as Message);
      this.#wake();
    });
    this.process.on('error', error => this.#end(error.message));
    this.process.on('close', (code, signal) => this.#end(signal ?? `exit code ${code}`));
    this.#timer = setTimeout(() => this.process.kill('SIGKILL'), endsWithinMs);
  }

  /** The body of the next message of this kind. @throws Error with its last words when the process ends before */
  async next<T>(kind: string): Promise<T> {
    for (;;) {
      const at = this.#heard.findIndex(message => message[0] === kind);
      if (at >= 0) return this.#heard.splice(at, 1)[0]![1] as T;
      if (this.#ended !== undefined)
        throw new Error(`${this.#entry} ended (${this.#ended}) without "${kind}": ${errorIn(this.#errors)}`);
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  /** Heard there by `heard()`. */
  send(kind: string, body: unknown = null): void {
    this.process.send([kind, body]);
  }

  /** Resolves when it has ended by itself. @throws Error when it failed */
  async ended(): Promise<void> {
    while (this.#ended === undefined) await new Promise<void>(resolve => this.#waiting.push(resolve));
    if (this.#ended !== 'exit code 0')
      throw new Error(`${this.#entry} ended (${this.#ended}): ${errorIn(this.#errors)}`);
  }

  /** Ends it at once, if it still runs; one that may have a profile to write is asked to end. */
  async kill(): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = once(this.process, 'close');
    this.process.kill(profileFlags().length > 0 ? 'SIGTERM' : 'SIGKILL');
    await closed;
  }

  #end(how: string): void {
    this.#ended ??= how;
    clearTimeout(this.#timer);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Runs a workload to its end and gives the figures that it reported. */
export async function figuresOf(options: WorkloadOptions): Promise<Figures> {
  const workload = new Workload(options);
  try {
    const figures = await workload.next<Figures>('figures');
    await workload.ended();
    return figures;
  } finally {
    await workload.kill();
  }
}
