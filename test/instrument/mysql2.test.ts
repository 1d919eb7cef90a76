// What mysql2 does against a real MariaDB: spans, durations, contexts; and that mysql2 does it as it would without us.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import type Mysql from 'mysql2';
import type { Connection as PromiseConnection } from 'mysql2/promise';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentMysql2 } from '../../src/instrument/mysql2.ts';
import { DATABASE, mariadb } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { DatabaseTelemetry, placeOf } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new DatabaseTelemetry();
instrumentMysql2();

const require = createRequire(import.meta.url);
const packages: Readonly<Record<string, typeof Mysql>> = {
  'mysql2 3.24': require('mysql2') as typeof Mysql,
  'mysql2 3.15': require('mysql2-3.15') as typeof Mysql,
  'mysql2 2': require('mysql2-2') as typeof Mysql,
};

/** `query` and `execute`, of whatever has both. */
type Ask = (sql: string, values?: unknown[]) => Promise<[rows: unknown, fields: unknown]>;
type Asked = Record<'query' | 'execute', Ask>;

const skip = missing(mariadb);
let server: RunningServer;
let options: Mysql.ConnectionOptions;
before(async () => {
  if (skip) return;
  server = await start(mariadb);
  options = { host: '127.0.0.1', port: server.port, user: 'root' };
  const client = open(packages['mysql2 3.24']!, options).promise();
  await client.query(`CREATE DATABASE ${DATABASE}`);
  await client.query(`CREATE TABLE ${DATABASE}.items (id int PRIMARY KEY, name text)`);
  await client.query(`INSERT INTO ${DATABASE}.items VALUES (1, 'one'), (2, 'two'), (3, 'three')`);
  await client.end();
  options = { ...options, database: DATABASE };
});
after(() => server?.stop());

/** A connection that may be reset once it has ended: its server closes it, at times with the farewell unread. */
function open(mysql: typeof Mysql, to: Mysql.ConnectionOptions): Mysql.Connection {
  const connection = mysql.createConnection(to);
  connection.on('error', () => undefined);
  return connection;
}

for (const [version, mysql] of Object.entries(packages)) {
  describe(version, { skip }, () => {
    let connection: Mysql.Connection;
    let client: PromiseConnection & Asked;
    let place: Readonly<Record<string, unknown>>;
    before(async () => {
      connection = open(mysql, options);
      client = connection.promise() as PromiseConnection & Asked;
      await client.query('SELECT 1');
      place = placeOf('mysql', DATABASE, server.port);
    });
    after(() => client?.end());
    beforeEach(() => telemetry.clear());

    for (const method of ['query', 'execute'] as const) {
      it(`has a span for ${method}, without the values`, async () => {
        const [rows] = await client[method]('SELECT name FROM items WHERE id = ? AND name <> "canary"', [1]);
        assert.deepEqual(rows, [{ name: 'one' }]);
        const [span] = await telemetry.until(1);
        assert.deepEqual([span!.name, span!.kind, span!.status], ['SELECT items', 3, 0]);
        assert.deepEqual(
          { ...span!.attributes },
          {
            ...place,
            'db.operation.name': 'SELECT',
            'db.collection.name': 'items',
            'db.query.summary': 'SELECT items',
            'db.query.text': 'SELECT name FROM items WHERE id = ? AND name <> ?',
          },
        );
      });

      it(`fails with the number of the server for ${method}`, async () => {
        await assert.rejects(client[method]('SELECT * FROM nowhere'), { errno: 1146 });
        const [span] = await telemetry.until(1);
        assert.equal(span!.status, 2);
        assert.equal(span!.attributes['db.response.status_code'], '1146');
        assert.equal(span!.attributes['error.type'], '1146');
      });

      it(`calls the callback of ${method} in the context of who gave it`, async () => {
        let inCallback = '';
        const parentId = await underSpan(
          () =>
            new Promise(resolve => {
              connection[method]('SELECT 1', () => {
                inCallback = activeSpanId();
                resolve(undefined);
              });
            }),
        );
        assert.equal(inCallback, parentId);
        assert.equal((await telemetry.until(1))[0]!.parentId, parentId);
      });

      it(`lasts until the rows of ${method} that come as events are over`, async () => {
        let rows = 0;
        const command = connection[method]('SELECT * FROM items');
        command.on('result', () => rows++);
        await once(command, 'end');
        assert.deepEqual([rows, telemetry.names], [3, ['SELECT items']]);
        const failing = connection[method]('SELECT * FROM nowhere');
        const [error] = (await once(failing, 'error')) as [{ errno: number }];
        assert.equal(error.errno, 1146);
        assert.equal(telemetry.spans[1]!.attributes['error.type'], '1146');
      });

      it(`keeps the parent of each that waits for a connection of a pool, with ${method}`, async () => {
        const pool = mysql.createPool({ ...options, connectionLimit: 1 }).promise();
        const asked = pool as Asked;
        const parents = await Promise.all(
          [1, 2, 3].map(id => underSpan(() => asked[method]('SELECT name FROM items WHERE id = ?', [id]))),
        );
        const spans = await telemetry.until(3);
        await pool.end();
        assert.deepEqual(
          spans.map(({ parentId }) => parentId),
          parents,
        );
      });
    }

    it('is timed, with an exemplar of its trace', async () => {
      await client.query(`SELECT sleep(0.02) FROM ${DATABASE}.items WHERE id = ?`, [1]);
      const [span] = await telemetry.until(1);
      const point = telemetry.durations.find(
        ({ attributes }) => attributes['db.query.summary'] === `SELECT ${DATABASE}.items`,
      )!;
      assert.ok(point.point.sum! >= 0.02 && point.point.sum! < 20, String(point.point.sum));
      const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      assert.ok(spanIds.includes(span!.spanId));
    });

    it('tells nothing of the values that mysql2 writes into the text', async () => {
      await client.query('SELECT name FROM items WHERE name IN (?)', [['secret', "sec'ret\\"]]);
      await client.query({ sql: 'SELECT name FROM items WHERE name = ?', values: ['secret'] });
      const spans = await telemetry.until(2);
      assert.doesNotMatch(JSON.stringify(spans.map(({ attributes }) => attributes)), /ret/);
    });

    it('follows the database of the connection', async () => {
      const other = open(mysql, { ...options, database: 'mysql' }).promise();
      await other.query('SELECT 1');
      await other.changeUser({ database: DATABASE });
      await other.query('SELECT 1');
      await other.end();
      assert.deepEqual(
        telemetry.spans.map(({ attributes }) => attributes['db.namespace']),
        ['mysql', DATABASE],
      );
    });

    it('sees transactions', async () => {
      await client.beginTransaction();
      await client.query('UPDATE items SET name = ? WHERE id = 1', ['one']);
      await client.commit();
      assert.deepEqual(telemetry.names, ['START', 'UPDATE items', 'COMMIT']);
    });

    it('leaves no span and no duration where tracing is suppressed', async () => {
      const before = telemetry.timed();
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => client.query('SELECT 1'));
      assert.deepEqual([telemetry.names, telemetry.timed()], [[], before]);
    });

    it('throws what mysql2 throws', () => {
      assert.throws(() => connection.execute('SELECT ?', [undefined as never]), /must not contain undefined/);
      assert.equal(telemetry.spans[0]!.attributes['error.type'], 'TypeError');
    });

    it('names a socket by its path', async () => {
      const socketPath = `${server.directory}/mariadb.sock`;
      const local = open(mysql, { socketPath, user: 'root' });
      await local.promise().query('SELECT 1');
      await local.promise().end();
      const { name, attributes } = telemetry.spans[0]!;
      assert.deepEqual(
        [name, attributes['server.address'], attributes['server.port'], attributes['db.namespace']],
        ['SELECT', socketPath, undefined, undefined],
      );
    });
  });
}

describesRow(
  () => ({
    name: 'mysql2',
    libraries: ['mysql2', 'mysql2-3.15', 'mysql2-2'],
    server: `MariaDB ${server.version}`,
    example: 'SELECT items',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
