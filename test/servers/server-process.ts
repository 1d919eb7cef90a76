// Runs a server of somebody else's for the length of a test: in a directory of its own, on a free port, ended by its own PID.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A server that a test needs and that is not from npm. */
export interface ServerKind {
  /** What installs it; a package of Debian and Ubuntu where there is one. */
  readonly install: string;
  /** Programs, the server last. */
  readonly programs: readonly string[];
  /** Where packages put programs that are on no path, or are another thing there; patterns. */
  readonly folders: readonly string[];
  /** What makes its directory ready, if anything has to. */
  prepare?(programs: readonly string[], directory: string): readonly string[];
  command(programs: readonly string[], directory: string, port: number): readonly string[];
  /** Variables that it needs beside the process' own. */
  environment?(directory: string, port: number): Readonly<Record<string, string>>;
  /** What it says when it takes connections. */
  readonly ready: RegExp;
  /** Its version, in what it says until then. */
  readonly version: RegExp;
}

export interface RunningServer {
  readonly port: number;
  readonly directory: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Of what a server says until it is ready. */
const SAID_MAX = 1_000_000;

/** Why a test of it has to be skipped, and what would help; false when it need not. */
export function missing(kind: ServerKind): string | false {
  const absent = kind.programs.filter(name => find(name, kind) === undefined);
  return absent.length > 0 && `${absent.join(' and ')} not found: ${kind.install}`;
}

function find(name: string, { folders }: ServerKind): string | undefined {
  const places = [...folders.flatMap(path => globSync(path)), ...(process.env.PATH ?? '').split(delimiter)];
  return places.map(place => join(place, name)).find(existsSync);
}

/** Starts it and resolves when it takes connections. */
export async function start(kind: ServerKind): Promise<RunningServer> {
  const programs = kind.programs.map(name => find(name, kind)!);
  const user = unprivileged();
  const directory = mkdtempSync(join(tmpdir(), 'tricord-server-'));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const options = { cwd: directory, ...user };
  if (kind.prepare !== undefined) {
    const [command = '', ...args] = kind.prepare(programs, directory);
    await output(spawn(command, args, options));
  }
  const port = await freePort();
  const [command = '', ...args] = kind.command(programs, directory, port);
  const env = { ...process.env, ...kind.environment?.(directory, port) };
  const child = spawn(command, args, { ...options, env });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const said = await untilReady(child, kind.ready);
  return {
    port,
    directory,
    version: kind.version.exec(said)?.[1] ?? '?',
    async stop() {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
      process.off('exit', kill);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Databases refuse to be run by root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
  return line === null ? undefined : { uid: Number(line[1]), gid: Number(line[2]) };
}

async function output(child: ChildProcess): Promise<string> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}: ${said.slice(-2000)}`);
  return said;
}

/** Resolves with what it has said by then. */
function untilReady(child: ChildProcess, ready: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        if (said.length < SAID_MAX) said += text;
        if (ready.test(said)) resolve(said);
      });
    }
    child.once('error', reject);
    child.once('close', code =>
      reject(new Error(`${child.spawnfile} ended with ${code}: ${said.slice(-10_000)}`)),
    );
  });
}

/** For what takes no port 0: one that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
