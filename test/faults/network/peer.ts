// A process of its own that is asked over IPC and answers: both sides of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { root } from '../../source-tree.ts';

export interface PeerOptions {
  /** From the repository's root. */
  readonly file: string;
  readonly args?: readonly string[];
  /** Options of the runtime, such as `--require`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gives way to everything else on the machine. */
  readonly yields?: true;
}

/** What a process that has ended has left. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Question {
  readonly number: number;
  readonly kind: string;
  readonly body: unknown;
}

interface Answer {
  readonly number: number;
  readonly body: unknown;
}

export class Peer {
  readonly process: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly #file: string;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  #errors = '';

  constructor({ file, args = [], flags = [], env = {}, yields }: PeerOptions) {
    this.#file = file;
    const node = ['--disable-warning=ExperimentalWarning', '--conditions=source', ...flags, file, ...args];
    const [command, before] = yields ? ['nice', ['-n', '19', process.execPath]] : [process.execPath, []];
    this.process = spawn(command, [...before, ...node], {
      cwd: root,
      env: { ...plainEnvironment(), ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.process.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-2000);
    });
    this.process.on('message', message => {
      const { number, body } = message as Answer;
      this.#open.get(number)?.resolve(body);
      this.#open.delete(number);
    });
    this.ended = once(this.process, 'close').then(([code, signal]) => {
      const error = new Error(`${file} ended with ${signal ?? `exit code ${code}`}: ${this.#errors.trim()}`);
      for (const { reject } of this.#open.values()) reject(error);
      return { code, signal };
    });
  }

  /** Rejects with its last words when the process ends instead of answering. */
  ask<T>(kind: string, body?: unknown): Promise<T> {
    if (!this.process.connected) throw new Error(`${this.#file} has ended: ${this.#errors.trim()}`);
    const answer = Promise.withResolvers<unknown>();
    this.#open.set(++this.#asked, answer);
    // A process that is killed just now rejects the question itself.
    this.process.send({ number: this.#asked, kind, body } satisfies Question, () => undefined);
    return answer.promise as Promise<T>;
  }

  end(signal: NodeJS.Signals): Promise<Ending> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** The environment of this process without what would configure an agent. */
function plainEnvironment(): Record<string, string> {
  const foreign = /^(OTEL_|TRICORD_|NODE_OPTIONS$|npm_)/;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

/** In the peer: answers from now on. */
export function answer(handlers: Readonly<Record<string, (body: never) => unknown>>): void {
  process.on('message', async message => {
    const { number, kind, body } = message as Question;
    process.send!({ number, body: await handlers[kind]!(body as never) } satisfies Answer);
  });
}
