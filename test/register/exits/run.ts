// Runs a script that ends in some way as a process of its own, with the agent or without, and tells what others see of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { root } from '../../source-tree.ts';
import { registerFile } from '../application.ts';
import type { Ending } from './endings.ts';

/** How an application is written, how the agent comes to it, and whether sending has a thread of its own. */
export interface Way {
  readonly module: 'commonjs' | 'module';
  readonly flag: '--require' | '--import';
  readonly thread: boolean;
}

/** What others see of a process. */
export interface Seen {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** In the order of the alphabet, as several processes and threads may write. */
  readonly stdout: readonly string[];
  readonly stderr: string;
}

export interface Ended extends Seen {
  /** Milliseconds from when the script was ready to end until the process had. */
  readonly tookMs: number;
}

const folder = mkdtempSync(join(tmpdir(), 'tricord-exits-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** In the place of the agent, so that Node itself takes the same way. */
const nothingFile = join(root, 'test/register/nothing.ts');

/** @param lines where pino writes: a descriptor or a file */
const prelude = (lines: string): string => `
  const { logs, metrics, trace } = require('@opentelemetry/api');
  const pino = require('pino');
  const log = pino({ base: null, timestamp: false }, pino.destination({ dest: ${lines}, sync: true }));
  const points = metrics.getMeter('exits').createCounter('work');
  const work = count => {
    for (let i = 0; i < count; i++) {
      trace.getTracer('exits').startSpan('span').end();
      log.info('line');
      logs.getLogger('exits').emit({ body: 'record' });
      points.add(1);
    }
  };`;

/** The script as a file of the way's kind, with `require` for this repository's modules, and `start` for a thread of its own. */
function fileOf(ending: Ending, { module }: Way): string {
  const path = join(folder, `${fileOf.count++}.${module === 'module' ? 'mjs' : 'cjs'}`);
  const found = `createRequire(${JSON.stringify(registerFile)})`;
  const start = `
    const start = script => {
      const path = file + '.cjs';
      require('node:fs').writeFileSync(path, 'const inThread = ' + JSON.stringify(inThread) + ';' + inThread + script + '}');
      return new (require('node:worker_threads').Worker)(path);
    };`;
  const inThread = `const file = __filename; {
    const require = process.getBuiltinModule('module').${found};
    ${prelude("'/dev/null'")}${start}`;
  const body = `${prelude('1')}
    const file = ${JSON.stringify(path)};
    const inThread = ${JSON.stringify(inThread)};${start}
    const ready = () => require('node:fs').writeSync(3, '.');
    ${ending.script}\n`;
  const text =
    module === 'module'
      ? `import { createRequire } from 'node:module';\nconst require = ${found};\n${body}`
      : `(require => {${body}})(require('node:module').${found});`;
  writeFileSync(path, text);
  return path;
}
fileOf.count = 0;

/**
 * @param env of the agent; none: nothing stands in its place
 * @param goOn resolves when a script that waits for its stdin may go on
 */
export async function run(
  ending: Ending,
  way: Way,
  env?: NodeJS.ProcessEnv,
  goOn?: () => Promise<void>,
): Promise<Ended> {
  const preload = env === undefined ? nothingFile : registerFile;
  const flags = [...(ending.flags ?? []), way.flag, preload];
  const child = spawn(process.execPath, [...flags, fileOf(ending, way)], {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(folder, 'compile-cache'), ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const [, stdout, stderr, readiness] = child.stdio as unknown as [unknown, Readable, Readable, Readable];
  const signals = [...(ending.signals ?? [])];
  let readyAt = performance.now();
  readiness.on('data', (dots: Buffer) => {
    readyAt = performance.now();
    for (const _ of dots) {
      const signal = signals.shift();
      if (signal !== undefined) child.kill(signal);
    }
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = once(child, 'exit').then(() => performance.now());
  const texts = Promise.all([textOf(stdout), textOf(stderr)]);
  child.stdin.on('error', () => {});
  // A process that ends although it should wait is to be reported, not waited for.
  if (goOn !== undefined) void goOn().then(() => child.stdin.write('go'));
  const [code, signal] = await closed;
  const [out, err] = await texts;
  return {
    ...{ code, signal, stdout: out.split('\n').sort(), tookMs: (await ended) - readyAt },
    stderr: comparable(err),
  };
}

/**
 * Without process ID and file, the line inside `node:events`, which depends on how many listeners an event has, and the
 * frame that Node.js before 24 has while anybody uses an AsyncLocalStorage.
 */
const comparable = (stderr: string): string =>
  stderr
    .replaceAll(/\(node:\d+\)/g, '(node)')
    .replaceAll(/\/\d+(\.[cm]js)/g, '/script$1')
    .replaceAll(/node:events:\d+:\d+/g, 'node:events')
    .replaceAll(/\n +at process\.callbackTrampoline \(node:internal.*\)/g, '');

async function textOf(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
}
