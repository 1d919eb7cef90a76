// What node-redis does against a real Redis: spans, durations, contexts, and nothing of the values.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { createClient } from 'redis';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentRedis } from '../../src/instrument/redis.ts';
import { redis } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry, placeOf } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new DatabaseTelemetry();
instrumentRedis();

const require = createRequire(import.meta.url);
interface RedisPackage {
  createClient: typeof createClient;
}
const nodeRedises: Readonly<Record<string, RedisPackage>> = {
  'node-redis 6': require('redis') as RedisPackage,
  'node-redis 5': require('redis5') as RedisPackage,
  'node-redis 5.8, which publishes nothing': require('redis5.8') as RedisPackage,
  'node-redis 4': require('redis4') as RedisPackage,
};

const skip = missing(redis);
let server: RunningServer;
before(async () => {
  if (!skip) server = await start(redis);
});
after(() => server?.stop());

const place = () => placeOf('redis', '0', server.port);

/** Those that publish what they do know which database is selected. */
const publishing: readonly string[] = ['node-redis 6', 'node-redis 5'];

/** Version 4 knows `destroy` by another name. */
function close(client: Partial<Record<'destroy' | 'disconnect', () => unknown>> | undefined): void {
  if (client?.destroy) client.destroy();
  else client?.disconnect?.();
}

for (const [version, { createClient }] of Object.entries(nodeRedises)) {
  describe(version, { skip }, () => {
    const open = () => createClient({ socket: { host: '127.0.0.1', port: server.port } });
    let client: ReturnType<typeof open>;
    before(async () => {
      client = open();
      await client.connect();
      await client.flushAll();
    });
    after(() => close(client));
    beforeEach(() => telemetry.clear());

    it('has a span for a command, with its key and without its value', async () => {
      await client.set('user:1', 'canary', { EX: 60 });
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.kind, span!.status], ['SET 0', 3, 0]);
      assert.deepEqual(
        { ...span!.attributes },
        { ...place(), 'db.operation.name': 'SET', 'db.query.text': 'SET user:1 ? ? ?' },
      );
    });

    it('is timed, with an exemplar of its trace', async () => {
      await client.getEx(`exemplar of ${version}`, { type: 'EX', value: 5 });
      const [span] = await telemetry.until(1);
      const point = telemetry.durations.find(
        ({ attributes }) => attributes['db.operation.name'] === 'GETEX',
      )!;
      assert.deepEqual({ ...point.attributes }, { ...place(), 'db.operation.name': 'GETEX' });
      const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      assert.ok(spanIds.includes(span!.spanId));
    });

    it('is a child of the active span', async () => {
      const parentId = await underSpan(() => client.get('user:1'));
      assert.equal((await telemetry.until(1))[0]!.parentId, parentId);
    });

    it('fails with the word of Redis, or the class or code of an error of the client', async () => {
      await client.set('text', 'x');
      telemetry.clear();
      await assert.rejects(client.lPush('text', 'canary'), /WRONGTYPE/);
      const [span] = await telemetry.until(1);
      assert.equal(span!.status, 2);
      assert.equal(span!.attributes['db.response.status_code'], 'WRONGTYPE');
      assert.equal(span!.attributes['error.type'], 'WRONGTYPE');
      telemetry.clear();
      await assert.rejects(open().get('x'), /closed/);
      const [closed] = await telemetry.until(1);
      assert.equal(closed!.attributes['error.type'], 'ClientClosedError');
    });

    it('has one span for a pipeline, and one for a transaction', async () => {
      await client.multi().set('a', 'canary').get('a').execAsPipeline();
      await client.multi().set('a', '1').incr('a').incr('a').exec();
      const spans = await telemetry.until(2);
      assert.deepEqual(
        spans.map(({ name, attributes }) => [name, attributes['db.operation.batch.size']]),
        [
          ['PIPELINE 0', 2],
          ['MULTI 0', 3],
        ],
      );
    });

    const unseen =
      !publishing.includes(version) && 'the clients of this version do not tell what they select';
    it('follows the database that is selected', { skip: unseen }, async () => {
      const other = open();
      await other.connect();
      await other.select(3);
      await other.get('a');
      close(other);
      assert.equal((await telemetry.until(2)).at(-1)!.name, 'GET 3');
    });

    it('is of the database that the connection was opened for', async () => {
      const other = createClient({ url: `redis://127.0.0.1:${server.port}/5` });
      await other.connect();
      await other.get('a');
      close(other);
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.attributes['server.port']], ['GET 5', server.port]);
    });

    it('is seen when it is sent as it is', async () => {
      await client.sendCommand(['LLEN', 'list']);
      assert.equal((await telemetry.until(1))[0]!.attributes['db.query.text'], 'LLEN list');
    });

    it('leaves no span and no duration where tracing is suppressed', async () => {
      const before = telemetry.timed('STRLEN');
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => client.strLen('a'));
      assert.deepEqual([telemetry.names, telemetry.timed('STRLEN')], [[], before]);
      await client.strLen('a');
      assert.deepEqual([telemetry.names, telemetry.timed('STRLEN')], [['STRLEN 0'], before + 1]);
    });
  });
}

describesRow(
  () => ({
    name: 'redis',
    libraries: ['redis', 'redis5', 'redis5.8', 'redis4'],
    server: `Redis ${server.version}`,
    example: 'SET 0',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
