// Applications of every kind that Node.js runs: an ES module that awaits at its top, TypeScript as it is, a bundle; and what is said of them at the start.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { build } from 'esbuild';
import { attributesOf } from '../decoded-records.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { webpackBundle } from '../webpack-bundle.ts';
import { type Run, registerFile, run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const { resolve } = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'tricord-kinds-'));
after(() => rmSync(folder, { recursive: true }));
before(() => {
  mkdirSync(join(folder, 'node_modules'));
  for (const name of ['express', 'fastify', 'pino', 'prom-client'])
    symlinkSync(dirname(resolve(`${name}/package.json`)), join(folder, 'node_modules', name), 'dir');
});

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

function observed(path: string, flags: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return run(path, { flags, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } });
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Asks itself once, after what it waits for at its top. */
const application = (type: string): string => `
  import { once } from 'node:events';
  import express from 'express';
  import pino from 'pino';
  const log = pino({ base: null, timestamp: false });
  const app = express();
  const orders = express.Router();
  orders.get('/:order', (request${type}, response${type}) => {
    log.info('asked');
    response.send('order');
  });
  app.use('/orders', await Promise.resolve(orders));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address()${type === '' ? '' : ' as { port: number }'};
  await (await fetch(\`http://127.0.0.1:\${port}/orders/7\`)).text();
  server.close();
`;

function assertObserved({ code, stderr, stdout }: Run): void {
  assert.deepEqual([code, stderr], [0, '']);
  const { spans, records } = arrivedAt(collector);
  const server = spans.find(({ kind }) => kind === 2)!;
  assert.equal(attributesOf(server)['http.route'], '/orders/:order');
  assert.deepEqual(spans.map(({ kind }) => kind).sort(), [2, 3]);
  assert.match(stdout, /"trace_id":"[0-9a-f]{32}"/);
  assert.deepEqual(
    records.map(({ body }) => body),
    ['asked'],
  );
}

describe('an application under the agent', () => {
  for (const flag of ['--require', '--import']) {
    it(`may be an ES module that awaits at its top: ${flag}`, async () => {
      const path = file('awaits.mjs', application(''));
      assertObserved(await observed(path, [flag, registerFile]));
    });

    const skip = process.features.typescript ? false : 'this Node.js runs no TypeScript by itself';
    it(`may be TypeScript that Node.js runs directly: ${flag}`, { skip }, async () => {
      const path = file('typed.mts', `type Any = never;\n${application(': any')}`);
      const { stderr, ...others } = await observed(path, ['--no-warnings', flag, registerFile]);
      assertObserved({ ...others, stderr });
    });
  }

  for (const mode of ['development', 'production'] as const) {
    it(`may be CommonJS that webpack has made for ${mode}, with its libraries outside`, async () => {
      const entry = file('packed.mjs', application(''));
      const outfile = await webpackBundle(entry, mode, ['express', 'pino'], []);
      assertObserved(await observed(outfile, ['--require', registerFile]));
    });
  }

  it('may be a bundle that instruments what is in it', async () => {
    const path = file(
      'bundled.mjs',
      `import pino from 'pino';
       import { instrumentPino } from ${JSON.stringify(join(root, 'src/instrument/pino.ts'))};
       instrumentPino(pino);
       pino({ base: null, timestamp: false }).info('asked');`,
    );
    const outfile = join(folder, 'bundled.cjs');
    await build({
      ...{ entryPoints: [path], bundle: true, platform: 'node', outfile, logLevel: 'error' },
      define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
      banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    });
    const { code, stdout } = await observed(outfile, ['--require', registerFile]);
    assert.deepEqual([code, stdout], [0, '{"level":30,"msg":"asked"}\n']);
    assert.deepEqual(
      arrivedAt(collector).records.map(({ body }) => body),
      ['asked'],
    );
  });
});

describe('the report at the start', () => {
  const lines = (stderr: string): string[] =>
    stderr
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.replace(/^tricord: /, ''));

  it('says what the agent is, where it sends, and what it has found', async () => {
    const path = file('reported.mjs', application(''));
    const env = { TRICORD_DOCTOR: '1', TRICORD_INSTRUMENTATIONS: '-pino' };
    const { code, stderr } = await observed(path, ['--require', registerFile], env);
    assert.equal(code, 0);
    const [first, ...rest] = lines(stderr);
    assert.match(
      first!,
      /^doctor: tricord \S+ on Node\.js \S+, service "application"; traces, metrics, logs by grpc to http:/,
    );
    const found = rest.find(line => line.startsWith('doctor: libraries'))!;
    // Node.js 22 turns its event loop before it has loaded an ES module.
    if (!process.version.startsWith('v22.')) {
      assert.match(found, /express 5\.\S+/);
      assert.match(found, /pino \S+ \(switched off\)/);
    }
    assert.ok(rest.some(line => /^doctor: instrumentations: http-server, http-client, /.test(line)));
  });

  it('says what was loaded before the agent, and which other agents there are', async () => {
    mkdirSync(join(folder, 'node_modules/dd-trace'), { recursive: true });
    file('node_modules/dd-trace/package.json', '{"name":"dd-trace","version":"5.0.0"}');
    file('node_modules/dd-trace/index.js', '');
    const early = file('early.cjs', "require('express');");
    const path = file('late.cjs', "require('dd-trace');");
    const { stderr } = await observed(path, ['--require', early, '--require', registerFile], {
      TRICORD_DOCTOR: 'on',
    });
    const said = lines(stderr);
    assert.ok(
      said.some(line => /^doctor: express 5\.\S+ was loaded before the agent: routes below/.test(line)),
      stderr,
    );
    assert.ok(
      said.some(line => /^doctor: dd-trace 5\.0\.0, Datadog’s agent, is loaded too/.test(line)),
      stderr,
    );
  });

  it('is made for nobody who does not ask', async () => {
    const { stderr } = await observed(file('quiet.cjs', ''), ['--require', registerFile]);
    assert.equal(stderr, '');
  });
});
