// Ends processes in every way, with and without the flush, and compares what others see of them.
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root } from './source-tree.ts';

const exitModule = pathToFileURL(join(root, 'src/exit.ts')).href;
/** Runs before the application; the flush leaves a mark on a descriptor of its own. */
const preload = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  import { flushAtExit } from ${JSON.stringify(exitModule)};
  flushAtExit(budget => {
    writeSync(3, 'flush ' + budget + ';');
    for (const until = performance.now() + 60; process.env.LONG && performance.now() < until; );
    if (process.env.FAIL) throw new Error('no');
  }, 50);
`)}`;
/** What a script says on the descriptor of the flushes. */
const mark = "const mark = text => require('fs').writeSync(3, text);";

const emptyPreload = 'data:text/javascript,';

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without the process, and the lines inside `node:events`, which depend on how many listeners an event has. */
const comparable = (text: string): string =>
  text.replaceAll(/\(node:\d+\)/g, '(node)').replaceAll(/node:events:\d+:\d+/g, 'node:events');

function run(script: string, flushing: boolean, env: NodeJS.ProcessEnv = {}): Ending & { flushes: string } {
  const args = ['--import', flushing ? preload : emptyPreload, '-e', script];
  const result: SpawnSyncReturns<string> = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const { status, signal, stdout, stderr, output } = result;
  return { code: status, signal, stdout, stderr: comparable(stderr), flushes: output[3] ?? '' };
}

/** Starts the script, waits for its first output, sends the signals one by one after each further output. */
async function interrupt(script: string, flushing: boolean, signals: NodeJS.Signals[]): Promise<Ending> {
  const args = ['--import', flushing ? preload : emptyPreload, '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stderr!.on('data', chunk => {
    stderr += chunk;
  });
  child.stdout!.on('data', chunk => {
    stdout += chunk;
    const next = signals.shift();
    if (next !== undefined) child.kill(next);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr: comparable(stderr) };
}

const endings: Record<string, string> = {
  'its natural end': 'console.log("out"); console.error("err")',
  'process.exit(3)': 'setInterval(() => {}, 1000); process.exit(3)',
  'process.exitCode': 'process.exitCode = 7',
  'an uncaught exception': 'setTimeout(() => { throw new TypeError("boom") }, 1)',
  'an unhandled rejection': 'Promise.reject(new Error("nobody cares"))',
  'a handled uncaught exception':
    'process.on("uncaughtException", e => { console.log(e.message) }); throw new Error("x")',
};

describe('a process with a flush at exit', () => {
  for (const [name, script] of Object.entries(endings)) {
    it(`ends by ${name} as without it, and flushes once`, () => {
      const { flushes, ...ending } = run(script, true);
      const { flushes: none, ...plain } = run(script, false);
      assert.deepEqual(ending, plain);
      assert.equal(flushes, 'flush 50;');
      assert.equal(none, '');
    });
  }

  const listening: Record<string, string> = {
    'changes the code':
      "process.on('exit', () => { mark('listener;'); process.exitCode = 9 }); setTimeout(() => {})",
    'calls process.exit()':
      "process.on('exit', () => { mark('listener;'); process.exit(9) }); setTimeout(() => {})",
    'came in the tick of process.exit()': "process.on('exit', () => mark('listener;')); process.exit(9)",
    throws: "process.on('exit', () => { mark('listener;'); throw new Error('x') }); setTimeout(() => {})",
    'throws in the tick of process.exit()':
      "process.on('exit', () => { mark('listener;'); throw new Error('x') }); process.exit(9)",
  };
  for (const [what, script] of Object.entries(listening)) {
    it(`flushes behind a listener of exit that ${what}`, () => {
      const { flushes, ...ending } = run(`${mark} ${script}`, true);
      const { flushes: none, ...plain } = run(`${mark} ${script}`, false);
      assert.deepEqual(ending, plain);
      assert.equal(flushes, 'listener;flush 50;');
      assert.equal(none, 'listener;');
    });
  }

  it('has no more time for all flushes together than for one', () => {
    // The last of these listeners comes too late to be known.
    const script = `process.on('exit', () => {});
      setTimeout(() => { process.on('exit', () => mark('late;')); process.exit(); })`;
    const { flushes } = run(`${mark} ${script}`, true, { LONG: '1' });
    assert.equal(flushes, 'flush 50;late;flush 0;');
  });

  it('ends as without it when the flush throws', () => {
    const { flushes, ...ending } = run('process.exit(4)', true, { FAIL: '1' });
    assert.deepEqual(ending, { code: 4, signal: null, stdout: '', stderr: '' });
    assert.equal(flushes, 'flush 50;');
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`dies of ${signal} when nobody listens`, async () => {
      const script = 'console.log("up"); setInterval(() => {}, 1000)';
      const ending = await interrupt(script, true, [signal]);
      assert.deepEqual(ending, await interrupt(script, false, [signal]));
      assert.equal(ending.signal, signal);
    });
  }

  it('flushes before it dies of a signal', () => {
    const { flushes, signal } = run(
      'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)',
      true,
    );
    assert.equal(signal, 'SIGTERM');
    assert.equal(flushes, 'flush 50;');
  });

  it('leaves a signal to the application that listens, and flushes at its exit', () => {
    const script = `process.on('SIGTERM', () => { console.log('closing'); setTimeout(() => process.exit(5), 5) });
      setInterval(() => {}, 1000);
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 5)`;
    const { flushes, ...ending } = run(script, true);
    assert.deepEqual(ending, { code: 5, signal: null, stdout: 'closing\n', stderr: '' });
    assert.equal(flushes, 'flush 50;');
  });

  it('dies of the second signal when the application listened once', async () => {
    const script = `process.once('SIGTERM', () => console.log('once')); console.log('up'); setInterval(() => {}, 1000)`;
    const ending = await interrupt(script, true, ['SIGTERM', 'SIGTERM']);
    assert.deepEqual(ending, await interrupt(script, false, ['SIGTERM', 'SIGTERM']));
    assert.deepEqual([ending.signal, ending.stdout], ['SIGTERM', 'up\nonce\n']);
  });

  it('is not counted among the listeners of an application that listens', () => {
    const script = `process.on('SIGTERM', () => {}); setTimeout(() => console.log(process.listenerCount('SIGTERM')), 5)`;
    assert.equal(run(script, true).stdout, '1\n');
  });
});
