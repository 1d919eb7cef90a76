// Applications of their own process that ask databases under the agent: what arrives, and what they notice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { hex } from '../decoded-records.ts';
import { ferretdb, mariadb, postgres, redis, USER } from '../servers/databases.ts';
import { missing, type RunningServer, type ServerKind, start } from '../servers/server-process.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { registerFile, run, withAgent, withNothing } from './application.ts';
import { arrivedAt } from './arrived.ts';

interface Library {
  readonly server: ServerKind;
  /** The variable that tells applications the server's port. */
  readonly variable: string;
  /** What it leaves below the span of the application. */
  readonly spans: readonly string[];
  /** A script in which a statement fails and nobody handles that; `port` is known to it. */
  readonly careless: string;
}

const libraries: Readonly<Record<string, Library>> = {
  pg: {
    server: postgres,
    variable: 'PG_PORT',
    spans: ['SELECT pg_class'],
    careless: `const client = new (require('pg').Client)({ host: '127.0.0.1', port, user: '${USER}', database: 'postgres' });
      client.connect().then(() => void client.query('SELECT * FROM nowhere'));`,
  },
  mysql2: {
    server: mariadb,
    variable: 'MYSQL_PORT',
    spans: ['SELECT mysql.db'],
    careless: `const connection = require('mysql2').createConnection({ host: '127.0.0.1', port, user: 'root' });
      connection.query('SELECT * FROM nowhere.at_all');`,
  },
  mongodb: {
    server: ferretdb,
    variable: 'MONGODB_PORT',
    spans: ['ping admin'],
    careless: `const client = new (require('mongodb').MongoClient)('mongodb://127.0.0.1:' + port);
      client.connect().then(() => void client.db('a').command({ nonsense: 1 }));`,
  },
  ioredis: {
    server: redis,
    variable: 'REDIS_PORT',
    spans: ['GET 0', 'QUIT 0'],
    careless: `const client = new (require('ioredis').Redis)({ host: '127.0.0.1', port });
      client.once('ready', () => void client.call('nonsense'));`,
  },
  redis: {
    server: redis,
    variable: 'REDIS_PORT',
    spans: ['INCR 0'],
    careless: `const client = require('redis').createClient({ socket: { host: '127.0.0.1', port } });
      client.connect().then(() => void client.sendCommand(['nonsense']));`,
  },
};

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const flagsOf = { 'databases.cjs': '--require', 'databases.mjs': '--import' } as const;

/** Runs the application with what it is to ask, under the agent; resolves with the spans below its own. */
async function spansOf(application: keyof typeof flagsOf, library: string, env = {}): Promise<string[]> {
  const { code, stderr } = await run(join(root, 'test/register/apps', application), {
    flags: [flagsOf[application], registerFile],
    env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, LIBRARY: library },
  });
  assert.deepEqual([code, stderr], [0, '']);
  const { spans } = arrivedAt(collector);
  const work = spans.find(({ name }) => name === 'work');
  return spans.filter(({ parentSpanId }) => hex(parentSpanId) === hex(work!.spanId)).map(({ name }) => name);
}

for (const [library, { server: kind, variable, spans, careless }] of Object.entries(libraries)) {
  describe(`${library} in an application under the agent`, { skip: missing(kind) }, () => {
    let server: RunningServer;
    before(async () => {
      server = await start(kind);
    });
    after(() => server?.stop());

    for (const application of Object.keys(flagsOf) as (keyof typeof flagsOf)[]) {
      it(`leaves its spans: ${application}`, async () => {
        assert.deepEqual(await spansOf(application, library, { [variable]: server.port }), spans);
      });

      it(`leaves none when it is left out: ${application}`, async () => {
        const env = { [variable]: server.port, TRICORD_INSTRUMENTATIONS: `-${library}` };
        assert.deepEqual(await spansOf(application, library, env), []);
      });
    }

    it('brings the process down as it would without us when nobody handles its failure', async () => {
      const script = `const port = ${server.port}; ${careless}`;
      const ending = async (flags: readonly string[]): Promise<unknown[]> => {
        const { code, signal, stdout, stderr } = await run(script, { flags });
        return [code, signal, stdout, /nowhere|nonsense/.test(stderr)];
      };
      const [withIt, without] = await Promise.all([ending(withAgent), ending(withNothing)]);
      assert.deepEqual(withIt, without);
      assert.deepEqual(without, [1, null, '', true]);
    });
  });
}

it('lets every version of the libraries load without a word', async () => {
  const versions = [
    'pg',
    'pg-cursor',
    'pg-query-stream',
    'mysql2',
    'mysql2-3.15',
    'mysql2-2',
    'mysql2/promise',
    'mongodb',
    'better-sqlite3',
  ];
  versions.push('ioredis', 'ioredis5', 'ioredis4', 'redis', 'redis5', 'redis5.8', 'redis4');
  versions.push('amqplib', 'amqplib-0.10', 'amqplib/callback_api', 'kafkajs', 'bullmq', 'bullmq5');
  const script = `for (const name of ${JSON.stringify(versions)}) require(name); console.log('loaded')`;
  const { stdout, stderr } = await run(script, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  assert.deepEqual([stdout, stderr], ['loaded\n', '']);
});

const tellsOfUse = Number.parseInt(process.versions.node, 10) >= 26;
const skip = !tellsOfUse && 'this Node.js does not publish on sqlite.db.query';

describe('node:sqlite in an application under the agent', { skip }, () => {
  for (const application of Object.keys(flagsOf) as (keyof typeof flagsOf)[]) {
    it(`leaves the spans of all but its first statement: ${application}`, async () => {
      assert.deepEqual(await spansOf(application, 'sqlite'), ['SELECT sqlite_schema']);
    });
  }

  it('is not loaded by us', async () => {
    const script = "console.log(process.moduleLoadList.filter(name => name.includes('sqlite')).length)";
    const { stdout } = await run(script, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    assert.equal(stdout, '0\n');
  });
});

describe('better-sqlite3 in an application under the agent', () => {
  for (const application of Object.keys(flagsOf) as (keyof typeof flagsOf)[]) {
    it(`leaves its spans: ${application}`, async () => {
      assert.deepEqual(await spansOf(application, 'better-sqlite3'), ['SELECT sqlite_schema']);
    });

    it(`leaves none when it is left out: ${application}`, async () => {
      const env = { TRICORD_INSTRUMENTATIONS: '-better-sqlite3' };
      assert.deepEqual(await spansOf(application, 'better-sqlite3', env), []);
    });
  }
});
