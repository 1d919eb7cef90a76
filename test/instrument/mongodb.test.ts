// What the MongoDB driver does against a real server of its protocol: spans, durations, contexts, and nothing of the values.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Collection, MongoClient, MongoClientOptions } from 'mongodb';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentMongodb } from '../../src/instrument/mongodb.ts';
import { DATABASE, ferretdb } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry, placeOf } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';
import { optionalPackage } from './optional-package.ts';

const telemetry = new DatabaseTelemetry();
instrumentMongodb();

interface Package {
  MongoClient: new (url: string, options?: MongoClientOptions) => MongoClient;
}
interface Item {
  _id: number;
  name?: string;
}
const require = createRequire(import.meta.url);
const packages: Readonly<Record<string, Package | undefined>> = {
  'mongodb 7': require('mongodb') as Package,
  'mongodb 6': optionalPackage<Package>('mongodb6'),
};

const skip = missing(ferretdb);
let server: RunningServer;
before(async () => {
  if (!skip) server = await start(ferretdb);
});
after(() => server?.stop());

for (const [version, mongodb] of Object.entries(packages)) {
  const absent = mongodb === undefined && 'it is not in TEST_PACKAGES: npm install mongodb6@npm:mongodb@6';
  describe(version, { skip: skip || absent }, () => {
    const { MongoClient } = mongodb!;
    let client: MongoClient;
    let items: Collection<Item>;
    let place: Readonly<Record<string, unknown>>;
    before(async () => {
      client = new MongoClient(`mongodb://127.0.0.1:${server.port}`);
      items = client.db(DATABASE).collection<Item>('items');
      place = placeOf('mongodb', DATABASE, server.port);
      await items.deleteMany({});
      await items.insertMany([1, 2, 3, 4, 5].map(_id => ({ _id, name: `item ${_id}` })));
    });
    after(() => client?.close());
    beforeEach(() => telemetry.clear());

    it('has a span for a command, without its values', async () => {
      assert.deepEqual(await items.findOne({ _id: 1, name: { $ne: 'canary' } }), { _id: 1, name: 'item 1' });
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.kind, span!.status], ['find items', 3, 0]);
      assert.deepEqual(
        { ...span!.attributes },
        { ...place, 'db.operation.name': 'find', 'db.collection.name': 'items' },
      );
    });

    it('is timed, with an exemplar of its trace', async () => {
      await items.distinct('name');
      const [span] = await telemetry.until(1);
      const point = telemetry.durations.find(
        ({ attributes }) => attributes['db.operation.name'] === 'distinct',
      )!;
      assert.deepEqual(
        { ...point.attributes },
        { ...place, 'db.operation.name': 'distinct', 'db.collection.name': 'items' },
      );
      const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      assert.ok(spanIds.includes(span!.spanId));
    });

    it('is a child of the active span, also of those that wait for a connection', async () => {
      const narrow = new MongoClient(`mongodb://127.0.0.1:${server.port}`, { maxPoolSize: 1 });
      const collection = narrow.db(DATABASE).collection('items');
      const parents = await Promise.all([1, 2, 3].map(() => underSpan(() => collection.countDocuments())));
      const spans = await telemetry.until(3);
      await narrow.close();
      assert.deepEqual(spans.map(({ parentId }) => parentId).sort(), parents.sort());
      assert.deepEqual(telemetry.names, ['aggregate items', 'aggregate items', 'aggregate items']);
    });

    it('says how many documents a batch has, and sees the batches of a cursor', async () => {
      await items.insertMany([{ _id: 11 }, { _id: 12 }]);
      await items.insertOne({ _id: 13 });
      await items.deleteMany({ _id: { $gt: 10 } });
      await items.find({}, { batchSize: 2 }).toArray();
      const spans = await telemetry.until(6);
      assert.deepEqual(
        spans.map(({ name, attributes }) => [name, attributes['db.operation.batch.size']]),
        [
          ['insert items', 2],
          ['insert items', undefined],
          ['delete items', undefined],
          ['find items', undefined],
          ['getMore items', undefined],
          ['getMore items', undefined],
        ],
      );
    });

    it('fails with the number of the server, be it for the whole command or a part', async () => {
      await assert.rejects(items.insertOne({ _id: 1 }), { code: 11000 });
      await assert.rejects(items.find({ $nonsense: 1 } as never).toArray(), { code: 2 });
      const spans = await telemetry.until(2);
      assert.deepEqual(
        spans.map(({ name, status, attributes }) => [
          name,
          status,
          attributes['db.response.status_code'],
          attributes['error.type'],
        ]),
        [
          ['insert items', 2, '11000', '11000'],
          ['find items', 2, '2', '2'],
        ],
      );
      assert.ok(telemetry.durations.some(({ attributes }) => attributes['error.type'] === '11000'));
    });

    it('names no collection where a command has none, and nothing that the driver asks by itself', async () => {
      const other = new MongoClient(`mongodb://localhost:${server.port}`);
      await other.db(DATABASE).command({ ping: 1 });
      await other.close();
      const [span] = await telemetry.until(1);
      assert.deepEqual(telemetry.names, [`ping ${DATABASE}`]);
      assert.equal(span!.attributes['server.address'], 'localhost');
    });

    it('names a socket by its path', async () => {
      const path = `${server.directory}/mongodb.sock`;
      const local = new MongoClient(`mongodb://${encodeURIComponent(path)}`);
      await local.db(DATABASE).command({ ping: 1 });
      await local.close();
      const [span] = await telemetry.until(1);
      assert.equal(span!.attributes['server.address'], path);
      assert.equal(span!.attributes['server.port'], undefined);
    });

    it('leaves no span and no duration where tracing is suppressed', async () => {
      const before = telemetry.timed('find');
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => items.findOne({}));
      assert.deepEqual([telemetry.names, telemetry.timed('find')], [[], before]);
    });
  });
}

describesRow(
  () => ({
    name: 'mongodb',
    libraries: ['mongodb'],
    server: `FerretDB ${server.version}`,
    example: 'find items',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
