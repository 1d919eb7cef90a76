// A process that is stopped for longer than its connections live, and goes on: SIGSTOP and SIGCONT, as a platform's freeze is.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeTraces, Signal } from 'tricord/otlp';
import { startCollector } from '../collector/running-collector.ts';
import { acknowledge, TestCollector, type TestCollectorOptions } from '../transport/test-collector.ts';
import { idsOf } from '../transport/transport-options.ts';
import type { FreezeCall } from './freeze-app.ts';

/** Longer than a ping's interval and the wait for its answer together. */
const FREEZE_MS = 600;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function start(
  t: TestContext,
  app: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, app), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function call(child: ChildProcess, message: FreezeCall): Promise<unknown> {
  const answered = once(child, 'message');
  child.send(message);
  return (await answered)[0];
}

/** Resolves when none of its threads runs any more: that has no event. */
async function freeze(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  const tasks = `/proc/${child.pid}/task`;
  const runs = (task: string): boolean => !/\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
  while (readdirSync(tasks).some(runs)) await sleep(1);
}

describe('a process that is frozen and thawed', {
  skip: process.platform !== 'linux' && 'reads /proc',
}, () => {
  const peers: readonly [what: string, meanwhile: (collector: TestCollector) => void][] = [
    ['that waits', () => {}],
    ['that has given up the connection', collector => collector.sever()],
  ];
  for (const [what, meanwhile] of peers) {
    it(`loses nothing, sends nothing twice, and makes no storm of connections: a collector ${what}`, async t => {
      const collector = await TestCollector.start();
      t.after(() => collector.stop());
      const child = start(t, 'freeze-app.ts', [collector.url]);
      assert.equal(await call(child, { from: 0, to: 100 }), true);
      for (const turn of [1, 2, 3]) {
        const from = turn * 100;
        // Half of it lies in the ring while the process is frozen.
        await call(child, { from, to: from + 50, flushMs: 0 });
        await freeze(child);
        meanwhile(collector);
        await sleep(FREEZE_MS);
        child.kill('SIGCONT');
        assert.equal(await call(child, { from: from + 50, to: from + 100 }), true);
      }
      const taken = idsOf(collector.taken.map(({ payload }) => payload)).sort((a, b) => a - b);
      assert.deepEqual(taken, numbers(400));
      assert.ok(collector.calls.length <= 1 + 2 * 3, `${collector.calls.length} connections`);
    });
  }

  it('goes on with a flush that was under way, and knows what was acknowledged meanwhile', async t => {
    let hold: (() => void)[] | undefined = [];
    const onBatch: TestCollectorOptions['onBatch'] = (call, batch, it) => {
      if (hold === undefined) acknowledge(call, batch, it);
      else hold.push(() => acknowledge(call, batch, it));
    };
    const collector = await TestCollector.start({ onBatch });
    t.after(() => collector.stop());
    const child = start(t, 'freeze-app.ts', [collector.url]);
    const under = call(child, { from: 0, to: 100, flushMs: 200 });
    await collector.until(() => hold?.length === 1);
    await freeze(child);
    for (const release of hold.splice(0)) release();
    hold = undefined;
    await sleep(FREEZE_MS);
    child.kill('SIGCONT');
    assert.equal(typeof (await under), 'boolean');
    assert.equal(await call(child, { from: 100, to: 200 }), true);
    const taken = idsOf(collector.taken.map(({ payload }) => payload)).sort((a, b) => a - b);
    assert.deepEqual(taken, numbers(200));
  });

  it('has everything on the disk of a collector of ours before, when it has flushed', async t => {
    const collector = await startCollector();
    t.after(() => collector.stop());
    const names = (): string[] => {
      const found: string[] = [];
      for (const { signal, payload } of collector.capture.batches)
        if (signal === Signal.traces) decodeTraces(payload, { span: ({ name }) => void found.push(name) });
      return found.sort();
    };
    const child = start(t, 'function-app.ts', [], {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.endpoints['otlp.grpc']}`,
      TRICORD_TRACES_LINGER: '60000',
      TRICORD_FLUSH_TIMEOUT: '20000',
    });
    const spans = (count: number): string[] => numbers(count).map(String).sort();
    for (const turn of [0, 1, 2]) {
      assert.equal(await call(child, { from: turn * 100, to: (turn + 1) * 100 }), true);
      await freeze(child);
      assert.equal(
        await collector.metric('otelcol_receiver_accepted_spans_total{receiver="otlp",transport="stream"}'),
        (turn + 1) * 100,
      );
      await sleep(FREEZE_MS);
      child.kill('SIGCONT');
    }
    child.disconnect();
    await once(child, 'exit');
    await collector.capture.count(3);
    assert.deepEqual(names(), spans(300));
  });
});
