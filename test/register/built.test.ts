// The built agent, installed in an application's folder: one copy of it however it is loaded, in few files.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-built-'));
const installed = join(folder, 'node_modules/tricord');
after(() => rmSync(folder, { recursive: true }));

cpSync(join(root, 'package.json'), join(installed, 'package.json'));
cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true });

const api = dirname(dirname(fileURLToPath(import.meta.resolve('@opentelemetry/api'))));
const apiVersion = (JSON.parse(readFileSync(join(api, 'package.json'), 'utf8')) as { version: string })
  .version;

/** Gives the application a copy of OpenTelemetry's API, which says that it is of this version. */
function installApi(version: string): void {
  const copy = join(folder, 'node_modules/@opentelemetry/api');
  rmSync(copy, { recursive: true, force: true });
  cpSync(api, copy, { recursive: true });
  for (const file of ['version.cjs', 'version.mjs']) {
    const path = join(copy, 'dist', file);
    writeFileSync(path, readFileSync(path, 'utf8').replace(`"${apiVersion}"`, `"${version}"`));
  }
}

const entry = (name: string): string => join(installed, 'dist', name);
/** What `tricord/register` is to `--require`, to `--import`, and the file to either. */
const ways: readonly (readonly [flag: string, file: string])[] = [
  ['--require', 'register.cjs'],
  ['--require', 'register.js'],
  ['--import', 'register.js'],
];

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

/** Runs the script as a file of the application. */
function observed(name: string, script: string, flags: readonly string[], env = {}): Promise<Run> {
  const path = join(folder, name);
  writeFileSync(path, script);
  return run(path, { flags, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } });
}

const spanNames = (): string[] => arrivedAt(collector).spans.map(({ name }) => name);
const hellos = (): number =>
  new Set(collector.calls.map(({ hello }) => Buffer.from(hello.instanceId).toString('hex'))).size;

/** Prints what of the package `import` and `require` do not have in common, and loads it in every way there is. */
const comparison = `
  const specifiers = ['tricord', 'tricord/pino', 'tricord/prometheus', 'tricord/sdk'];
  for (const specifier of specifiers) {
    const [imported, required] = [await import(specifier), require(specifier)];
    const names = new Set([...Object.keys(imported), ...Object.keys(required)]);
    for (const name of names) if (imported[name] !== required[name]) console.log(specifier, name);
    if (names.size === 0) console.log(specifier, 'is empty');
  }
  const { start, ObservabilityContext } = require('tricord');
  const { context, trace } = require('@opentelemetry/api');
  trace.getTracer('t').startActiveSpan('active', span => {
    if (ObservabilityContext.active() !== context.active()) console.log('the context is another one');
    span.end();
  });
  await import('tricord/register');
  require('tricord/register');
  const { accepted } = start({ serviceName: 'another' }).stats().signals.traces;
  console.log(accepted, ObservabilityContext.name);
`;

describe('the built agent', () => {
  for (const [flag, file] of ways) {
    it(`is one in a CommonJS application: ${flag} ${file}`, async () => {
      installApi(apiVersion);
      const script = `(async () => {${comparison}})()`;
      const { code, stdout, stderr } = await observed('one.cjs', script, [flag, entry(file)]);
      assert.deepEqual([code, stdout, stderr], [0, '1 ObservabilityContext\n', '']);
      assert.deepEqual([spanNames(), hellos()], [['active'], 1]);
    });

    it(`is one in an ESM application: ${flag} ${file}`, async () => {
      installApi(apiVersion);
      const require =
        "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
      const { code, stdout, stderr } = await observed('one.mjs', require + comparison, [flag, entry(file)]);
      assert.deepEqual([code, stdout, stderr], [0, '1 ObservabilityContext\n', '']);
      assert.deepEqual([spanNames(), hellos()], [['active'], 1]);
    });

    it(`is one when it is registered twice: ${flag} ${file}`, async () => {
      installApi(apiVersion);
      const flags = [flag, entry(file), '--require', entry('register.js'), '--import', entry('register.js')];
      const script = "require('@opentelemetry/api').trace.getTracer('t').startSpan('once').end()";
      const { code, stderr } = await observed('twice.cjs', script, flags);
      assert.deepEqual([code, stderr], [0, '']);
      assert.deepEqual([spanNames(), hellos()], [['once'], 1]);
    });

    it(`loads one file before the application, and little after it: ${flag} ${file}`, async () => {
      const coverage = mkdtempSync(join(folder, 'coverage-'));
      const script = `for (const file of Object.keys(require.cache)) console.log(file)`;
      const { code, stdout } = await observed('idle.cjs', script, [flag, entry(file)], {
        NODE_V8_COVERAGE: coverage,
      });
      assert.equal(code, 0);
      const before = stdout.split('\n').filter(path => path.startsWith(installed));
      assert.deepEqual(
        before.map(path => basename(path)).filter(name => name !== file),
        ['agent.cjs'],
      );
      assert.deepEqual(
        new Set([...loadedFiles(coverage)].filter(name => name !== 'worker.cjs')),
        new Set([file, 'agent.cjs', 'self-metrics.cjs', 'runtime-metrics.cjs']),
      );
    });
  }

  it('is what an application sees that has an older copy of the OpenTelemetry API', async () => {
    installApi('1.9.0');
    const flags = ['--require', entry('register.js')];
    const script = "require('@opentelemetry/api').trace.getTracer('t').startSpan('required').end()";
    assert.equal((await observed('older.cjs', script, flags)).stderr, '');
    const module =
      "import { trace } from '@opentelemetry/api'; trace.getTracer('t').startSpan('imported').end()";
    assert.equal((await observed('older.mjs', module, flags)).stderr, '');
    assert.deepEqual(spanNames().sort(), ['imported', 'required']);
  });

  it('needs no other package, and can be started in code', async () => {
    rmSync(join(folder, 'node_modules/@opentelemetry'), { recursive: true, force: true });
    const script = "import { start } from 'tricord'; console.log(start().options.endpoint)";
    const { stdout, stderr } = await observed('code.mjs', script, []);
    assert.deepEqual([stdout, stderr], [`${collector.url}\n`, '']);
  });

  it('shows the lines of its own code in a stack trace', async () => {
    const script = `process.on('exit', () => console.log(new Error('here').stack));
      require('tricord').ObservabilityContext.root.run(() => console.log(new Error('there').stack))`;
    const { stdout } = await observed('stack.cjs', script, []);
    assert.match(stdout, /at ObservabilityContext\.run \(.*agent\.cjs:\d+:\d{1,3}\)/);
  });
});

/** The agent's files that the main thread or another has loaded, CommonJS and ESM alike, as the coverage tells. */
function loadedFiles(coverage: string): Set<string> {
  const reports = readdirSync(coverage).map(name => JSON.parse(readFileSync(join(coverage, name), 'utf8')));
  return new Set(
    (reports as { result: { url: string }[] }[])
      .flatMap(({ result }) => result.map(({ url }) => url))
      .filter(url => url.includes('/tricord/dist/'))
      .map(url => url.slice(url.lastIndexOf('/') + 1)),
  );
}
