// A child process of the demonstration: started, watched until it is ready, stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  readonly name: string;
  /** The program; the runtime that runs us when there is none. */
  readonly command?: string;
  readonly cwd: string;
  readonly args: readonly string[];
  /** A command and its first arguments, which runs the program in its own place. */
  readonly through?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The line of its output that says it is ready. */
  readonly ready: RegExp;
  readonly readyWithinMs: number;
}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** The line that said it was ready. */
  readyLine = '';
  /** The last lines it printed, for the message when it fails. */
  readonly #tail: string[] = [];

  constructor({ name, command = process.execPath, cwd, args, env, through = [] }: ChildOptions) {
    this.name = name;
    const [program, ...rest] = [...through, command, ...args];
    this.process = spawn(program!, rest, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      createInterface({ input: stream }).on('line', line => {
        this.#tail.push(line);
        if (this.#tail.length > 10) this.#tail.shift();
      });
    }
  }

  /** Starts a child and resolves when it says that it is ready. @throws Error with its last lines when it ends before */
  static async start(options: ChildOptions): Promise<Child> {
    const child = new Child(options);
    const lines = createInterface({ input: child.process.stdout! });
    const ready = new Promise<void>(resolve => {
      lines.on('line', line => {
        if (child.readyLine !== '' || !options.ready.test(line)) return;
        child.readyLine = line;
        resolve();
      });
    });
    const ended = once(child.process, 'exit').then(([code, signal]) => {
      throw new Error(
        `${options.name} ended with ${signal ?? `exit code ${code}`} before it was ready:\n${child.tail()}`,
      );
    });
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new Error(
              `${options.name} is not ready after ${options.readyWithinMs / 1000} s:\n${child.tail()}`,
            ),
          ),
        options.readyWithinMs,
      );
      timer.unref();
    });
    try {
      await Promise.race([ready, ended, late]);
    } catch (error) {
      child.process.kill('SIGKILL');
      throw error;
    }
    ended.catch(() => {});
    return child;
  }

  tail(): string {
    return this.#tail.map(line => `  ${line}`).join('\n');
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await exit;
  }
}
