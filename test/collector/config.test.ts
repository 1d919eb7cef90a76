// Configuration: what is accepted, and that every mistake is told with its place and the nearest right name.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError } from '../../collector/config/problem.ts';
import { type Config, loadConfig } from '../../collector/config.ts';
import { registry } from '../../collector/registry.ts';
import { pathsOf } from '../../collector/routing.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-config-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

function write(yaml: string): string {
  const file = join(folder, `${++count}.yaml`);
  writeFileSync(file, yaml);
  return file;
}

interface Extras {
  readonly settings?: readonly string[];
  readonly environment?: Record<string, string>;
  readonly dataDir?: string;
}

async function load(yamls: readonly string[], extras: Extras = {}): Promise<Config> {
  const { settings = [], environment = {}, dataDir } = extras;
  return await loadConfig({ files: yamls.map(write), settings, environment, dataDir }, registry);
}

/** The problems, each as `line:column: message`. */
async function problems(yaml: string, extras: Extras = {}): Promise<string[]> {
  const error = await load([yaml], extras).then(
    () => assert.fail('the configuration was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError, String(error));
  return error.message.split('\n').map(line => line.replace(/^.*?\.yaml:/, ''));
}

const good = `
receivers:
  otlp:
    protocols:
      grpc:
exporters:
  debug:
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [debug] }
`;

const endpointOf = (config: Config): unknown =>
  (config.receivers[0]!.settings as { protocols: { grpc: { endpoint: unknown } } }).protocols.grpc.endpoint;

describe('configuration', () => {
  it('fills defaults for a protocol that is only named', async () => {
    const config = await load([good]);
    assert.deepEqual(endpointOf(config), { host: '127.0.0.1', port: 4317 });
    assert.equal(config.service.data_dir, './tricord-data');
    assert.deepEqual(config.service.web.endpoint, { host: '127.0.0.1', port: 4319 });
  });

  it('has a default without any file: all signals into the store on loopback', async () => {
    const config = await load([]);
    assert.deepEqual(
      config.pipelines.map(({ id }) => id),
      ['traces', 'metrics', 'logs'],
    );
    assert.deepEqual(
      config.exporters.map(({ id }) => id),
      ['store'],
    );
  });

  it('merges files key by key, the later on top, and --set above all', async () => {
    const second = 'receivers: { otlp: { protocols: { grpc: { endpoint: "[::1]:5000" } } } }';
    assert.deepEqual(endpointOf(await load([good, second])), { host: '::1', port: 5000 });
    const settings = ['receivers.otlp.protocols.grpc.endpoint=localhost:0', 'service.shutdown_timeout=1m30s'];
    const config = await load([good, second], { settings });
    assert.deepEqual(endpointOf(config), { host: 'localhost', port: 0 });
    assert.equal(config.service.shutdown_timeout, 90_000);
  });

  it('puts --data-dir on top of service.data_dir', async () => {
    const config = await load([`${good}  data_dir: /somewhere\n`], { dataDir: '/elsewhere' });
    assert.equal(config.service.data_dir, '/elsewhere');
  });

  it('replaces references to the environment, typed when it is the whole plain value, and keeps $$ as $', async () => {
    const yaml = good.replace('grpc:', `grpc: { endpoint: "\${env:HOST:-localhost}:\${env:PORT}" }`);
    const service = `  queue:\n    max_size: \${env:SIZE}\n  data_dir: $$x\n`;
    const config = await load([yaml + service], { environment: { PORT: '7', SIZE: '65536' } });
    assert.deepEqual(endpointOf(config), { host: 'localhost', port: 7 });
    assert.equal(config.service.queue.max_size, 65_536);
    assert.equal(config.service.data_dir, '$x');
  });

  it('names a variable that is not set, and a reference that is none', async () => {
    const yaml = `${good}  data_dir: \${env:TRICORD_DTA}\n  shutdown_timeout: \${HOME}\n`;
    const [unset, none] = await problems(yaml, { environment: { TRICORD_DATA: '/x' } });
    assert.match(
      unset!,
      /^11:13: environment variable TRICORD_DTA is not set; did you mean "TRICORD_DATA"\?/,
    );
    assert.match(none!, /^12:21: \$\{HOME\} is no reference; write \$\{env:NAME\}/);
  });

  it('takes __proto__ for a key like any other', async () => {
    const [problem] = await problems(`__proto__: { polluted: 1 }\n${good}`);
    assert.match(problem!, /^1:1: unknown key "__proto__"/);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });
});

describe('the size of the queue', () => {
  it('may be as small as four of the smallest segments, and a segment a quarter of it', async () => {
    const config = await load([`${good}  queue: { max_size: 16KiB, segment_size: 4KiB }\n`]);
    assert.deepEqual([config.service.queue.max_size, config.service.queue.segment_size], [16_384, 4096]);
  });

  it('refuses at its caps unless it is to drop the oldest, and has no cap on age unless it is given', async () => {
    const policyOf = async (queue: string): Promise<unknown[]> => {
      const { when_full, max_age } = (await load([`${good}  queue: ${queue}\n`])).service.queue;
      return [when_full, max_age];
    };
    assert.deepEqual(await policyOf('{}'), ['refuse', 0]);
    assert.deepEqual(await policyOf('{ max_age: 2h, when_full: drop_oldest }'), ['drop_oldest', 7_200_000]);
  });
});

describe('a configuration mistake', () => {
  const cases: readonly (readonly [what: string, yaml: string, told: RegExp])[] = [
    [
      'an unknown key',
      good.replace('grpc:', 'grpc: { endpont: x }'),
      /^5:15: unknown key "endpont" in receivers\.otlp\.protocols\.grpc; did you mean "endpoint"\?$/,
    ],
    ['an unknown top key', `${good}extensons: {}\n`, /^11:1: unknown key "extensons"/],
    [
      'a wrong type',
      good.replace('[otlp]', 'otlp'),
      /^10:26: service\.pipelines\.traces\.receivers: expected a list, found text$/,
    ],
    [
      'a bad endpoint',
      good.replace('grpc:', 'grpc: { endpoint: 127.0.0.1:65536 }'),
      /"127\.0\.0\.1:65536" is no endpoint; write host:port/,
    ],
    [
      'an unknown type',
      good.replace('  debug:', '  debg:'),
      /^7:3: unknown exporter type "debg"; did you mean "debug"\? \(known: .*debug.*otlp.*store.*\)$/,
    ],
    [
      'an undefined component',
      good.replace('[otlp]', '[otpl]'),
      /^10:27: pipeline traces uses receiver "otpl", which is not defined; did you mean "otlp"\?$/,
    ],
    [
      'an unused component',
      good.replace('  debug:', '  debug:\n  debug/two:'),
      /^8:3: exporter "debug\/two" is defined, but no pipeline uses it/,
    ],
    [
      'a pipeline without receivers',
      good.replace('receivers: [otlp], ', ''),
      /^10:5: pipeline traces has no receivers$/,
    ],
    [
      'a pipeline without exporters',
      good.replace(', exporters: [debug]', ''),
      /^10:5: pipeline traces has no exporters$/,
    ],
    [
      'a component named twice',
      good.replace('[debug]', '[debug, debug]'),
      /"debug" stands twice among the exporters/,
    ],
    [
      'a pipeline of no signal',
      good.replace('traces:', 'trace:'),
      /^10:5: "trace" is no pipeline id; it begins with its signal; did you mean "traces"\?$/,
    ],
    ['no pipeline', good.slice(0, good.indexOf('service')), /service\.pipelines: no pipeline/],
    ['a receiver without protocols', good.replace('grpc:', ''), /^4:5: receivers\.otlp\.protocols: /],
    ['YAML that is none', `${good}: [`, /^11:/],
    [
      'a key that stands twice',
      good.replace('  debug:', '  debug:\n  debug:'),
      /^8:3: Map keys must be unique/,
    ],
    [
      'a queue that is too small',
      `${good}  queue: { max_size: 16383 }\n`,
      /^11:22: service\.queue\.max_size: the least is 16384 bytes$/,
    ],
    [
      'a segment that is too large for its queue',
      `${good}  queue: { max_size: 1MiB, segment_size: 262145 }\n`,
      /^11:42: service\.queue\.segment_size: a segment is at most a quarter of max_size$/,
    ],
    [
      'a database without memory to merge in',
      good.replace('  debug:', '  store: { memory: 100MiB }\n  debug:'),
      /^7:20: exporters\.store\.memory: the least is 134217728 bytes$/,
    ],
    [
      'rows that leave the database no memory to sort them in',
      good.replace('  debug:', '  store: { memory: 256MiB, flush: { bytes: 65MiB } }\n  debug:'),
      /^7:44: exporters\.store\.flush\.bytes: it is at most a quarter of memory$/,
    ],
    ['a list for a configuration', '- 1\n', /^1:1: a configuration is a map/],
  ];
  for (const [what, yaml, told] of cases) {
    it(`${what} is told with its place`, async () => {
      assert.match((await problems(yaml)).join('\n'), new RegExp(told.source, 'm'));
    });
  }

  it('is told together with all others', async () => {
    const yaml = good.replace('grpc:', 'grpc: { endpont: x }').replace('  debug:', '  debg:');
    assert.equal((await problems(yaml)).filter(line => /unknown/.test(line)).length, 2);
  });

  it('in --set names the setting', async () => {
    const [first] = await problems(good, { settings: ['service.web.endpint=x'] });
    assert.match(
      first!,
      /^--set service\.web\.endpint=x: unknown key "endpint" in service\.web; did you mean "endpoint"\?$/,
    );
    const [second] = await problems(good, { settings: ['nonsense'] });
    assert.match(second!, /^--set nonsense: expected path=value/);
  });

  it('cannot smuggle a line break into its message', async () => {
    const told = await problems(`"a\\nb\\u001b[31m": 1\n${good}`);
    assert.deepEqual(told.length, 1);
    assert.match(told[0]!, /^1:1: unknown key "a\\u000ab\\u001b\[31m"/);
  });

  it('in an alias that unfolds without end is refused', async () => {
    assert.match((await problems('a: &a { b: *a }\n')).join(), /nested too deeply/);
  });
});

describe('connectors', () => {
  const chain = (from: string, to: string, exporters = '[debug]'): string =>
    `
receivers: { otlp: { protocols: { http: } } }
connectors: { forward: }
exporters: { debug: }
service:
  pipelines:
    ${from}: { receivers: [otlp], exporters: [forward] }
    ${to}: { receivers: [forward], exporters: ${exporters} }
`.replace('http: }', 'http: {} }');

  it('join pipelines: the paths run through both', async () => {
    const config = await load([chain('traces/in', 'traces/out')]);
    assert.deepEqual(pathsOf(config), [
      {
        receiver: 'otlp',
        signal: 1,
        pipelines: ['traces/in', 'traces/out'],
        steps: ['forward'],
        exporter: 'debug',
      },
    ]);
  });

  it('in a circle are refused, and the circle is shown', async () => {
    const told = await problems(chain('traces/in', 'traces/out', '[debug, forward]'));
    assert.match(told[0]!, /^7:5: the pipelines run in a circle: traces\/out → \(forward\) → traces\/out$/);
  });

  it('to a pipeline of another signal are refused', async () => {
    const told = await problems(chain('traces', 'logs'));
    assert.match(
      told[0]!,
      /^7:46: connector "forward" leads from pipeline traces to none that takes its traces$/,
    );
  });

  it('that nothing feeds are refused', async () => {
    const told = await problems(
      chain('traces/in', 'traces/out').replace('[forward] }\n    traces/out', '[debug] }\n    traces/out'),
    );
    assert.match(told[0]!, /connector "forward" is defined, but no pipeline has it among its exporters/);
  });
});
