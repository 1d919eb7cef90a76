// Applications of their own process under `--require` and `--import`: what arrives at a collector, and what they notice.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { attributesOf, hex } from '../decoded-records.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, type RunOptions, registerFile, run, withAgent, withNothing } from './application.ts';
import { type Arrived, arrivedAt } from './arrived.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-register-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

/** Runs under the agent, which sends to the collector of this test. */
function observed(application: string, options: RunOptions = {}): Promise<Run> {
  return run(application, {
    ...options,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...options.env },
  });
}

const arrived = (): Arrived => arrivedAt(collector);

describe('an application under the agent', () => {
  const applications = [
    ['--require', 'express.cjs'],
    ['--import', 'express.mjs'],
    ['--import', 'fastify.cjs'],
    ['--require', 'fastify.mjs'],
    ['--require', 'koa.cjs'],
    ['--import', 'koa.mjs'],
    ['--require', 'hono.mjs'],
    ['--import', 'hono.mjs'],
  ] as const;
  for (const [flag, name] of applications) {
    it(`shows its request in three signals: ${flag}, ${name}`, async () => {
      const path = join(root, 'test/register/apps', name);
      const { stdout, ...ending } = await observed(path, { flags: [flag, registerFile] });
      assert.deepEqual(ending, { code: 0, signal: null, stderr: '' });

      const { spans, records, metrics } = arrived();
      const [server] = spans.filter(span => span.kind === 2);
      const [client] = spans.filter(span => span.kind === 3);
      assert.equal(spans.length, 2);
      assert.equal(server!.name, 'GET /users/:id');
      assert.equal(attributesOf(server!)['http.route'], '/users/:id');
      assert.equal(hex(server!.parentSpanId), hex(client!.spanId));

      const line = JSON.parse(stdout) as Record<string, string>;
      assert.deepEqual(
        [line.msg, line.trace_id, line.span_id],
        ['asked', hex(server!.traceId), hex(server!.spanId)],
      );
      assert.deepEqual(
        records.map(record => [record.body, attributesOf(record).id, hex(record.spanId)]),
        [['asked', '7', hex(server!.spanId)]],
      );

      const duration = metrics.get('http.server.request.duration')?.data;
      assert.equal(duration?.type, 'histogram');
      const exemplars = duration.points.flatMap(point => point.exemplars);
      assert.deepEqual(
        exemplars.map(({ traceId }) => hex(traceId)),
        [hex(server!.traceId)],
      );
      for (const expected of ['http.client.request.duration', 'visits', 'nodejs.eventloop.utilization']) {
        assert.ok(metrics.has(expected), expected);
      }
    });
  }

  const traced = `const { trace } = require('@opentelemetry/api'); trace.getTracer('t').startSpan('last').end();`;
  const lastWords: Record<string, string> = {
    'process.exit(3)': `${traced} setInterval(() => {}, 1000); process.exit(3)`,
    'an uncaught exception': `${traced} throw new Error('boom')`,
    SIGTERM: `${traced} process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
  };
  for (const [name, script] of Object.entries(lastWords)) {
    it(`delivers what ended before ${name}`, async () => {
      await observed(script);
      assert.deepEqual(
        arrived().spans.map(span => span.name),
        ['last'],
      );
    });
  }

  it('starts once when it is asked for twice, even from two places', async () => {
    const again = ['--import', registerFile, '--import', `${pathToFileURL(registerFile)}?again`];
    const path = join(root, 'test/register/apps/express.cjs');
    const { code, stderr } = await observed(path, { flags: [...withAgent, ...again] });
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(new Set(collector.calls.map(({ hello }) => hex(hello.instanceId))).size, 1);
    assert.deepEqual(
      arrived()
        .spans.map(span => span.kind)
        .sort(),
      [2, 3],
    );
  });
});

const twice = (application: string, options: RunOptions = {}): Promise<[Run, Run]> =>
  Promise.all([
    observed(application, { flags: withAgent, ...options }),
    run(application, { flags: withNothing, ...options }),
  ]);

describe('an application notices nothing', () => {
  const endings: Record<string, string> = {
    'process.exit(3)': "console.log('out'); process.exit(3)",
    'an unhandled rejection': "Promise.reject(new Error('nobody cares'))",
    'an application that handles SIGTERM':
      "process.on('SIGTERM', () => process.exit(5)); setInterval(() => {}, 1e3); process.kill(process.pid, 'SIGTERM')",
  };
  for (const [name, script] of Object.entries(endings)) {
    it(`of its agent at ${name}`, async () => {
      const [withIt, without] = await twice(script);
      assert.deepEqual(withIt, without);
    });
  }

  it('of its agent at an exception while its modules load', async () => {
    const thrower = file('thrower.cjs', "exports.before = 1;\nthrow new RangeError('while loading');\n");
    const entry = file('entry.cjs', `require(${JSON.stringify(thrower)})\n`);
    const [withIt, without] = await twice(entry);
    assert.deepEqual(withIt, without);
    assert.match(withIt.stderr, /thrower\.cjs:2/);
  });

  it('of its agent at SIGINT', async () => {
    const up = "console.log('up'); setInterval(() => {}, 1000)";
    const [withIt, without] = await twice(up, { signal: 'SIGINT' });
    assert.deepEqual(withIt, without);
    assert.equal(withIt.signal, 'SIGINT');
  });

  it('when there is no collector', async () => {
    const port = collector.port;
    collector.stop();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, TRICORD_FLUSH_TIMEOUT: '100' };
    const { stderr, ...others } = await run("console.log('alone'); process.exitCode = 2", { env });
    assert.deepEqual(others, { code: 2, signal: null, stdout: 'alone\n' });
    assert.match(
      stderr,
      /^tricord: the collector at \S+ (was not|cannot be) reached: .*\n$/,
      'but for one line',
    );
  });
});

describe('the agent', () => {
  it('does nothing when OTEL_SDK_DISABLED is true', async () => {
    const script = "console.log(process.listenerCount('exit'), process.listenerCount('SIGTERM'))";
    const { stdout } = await observed(script, { env: { OTEL_SDK_DISABLED: 'true' } });
    assert.equal(stdout, '0 0\n');
    assert.equal(collector.calls.length, 0);
  });

  it('says on one line of stderr why it does not start, and lets the application run', async () => {
    const older = `data:text/javascript,${encodeURIComponent(
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.14.9' } })",
    )}`;
    const tooOld = await observed('console.log("runs on")', {
      flags: ['--import', older, '--import', registerFile],
    });
    assert.deepEqual(tooOld, {
      code: 0,
      signal: null,
      stdout: 'runs on\n',
      stderr: 'tricord: not started: Node.js 22.15 or later is needed, this is 22.14.9.\n',
    });
    const misled = await observed('console.log("runs on")', {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' },
    });
    assert.deepEqual([misled.code, misled.stdout], [0, 'runs on\n']);
    assert.match(misled.stderr, /^tricord: the start failed: OTEL_EXPORTER_OTLP_ENDPOINT: "nonsense" .*\n$/);
  });

  it('loads the instrumentation of a library with the library', async () => {
    const watched = encodeURIComponent(`import { registerHooks } from 'node:module';
      globalThis.loaded = [];
      registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });`);
    const { stdout, stderr } = await observed(
      `const has = name => loaded.some(url => url.endsWith('/src/instrument/' + name + '.ts'));
      console.log(has('express'), has('koa'), has('pg'));
      require('koa');
      console.log(has('koa'), has('pg'));`,
      { flags: ['--import', `data:text/javascript,${watched}`, '--import', registerFile] },
    );
    assert.deepEqual([stdout, stderr], ['true false false\ntrue false\n', '']);
  });

  it('says on one line of stderr which variable is ignored', async () => {
    const { stdout, stderr } = await observed('console.log("runs on")', {
      env: { TRICORD_RING_BYTE: '65536' },
    });
    assert.equal(stdout, 'runs on\n');
    assert.match(stderr, /^tricord: TRICORD_RING_BYTE is ignored.*TRICORD_RING_BYTES\?\n$/);
  });

  it('says on one line of stderr when it is not allowed a thread', async () => {
    const flags = ['--permission', '--allow-fs-read=*', '--no-warnings', ...withAgent];
    const { code, stdout, stderr } = await observed('console.log("runs on")', { flags });
    assert.deepEqual([code, stdout], [0, 'runs on\n']);
    assert.match(
      stderr,
      /^tricord: the transport thread died: .*Access to this API has been restricted.*\n$/,
    );
  });

  it('leaves what another SDK has registered with it, and says so', async () => {
    const script = `const { trace } = require('@opentelemetry/api');
      trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: () => console.log('theirs') }) });
      require(${JSON.stringify(registerFile)});
      trace.getTracer('t').startSpan('s')`;
    const { stdout, stderr } = await observed(script, { flags: [] });
    assert.equal(stdout, 'theirs\n');
    assert.equal(stderr, 'tricord: another OpenTelemetry SDK was registered first; it keeps traces.\n');
    assert.ok(arrived().metrics.size > 0);
    assert.deepEqual(arrived().spans, []);
  });

  it('installs the instrumentations that are asked for', async () => {
    const path = join(root, 'test/register/apps/express.cjs');
    const { stdout } = await observed(path, { env: { TRICORD_INSTRUMENTATIONS: '-pino, -http-client' } });
    assert.equal(stdout, '{"level":30,"id":"7","msg":"asked"}\n');
    const { spans, records } = arrived();
    assert.deepEqual(
      spans.map(span => [span.name, span.kind]),
      [['GET /users/:id', 2]],
    );
    assert.deepEqual(records, []);
  });

  it('installs none, and names an instrumentation that it does not know', async () => {
    const path = join(root, 'test/register/apps/express.cjs');
    const { stderr } = await observed(path, { env: { TRICORD_INSTRUMENTATIONS: 'none,expres' } });
    assert.match(
      stderr,
      /^tricord: TRICORD_INSTRUMENTATIONS: "expres" is ignored; there are all, none, http-server.*\n$/,
    );
    const { spans, metrics } = arrived();
    assert.deepEqual([spans.length, [...metrics.keys()].filter(name => name.startsWith('http'))], [0, []]);
  });

  it('lets log lines carry their IDs when logs are not sent', async () => {
    const path = join(root, 'test/register/apps/express.cjs');
    const { stdout } = await observed(path, { env: { OTEL_LOGS_EXPORTER: 'none' } });
    const { spans, records } = arrived();
    assert.equal((JSON.parse(stdout) as { trace_id: string }).trace_id, hex(spans[0]!.traceId));
    assert.deepEqual(records, []);
  });
});
