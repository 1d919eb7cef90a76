// The end of a process: everything written before it arrives, and the application sees no difference.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { TestCollector, welcome } from './test-collector.ts';
import { idsOf, places } from './transport-options.ts';

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const app = join(import.meta.dirname, 'exit-app.ts');
const everything = Array.from({ length: 200 }, (_, i) => i);

function run(
  [url, how, budget = '5000']: readonly string[],
  options: { readonly nodeOptions?: string; readonly thread?: boolean } = {},
): Promise<Ending> {
  const env = { ...process.env, NODE_OPTIONS: options.nodeOptions ?? '' };
  return new Promise(resolve => {
    const args = [app, url!, how!, budget, String(options.thread ?? true)];
    const child = execFile(process.execPath, args, { env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

async function collectorFor(t: TestContext, stream = true): Promise<TestCollector> {
  const collector = await TestCollector.start({ stream });
  t.after(() => collector.stop());
  return collector;
}

const taken = (collector: TestCollector): number[] =>
  idsOf([...collector.taken, ...collector.unaryCalls].map(({ payload }) => payload)).sort((a, b) => a - b);

for (const { place, thread } of places) {
  describe(`everything written before the end is delivered, ${place}`, { concurrency: 2 }, () => {
    const endings: [how: string, code: number, stderr: RegExp][] = [
      ['at once', 3, /^$/],
      ['process.exit', 3, /^$/],
      ['uncaughtException', 1, /exit-app\.[jt]s:\d+\n.*Error: the application failed\n\s+at /s],
      ['unhandledRejection', 1, /Error: the application failed/],
      ['natural end', 0, /^$/],
    ];
    for (const [how, code, stderr] of endings) {
      it(`${how}: exit code ${code}`, async t => {
        const collector = await collectorFor(t);
        const ending = await run([collector.url, how], { thread });
        assert.equal(ending.code, code);
        assert.equal(ending.stdout, '');
        assert.match(ending.stderr, stderr);
        assert.deepEqual(taken(collector), everything);
      });
    }

    it('once each where some of it is sent and not acknowledged', async t => {
      const collector = await TestCollector.start({
        onHello: (call, it) => {
          if (it.calls.length === 1) welcome(call, it);
          else call.send({ ackedSequence: 1, creditLimit: 2 ** 50 });
        },
        onBatch: (call, batch, it) => {
          it.take(call, batch);
          // The acknowledgement of the second batch does not come, unless it is sent again.
          if (batch.sequence === 1 || thread || it.calls.length > 1)
            call.send({ ackedSequence: batch.sequence });
        },
      });
      t.after(() => collector.stop());
      assert.equal((await run([collector.url, 'under way'], { thread })).code, 3);
      assert.deepEqual(taken(collector), everything);
      if (thread) return;
      const [first, second] = collector.calls.map(({ hello }) => hello);
      assert.deepEqual(second!.instanceId, first!.instanceId);
      assert.deepEqual([second!.nextSequence, collector.duplicates], [2, 1]);
    });

    it('over plain OTLP as well', async t => {
      const collector = await collectorFor(t, false);
      assert.equal((await run([collector.url, 'process.exit'], { thread })).code, 3);
      assert.deepEqual(taken(collector), everything);
    });

    it('with the stack trace that the application has without us', async t => {
      const collector = await collectorFor(t);
      const { stderr } = await run([collector.url, 'uncaughtException'], { thread });
      assert.doesNotMatch(stderr, /src\/transport/);
    });
  });
}

for (const { place, thread } of places) {
  describe(`the end is not held up, ${place}`, { concurrency: 2 }, () => {
    // The budgets are far beyond what a test may take: only giving up early ends these processes.
    const hour = '3600000';

    it('when there is nothing to deliver', async t => {
      const collector = await collectorFor(t);
      const ending = await run([collector.url, 'nothing to say', hour], { thread });
      assert.deepEqual(ending, { code: 4, stdout: '', stderr: '' });
    });

    it('when the collector refuses the connection', async () => {
      const ending = await run(['http://127.0.0.1:1', 'process.exit', hour], { thread });
      assert.deepEqual(ending, { code: 3, stdout: '', stderr: '' });
    });

    it('longer than its budget when the collector is silent', async t => {
      const silent = createServer(socket => socket.on('error', () => {}).resume());
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      t.after(() => silent.close());
      const { port } = silent.address() as { port: number };
      const ending = await run([`http://127.0.0.1:${port}`, 'process.exit', '200'], { thread });
      assert.deepEqual(ending, { code: 3, stdout: '', stderr: '' });
    });
  });
}

describe('the transport thread', () => {
  it('does not load what the application preloads', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'tricord-preload-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const log = join(folder, 'log');
    const preload = join(folder, 'preload.cjs');
    const line = "require('node:worker_threads').isMainThread ? 'main\\n' : 'thread\\n'";
    writeFileSync(preload, `require('node:fs').appendFileSync(${JSON.stringify(log)}, ${line});`);
    const collector = await collectorFor(t);
    const ending = await run([collector.url, 'process.exit'], {
      nodeOptions: `--require ${preload} --import ${preload}`,
    });
    assert.equal(ending.code, 3);
    assert.deepEqual(taken(collector), everything);
    assert.doesNotMatch(readFileSync(log, 'utf8'), /thread/);
    assert.match(readFileSync(log, 'utf8'), /main/);
  });
});
