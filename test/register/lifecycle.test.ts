// Applications that fork, that block, that end in their own ways: all that ended before arrives, and nothing else changes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, type RunOptions, registerFile, run, withAgent, withNothing } from './application.ts';
import { arrivedAt } from './arrived.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-lifecycle-'));
after(() => rmSync(folder, { recursive: true }));

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const prelude = `
  const { trace } = require('@opentelemetry/api');
  const span = name => trace.getTracer('t').startSpan(name).end();
`;

/** Runs the script as a file, which can start itself again. */
function observed(name: string, script: string, options: RunOptions = {}): Promise<Run> {
  const path = join(folder, `${name}.cjs`);
  const here = `require('module').createRequire(${JSON.stringify(registerFile)})`;
  writeFileSync(path, `(require => {${prelude}${script}\n})(${here})`);
  return run(path, { ...options, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...options.env } });
}

const names = (): string[] =>
  arrivedAt(collector)
    .spans.map(({ name }) => name)
    .sort();

describe('an application', () => {
  it('is observed in its cluster workers and in the processes that it forks, each by itself', async () => {
    const { code, stdout, stderr } = await observed(
      'cluster',
      `const cluster = require('cluster');
       const { fork } = require('child_process');
       if (process.argv[2] === 'forked') span('forked');
       else if (cluster.isWorker) {
         span('worker');
         process.disconnect();
       } else {
         span('primary');
         cluster.fork();
         cluster.fork();
         fork(__filename, ['forked']).on('exit', code => console.log('forked', code));
       }`,
    );
    assert.deepEqual([code, stdout, stderr], [0, 'forked 0\n', '']);
    assert.deepEqual(names(), ['forked', 'primary', 'worker', 'worker']);
    assert.equal(collector.calls.length, 4);
  });

  it('is observed when the flag comes by NODE_OPTIONS', async () => {
    const env = { NODE_OPTIONS: `--require ${JSON.stringify(registerFile)}` };
    const { code, stderr } = await observed('options', "span('asked for')", { flags: [], env });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(names(), ['asked for']);
  });

  for (const thread of ['on', 'off']) {
    const env = { TRICORD_TRANSPORT_THREAD: thread };
    const may = `with the transport thread ${thread}, may`;

    it(`${may} end as soon as it has started`, async () => {
      const { code, stderr } = await observed('brief', "span('brief'); process.exit(3)", { env });
      assert.deepEqual([code, stderr], [3, '']);
      assert.deepEqual(names(), ['brief']);
    });

    it(`${may} end by itself, by an exception, and by a signal`, async () => {
      const endings: readonly [script: string, code: number | null, signal: NodeJS.Signals | null][] = [
        ['', 0, null],
        ["setTimeout(() => { throw new Error('mine') }, 300)", 1, null],
        [
          "setTimeout(() => {}, 5000); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300)",
          null,
          'SIGTERM',
        ],
      ];
      for (const [script, code, signal] of endings) {
        const run = await observed('ending', `span('ended'); ${script}`, { env });
        assert.deepEqual([run.code, run.signal], [code, signal]);
      }
      assert.deepEqual(names(), ['ended', 'ended', 'ended']);
    });
  }

  const sudden: readonly (readonly [what: string, script: string, told: RegExp])[] = [
    ['SIGKILL', "process.kill(process.pid, 'SIGKILL')", /^$/],
    ['a full heap', 'for (const all = []; ; ) all.push(new Array(1e6).fill({}))', /heap out of memory/],
  ];
  for (const [what, script, told] of sudden) {
    it(`may end by ${what}: as it would without us, and what ended a while before has arrived`, async () => {
      const go = join(folder, `${what}.go`);
      const memory = '--max-old-space-size=128';
      const dying = `setInterval(() => { if (require('fs').existsSync(${JSON.stringify(go)})) { ${script} } }, 5)`;
      const running = observed('sudden', `span('before'); ${dying}`, { flags: [memory, ...withAgent] });
      await collector.until(({ items }) => items > 0);
      writeFileSync(go, '');
      const { code, signal, stdout, stderr } = await running;
      const without = await observed('sudden', dying, { flags: [memory, ...withNothing] });
      assert.deepEqual([code, signal, stdout], [without.code, without.signal, without.stdout]);
      assert.notEqual(signal, null);
      for (const text of [stderr, without.stderr]) assert.match(text, told);
      assert.deepEqual(names(), ['before']);
    });
  }

  it('is told when it may start no thread to deliver what is left at its end', async () => {
    const { code, stderr } = await observed('permission', "span('lost')", {
      flags: ['--permission', '--allow-fs-read=*', '--require', registerFile],
      env: { TRICORD_TRANSPORT_THREAD: 'off' },
    });
    assert.equal(code, 0);
    assert.match(stderr, /tricord: no thread could be started to deliver what is left: .*restricted/);
  });

  it('sees nothing of the exports that its event loop makes', async t => {
    let exports = 0;
    const server = createServer((request, response) => {
      exports++;
      request.resume().on('end', () => response.end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { code } = await observed('own', "span('one'); setTimeout(() => {}, 1000)", {
      env: {
        TRICORD_TRANSPORT_THREAD: 'off',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        OTEL_METRICS_EXPORTER: 'none',
        TRICORD_TRACES_LINGER: '10',
      },
    });
    assert.deepEqual([code, exports], [0, 1]);
  });

  it('delivers while it never lets go of the processor', async () => {
    const mark = join(folder, 'delivered');
    collector.once('batch', () => writeFileSync(mark, ''));
    const { stdout } = await observed(
      'busy',
      `span('under way');
       const until = Date.now() + 20_000;
       while (!require('fs').existsSync(${JSON.stringify(mark)}) && Date.now() < until);
       console.log(Date.now() < until)`,
    );
    assert.equal(stdout, 'true\n');
  });

  it('handles its own exceptions', async () => {
    const { code, stdout, stderr } = await observed(
      'handler',
      `process.on('uncaughtException', error => { console.log(error.message); process.exit(9) });
       span('before');
       setTimeout(() => { throw new Error('mine') })`,
    );
    assert.deepEqual([code, stdout, stderr], [9, 'mine\n', '']);
    assert.deepEqual(names(), ['before']);
  });

  it('closes its server at SIGTERM, and what it does then arrives too', async () => {
    const { code, signal, stdout } = await observed(
      'graceful',
      `const server = require('http').createServer().listen(0, () => process.kill(process.pid, 'SIGTERM'));
       process.on('SIGTERM', () => server.close(() => { span('closed'); console.log('closed') }))`,
    );
    assert.deepEqual([code, signal, stdout], [0, null, 'closed\n']);
    assert.deepEqual(names(), ['closed']);
  });

  it('may change its directory, and log and set far more than fits', async () => {
    const { code, stderr } = await observed(
      'excess',
      `process.chdir('/');
       const log = require('pino')(require('pino').destination('/dev/null'));
       trace.getTracer('t').startActiveSpan('excess', active => {
         log.info({ text: 'x'.repeat(1e7) }, 'much');
         for (let i = 0; i < 10_000; i++) active.setAttribute('key' + i, i);
         active.setAttribute('key0', 'y'.repeat(1e7));
         active.end();
       })`,
    );
    assert.deepEqual([code, stderr], [0, '']);
    const { spans, records } = arrivedAt(collector);
    assert.deepEqual([spans[0]!.attributes.length, spans[0]!.droppedAttributesCount], [128, 9872]);
    assert.equal(records.length, 1);
  });
});
