// Runs an application as a process of its own, with the agent before it or without, and keeps what others see of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../source-tree.ts';

export const registerFile: string = join(root, 'src/register.ts');
/** In the place of the agent, so that Node itself takes the same way. */
const nothingFile = join(root, 'test/register/nothing.ts');

const compileCache = mkdtempSync(join(tmpdir(), 'tricord-compile-cache-'));
process.once('exit', () => rmSync(compileCache, { recursive: true, force: true }));

export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Flags in front of the application, by default `--require` of the agent; `[]` for none. */
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What the application is given. */
  readonly args?: readonly string[];
  /** Sent when the first output has come. */
  readonly signal?: NodeJS.Signals;
  /** What takes longer is ended by SIGTERM. */
  readonly timeoutMs?: number;
}

export const withAgent: readonly string[] = ['--require', registerFile];
export const withNothing: readonly string[] = ['--require', nothingFile];

/** @param application a file, or a script for `-e` when it has a space */
export async function run(application: string, options: RunOptions = {}): Promise<Run> {
  const { flags = withAgent, env, args = [], signal: sent, timeoutMs } = options;
  const script = application.includes(' ') ? ['-e', application] : [application];
  const child = spawn(process.execPath, [...flags, ...script, ...args], {
    cwd: root,
    // What many processes compile alike is compiled once.
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: compileCache,
      OTEL_SERVICE_NAME: 'application',
      // A machine that is busy with other tests is not what is tested.
      TRICORD_FLUSH_TIMEOUT: '30000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (stdout === '' && sent !== undefined) child.kill(sent);
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr: stderr.replaceAll(/\(node:\d+\)/g, '(node)') };
}
