// Runs a Node.js process under strace: to count its calls that change the disk, and to let one of them end otherwise.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Unavailable } from './part.ts';

/** Those that write, sync, rename, unlink and truncate; not every machine has each. */
const calls = [
  ...['pwrite64', 'pwritev', 'pwritev2', 'fsync', 'fdatasync', 'sync_file_range'],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'truncate', 'ftruncate'],
] as const;

/** The `nth` call of this name, from 1. All of them are in one thread: see `UV_THREADPOOL_SIZE`. */
export interface Call {
  readonly name: string;
  readonly nth: number;
}

const timeoutMs = 30_000;

/** Every call of an undisturbed process, by name. @throws Unavailable where strace is not there, or may not be used */
export async function callsOf(args: readonly string[], logFile: string): Promise<Call[]> {
  const { code, errors } = await run(['-o', logFile], args, () => undefined);
  if (code !== 0) throw new Unavailable(`strace does not run here: ${errors.trim().split('\n')[0] ?? code}`);
  const counts = new Map<string, number>();
  const found: Call[] = [];
  for (const [, name] of (await readFile(logFile, 'utf8')).matchAll(/^\d+ +(\w+)\(/gm)) {
    const nth = (counts.get(name!) ?? 0) + 1;
    counts.set(name!, nth);
    found.push({ name: name!, nth });
  }
  return found;
}

/** What happens instead of a call, or of each of its name from there on. */
export interface Effect {
  /** As strace calls it. */
  readonly injection: string;
  readonly forEver: boolean;
}

export const killed: Effect = { injection: 'signal=SIGKILL', forEver: false };

/** Whether the process was killed; else it has ended well, perhaps without coming to that call. @throws Error when it has not */
export async function runUnder(
  { name, nth }: Call,
  { injection, forEver }: Effect,
  args: readonly string[],
  hear: (line: string) => void,
): Promise<boolean> {
  const inject = `inject=${name}:${injection}:when=${nth}${forEver ? '+' : ''}`;
  const { code, signal, errors } = await run(['-o', '/dev/null', '-e', inject], args, hear);
  if (signal === 'SIGKILL') return true;
  if (code === 0) return false;
  throw new Error(`the process has ended with ${signal ?? code} under ${inject}: ${errors}`);
}

/** Stalls of a running process; `end` lets it go on. */
export interface Stall {
  end(): Promise<void>;
}

/**
 * From now on each fsync of the process takes so much longer, before it begins.
 * @throws Unavailable where strace is not there, or may not be used
 */
export async function stall(pid: number, seconds: number): Promise<Stall> {
  const inject = `inject=fsync,fdatasync:delay_enter=${Math.round(seconds * 1e6)}`;
  const args = ['-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', inject, '-p', `${pid}`];
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(strace, 'exit').catch(() => undefined);
  const lines = createInterface({ input: strace.stderr });
  const { promise: attached, resolve, reject } = Promise.withResolvers<void>();
  lines.on('line', line => {
    if (line.includes(' attached')) resolve();
    else if (!line.includes(' detached')) reject(new Unavailable(`strace does not run here: ${line.trim()}`));
  });
  strace.on('error', () => reject(notInstalled()));
  await attached;
  return {
    end: async () => {
      strace.kill('SIGINT');
      await ended;
    },
  };
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly errors: string;
}

async function run(options: string[], args: readonly string[], hear: (line: string) => void): Promise<Ended> {
  const trace = ['-f', '-qq', '-e', `trace=${calls.map(name => `?${name}`)}`, ...options];
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--conditions=source', ...args];
  const child = spawn('strace', [...trace, ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    // The disk's calls in one thread, where strace counts them.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    errors += text;
  });
  createInterface({ input: child.stdout }).on('line', hear);
  try {
    const [code, signal] = await once(child, 'close');
    return { code, signal, errors };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw notInstalled();
  }
}

function notInstalled(): Unavailable {
  return new Unavailable('strace is not installed; apt-get install strace');
}
