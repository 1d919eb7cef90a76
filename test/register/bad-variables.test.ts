// Impossible values of every variable: each is named on one line of stderr, and the application runs on as it would without.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Option } from '../../src/option-kinds.ts';
import { optionTable } from '../../src/options.ts';
import { readOptions } from '../../src/read-options.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const options = Object.values(optionTable as Readonly<Record<string, Option<unknown>>>);
const bad: Readonly<Record<string, string>> = {
  blank: '   ',
  NaN: 'NaN',
  negative: '-1',
  fractional: '0.5.5',
  huge: '1e999',
  'of the wrong kind': 'no-such-word',
  'full of control characters': '\n\u001b[31m\u0000',
};
/** Options that take any text; which files and URLs can be used shows at the start. */
const texts: readonly string[] = options
  .filter(({ shape }) => /^(text|file|URL)$/.test(shape))
  .map(({ env }) => env);
/** Any word is an item of these lists. */
const words: readonly string[] = options
  .filter(
    ({ env, shape }) => /^list( of `path`.*)?, separated by commas$/.test(shape) && !texts.includes(env),
  )
  .map(({ env }) => env);

function isPossible(parse: (text: string) => unknown, value: string): boolean {
  try {
    parse(value);
    return true;
  } catch {
    return false;
  }
}

describe('an impossible value', () => {
  for (const { env, parse, default: fallback } of options) {
    it(`of ${env} is told of on one line that names it, and its default holds`, () => {
      for (const [kind, value] of Object.entries(bad)) {
        const { options: read, warnings } = readOptions({}, { [env]: value });
        if (isPossible(parse, value)) {
          assert.deepEqual(warnings, [], `${kind} is possible`);
          continue;
        }
        assert.deepEqual(read, readOptions({}, {}).options, kind);
        assert.equal(warnings.length, 1, kind);
        assert.ok(warnings[0]!.startsWith(`${env}=`));
        assert.match(warnings[0]!, /is ignored: it takes ./);
        assert.doesNotMatch(warnings[0]!, /\p{Cc}/u, 'on one line');
      }
      assert.equal(readOptions({}, { [env]: '' }).warnings.length, 0, 'empty is as if it were not set');
      const kept = Object.entries(optionTable).find(([, option]) => option.env === env)![0];
      assert.deepEqual(readOptions({}, {}).options[kept as 'endpoint'], fallback);
    });
  }

  it('is refused by every option but those that take any text, or any word', () => {
    const refusing = options.filter(
      ({ env }) => readOptions({}, { [env]: 'no-such-word' }).warnings.length === 1,
    );
    const others = options.map(({ env }) => env).filter(env => !texts.includes(env) && !words.includes(env));
    assert.deepEqual(
      refusing.map(({ env }) => env),
      others,
    );
    assert.ok(others.length > 20 && texts.length < 10, `${others.length} and ${texts.length}`);
  });
});

describe('an application among impossible values', () => {
  let collector: TestCollector;
  before(async () => {
    collector = await TestCollector.start();
  });
  after(() => collector.stop());

  const application = join(root, 'test/register/apps/express.cjs');
  const given = options.map(({ env }) => env).filter(env => !texts.includes(env) && !words.includes(env));

  it('runs and is observed, with all of them at once', async () => {
    const env = Object.fromEntries(given.map(name => [name, 'no-such-word']));
    const misspelled = { OTEL_SERVICE_NAMES: 'a', TRICORD_RING_BITES: 'b', OTEL_BSP_MAX_QUEUE_SIZE: '1' };
    const { code, stderr, stdout } = await run(application, {
      env: { ...env, ...misspelled, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    assert.equal(code, 0);
    assert.match(stdout, /"msg":"asked"/);
    const lines = stderr.trimEnd().split('\n');
    const named = lines.map(line => /^tricord: (\w+)/.exec(line)?.[1]);
    assert.deepEqual(named.toSorted(), [...given, ...Object.keys(misspelled)].toSorted());
    assert.equal(arrivedAt(collector).spans.length, 2);
  });

  const unusable: Readonly<Record<string, readonly string[]>> = {
    OTEL_EXPORTER_OTLP_CERTIFICATE: ['/nowhere/ca.pem', '/dev/null', root],
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: ['/nowhere/client.pem'],
    OTEL_EXPORTER_OTLP_CLIENT_KEY: ['/nowhere/client.key'],
    OTEL_EXPORTER_OTLP_ENDPOINT: [
      ...['nonsense', 'ftp://127.0.0.1', 'http://', '127.0.0.1:4317'],
      'http://user:canary@127.0.0.1:4317',
    ],
    OTEL_EXPORTER_OTLP_HEADERS: ['bad name=canary', 'te=canary', 'a=canary%0A'],
  };
  for (const [name, values] of Object.entries(unusable)) {
    it(`runs without the agent, and is told why once: ${name}`, async () => {
      const runs = await Promise.all(values.map(value => run(application, { env: { [name]: value } })));
      for (const { code, stdout, stderr } of runs) {
        assert.equal(code, 0);
        assert.match(stdout, /"msg":"asked"/);
        assert.match(stderr, /^tricord: the start failed: [^\n]+\n$/);
        assert.doesNotMatch(stderr, /canary/);
      }
    });
  }

  it('tells without the agent, too, which instrumentations there are not, unless nothing is to be told', async () => {
    const wrong = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense',
      TRICORD_INSTRUMENTATIONS: '-expres',
      OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'htp',
      TRICORD_OTEL_INSTRUMENTATIONS: 'mongose',
    };
    const { code, stderr } = await run(application, { env: wrong });
    assert.equal(code, 0);
    const [start, ...names] = stderr.trimEnd().split('\n');
    assert.match(start!, /^tricord: the start failed: /);
    assert.deepEqual(
      names.map(line => /^tricord: (\w+): "?([^\s"]+)/.exec(line)?.slice(1)),
      [
        ['TRICORD_INSTRUMENTATIONS', '-expres'],
        ['OTEL_NODE_ENABLED_INSTRUMENTATIONS', 'htp'],
        ['TRICORD_OTEL_INSTRUMENTATIONS', '@opentelemetry/instrumentation-mongose'],
      ],
    );
    const silent = await run(application, { env: { ...wrong, OTEL_LOG_LEVEL: 'none' } });
    assert.match(silent.stderr, /^tricord: the start failed: [^\n]+\n$/);
  });

  it('runs without a collector, which one line names', async () => {
    const port = collector.port;
    const nowhere = await TestCollector.start();
    nowhere.stop();
    assert.notEqual(nowhere.port, port);
    const url = `http://127.0.0.1:${nowhere.port}`;
    const { code, stdout, stderr } = await run(application, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: url } });
    assert.equal(code, 0);
    assert.match(stdout, /"msg":"asked"/);
    assert.match(
      stderr,
      new RegExp(`^tricord: the collector at ${url} (cannot be|was not) reached: [^\n]+\n$`),
    );
    const silent = await run(application, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_LOG_LEVEL: 'none', OTEL_BSP_MAX_QUEUE_SIZE: '1' },
    });
    assert.deepEqual([silent.code, silent.stderr], [0, '']);
  });
});
