// What ioredis does against a real Redis: spans, durations, contexts, and nothing of the values.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Redis as Ioredis, RedisOptions } from 'ioredis';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentIoredis } from '../../src/instrument/ioredis.ts';
import { redis } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { DatabaseTelemetry, placeOf } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new DatabaseTelemetry();
instrumentIoredis();

const require = createRequire(import.meta.url);
interface IoredisPackage {
  Redis: new (options: RedisOptions) => Ioredis;
}
const ioredises: Readonly<Record<string, IoredisPackage>> = {
  'ioredis 6': require('ioredis') as IoredisPackage,
  'ioredis 5': require('ioredis5') as IoredisPackage,
  'ioredis 4': { Redis: require('ioredis4') as IoredisPackage['Redis'] },
};

const skip = missing(redis);
let server: RunningServer;
before(async () => {
  if (!skip) server = await start(redis);
});
after(() => server?.stop());

const place = () => placeOf('redis', '0', server.port);

for (const [version, { Redis }] of Object.entries(ioredises)) {
  describe(version, { skip }, () => {
    let client: Ioredis;
    before(async () => {
      client = new Redis({ host: '127.0.0.1', port: server.port });
      await client.flushall();
    });
    after(() => client?.disconnect());
    beforeEach(() => telemetry.clear());

    it('has a span for a command, with its key and without its value', async () => {
      await client.set('user:1', 'canary', 'EX', 60);
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.kind, span!.status], ['SET 0', 3, 0]);
      assert.deepEqual(
        { ...span!.attributes },
        { ...place(), 'db.operation.name': 'SET', 'db.query.text': 'SET user:1 ? ? ?' },
      );
    });

    it('is timed, with an exemplar of its trace', async () => {
      await client.getdel(`exemplar of ${version}`);
      const [span] = await telemetry.until(1);
      const point = telemetry.durations.find(
        ({ attributes }) => attributes['db.operation.name'] === 'GETDEL',
      )!;
      assert.deepEqual({ ...point.attributes }, { ...place(), 'db.operation.name': 'GETDEL' });
      const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      assert.ok(spanIds.includes(span!.spanId));
    });

    it('is a child of the active span, whose context its callback has too', async () => {
      let inCallback = '';
      const parentId = await underSpan(
        () =>
          new Promise(resolve => {
            client.get('user:1', () => {
              inCallback = activeSpanId();
              resolve(undefined);
            });
          }),
      );
      assert.equal((await telemetry.until(1))[0]!.parentId, parentId);
      assert.equal(inCallback, parentId);
    });

    it('is a child of its maker, even if it waits for the connection, whose own commands are not seen', async () => {
      const early = new Redis({ host: '127.0.0.1', port: server.port, db: 2 });
      const parentId = await underSpan(() => early.get('early'));
      const spans = await telemetry.until(1);
      early.disconnect();
      assert.deepEqual(
        spans.map(({ name, parentId }) => [name, parentId]),
        [['GET 2', parentId]],
      );
    });

    it('fails with the word of Redis, or the class or code of an error of the client', async () => {
      await client.set('text', 'x');
      telemetry.clear();
      await assert.rejects(client.lpush('text', 'canary'), /WRONGTYPE/);
      const [span] = await telemetry.until(1);
      assert.equal(span!.status, 2);
      assert.equal(span!.attributes['db.response.status_code'], 'WRONGTYPE');
      assert.equal(span!.attributes['error.type'], 'WRONGTYPE');
      const failed = telemetry.durations.find(({ attributes }) => attributes['error.type'] === 'WRONGTYPE')!;
      assert.equal(failed.attributes['db.response.status_code'], 'WRONGTYPE');
      telemetry.clear();
      const closed = new Redis({ host: '127.0.0.1', port: server.port, lazyConnect: true });
      closed.disconnect();
      await assert.rejects(closed.get('x'), /closed/);
      const [gone] = await telemetry.until(1);
      assert.equal(gone!.attributes['db.response.status_code'], undefined);
      assert.equal(gone!.attributes['error.type'], 'Error');
    });

    it('has one span for a pipeline, and one for a transaction', async () => {
      const results = await client.pipeline().set('a', 'canary').get('a').exec();
      assert.deepEqual(results, [
        [null, 'OK'],
        [null, 'canary'],
      ]);
      await client.multi().set('a', '1').incr('a').incr('a').exec();
      await client.pipeline().get('a').exec();
      const spans = await telemetry.until(3);
      assert.deepEqual(
        spans.map(({ name, attributes }) => [name, attributes['db.operation.batch.size']]),
        [
          ['PIPELINE 0', 2],
          ['MULTI 0', 3],
          ['PIPELINE 0', undefined],
        ],
      );
      assert.ok(!JSON.stringify(spans.map(({ attributes }) => attributes)).includes('canary'));
    });

    it('is an error of a transaction that it is refused', async () => {
      await assert.rejects(client.multi().call('set', 'a').exec(), /EXECABORT/);
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.status], ['MULTI 0', 2]);
      assert.equal(span!.attributes['db.response.status_code'], 'EXECABORT');
    });

    it('leaves no span and no duration where tracing is suppressed', async () => {
      const before = telemetry.timed('STRLEN');
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => client.strlen('a'));
      assert.deepEqual([telemetry.names, telemetry.timed('STRLEN')], [[], before]);
      await client.strlen('a');
      assert.deepEqual([telemetry.names, telemetry.timed('STRLEN')], [['STRLEN 0'], before + 1]);
    });

    it('names a socket by its path', async () => {
      const local = new Redis({ path: join(server.directory, 'redis.sock') });
      await local.ping();
      local.disconnect();
      const { attributes } = (await telemetry.until(1))[0]!;
      assert.equal(attributes['server.address'], join(server.directory, 'redis.sock'));
      assert.equal(attributes['server.port'], undefined);
    });
  });
}

describesRow(
  () => ({
    name: 'ioredis',
    libraries: ['ioredis', 'ioredis5', 'ioredis4'],
    server: `Redis ${server.version}`,
    example: 'SET 0',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
