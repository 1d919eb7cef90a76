// What pg does against a real PostgreSQL: spans, durations, contexts; and that pg does it as it would without us.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentPg } from '../../src/instrument/pg.ts';
import { DATABASE, postgres, USER } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { DatabaseTelemetry, placeOf } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';

/** The part of pg that is used here. */
interface Queryable {
  query(config: unknown, values?: unknown, callback?: unknown): Promise<{ rows: unknown[] }>;
}
interface Client extends Queryable {
  connect(callback?: (error: unknown, client: Client, release: () => void) => void): Promise<Client>;
  end(): Promise<void>;
  release(): void;
}
interface Pg {
  Client: new (options: object) => Client;
  Pool: new (options: object) => Client;
  Query: new (text: string, values?: unknown[]) => NodeJS.EventEmitter;
}
interface Cursor {
  read(rows: number): Promise<unknown[]>;
  close(): Promise<void>;
}

const telemetry = new DatabaseTelemetry();
instrumentPg();
const require = createRequire(import.meta.url);
const pg = require('pg') as Pg;

const skip = missing(postgres);
let server: RunningServer;

describe('pg', { skip }, () => {
  let options: object;
  let client: Client;
  let place: Readonly<Record<string, unknown>>;

  before(async () => {
    server = await start(postgres);
    options = { host: '127.0.0.1', port: server.port, user: USER, database: 'postgres' };
    place = placeOf('postgresql', DATABASE, server.port);
    const first = new pg.Client(options);
    await first.connect();
    await first.query(`CREATE DATABASE ${DATABASE}`);
    await first.end();
    options = { ...options, database: DATABASE };
    client = new pg.Client(options);
    await client.connect();
    await client.query('CREATE TABLE items (id int PRIMARY KEY, name text)');
    await client.query("INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'three')");
  });
  after(async () => {
    await client?.end();
    await server?.stop();
  });
  beforeEach(() => telemetry.clear());

  it('has a span with the attributes of the stable conventions, and without the values', async () => {
    const { rows } = await client.query("SELECT name FROM items WHERE id = $1 AND name <> 'canary'", [1]);
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
        'db.query.text': 'SELECT name FROM items WHERE id = $1 AND name <> ?',
      },
    );
  });

  it('is timed in seconds by the buckets of the conventions, with an exemplar of its trace', async () => {
    await client.query('SELECT count(*) FROM items, pg_sleep(0.02)');
    const [span] = await telemetry.until(1);
    const point = telemetry.durations.find(
      ({ attributes }) => attributes['db.query.summary'] === 'SELECT items pg_sleep',
    )!;
    assert.deepEqual(
      { ...point.attributes },
      { ...place, 'db.operation.name': 'SELECT', 'db.query.summary': 'SELECT items pg_sleep' },
    );
    assert.deepEqual(point.point.explicitBounds, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
    assert.ok(point.point.sum! >= 0.02 && point.point.sum! < 20, String(point.point.sum));
    const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
    assert.deepEqual(spanIds, [span!.spanId]);
  });

  it('is a child of the active span, or a root', async () => {
    const parentId = await underSpan(() => client.query('SELECT 1'));
    await client.query('SELECT 2');
    const [child, root] = await telemetry.until(2);
    assert.equal(child!.parentId, parentId);
    assert.equal(root!.parentId, '');
  });

  it('fails with SQLSTATE where the server says so, and with a code or class where it does not', async () => {
    await assert.rejects(client.query('SELECT * FROM nowhere'), { code: '42P01' });
    const [refused] = await telemetry.until(1);
    assert.equal(refused!.status, 2);
    assert.equal(refused!.attributes['db.response.status_code'], '42P01');
    assert.equal(refused!.attributes['error.type'], '42P01');
    const failed = telemetry.durations.find(({ attributes }) => attributes['error.type'] === '42P01')!;
    assert.equal(failed.attributes['db.collection.name'], 'nowhere');
    telemetry.clear();
    const ended = new pg.Client(options);
    await ended.connect();
    await ended.end();
    await assert.rejects(ended.query('SELECT 1'), /closed/);
    const [closed] = await telemetry.until(1);
    assert.equal(closed!.attributes['db.response.status_code'], undefined);
    assert.equal(closed!.attributes['error.type'], 'Error');
  });

  it('tells of an exception of pg, and nothing of what the server says, which may repeat a value', async () => {
    await assert.rejects(client.query('SELECT $1::int', ['canary']), /canary/);
    const lost = new pg.Client(options);
    await lost.connect();
    const unanswered = assert.rejects(lost.query('SELECT pg_sleep(60)'), /terminated/);
    await lost.end();
    await unanswered;
    const events = (await telemetry.until(2)).map(({ span }) => span.events.map(({ name }) => name));
    assert.deepEqual(events, [[], ['exception']]);
  });

  it('leaves no span and no duration where tracing is suppressed', async () => {
    const text = 'SELECT name FROM items WHERE id = 3';
    const before = telemetry.timed();
    const suppressed = ObservabilityContext.active().withSuppression(true);
    await suppressed.run(() => client.query(text));
    assert.deepEqual([telemetry.spans, telemetry.timed()], [[], before]);
    await client.query(text);
    assert.deepEqual([telemetry.spans.length, telemetry.timed()], [1, before + 1]);
  });

  it('calls callbacks, wherever they are given, in the context of who gave them', async () => {
    const calls: [string, (callback: (error: unknown, result: { rows: unknown[] }) => void) => unknown][] = [
      ['behind the text', done => client.query('SELECT 1 AS one', done)],
      ['behind the values', done => client.query('SELECT $1::int AS one', [1], done)],
      ['in the options', done => client.query({ text: 'SELECT 1 AS one', callback: done })],
      ['of a query', done => client.query(new pg.Query('SELECT 1 AS one'), done)],
    ];
    for (const [where, call] of calls) {
      let inCallback = '';
      const parentId = await underSpan(
        () =>
          new Promise<void>((resolve, reject) => {
            call((error, { rows }) => {
              inCallback = activeSpanId();
              assert.deepEqual(rows, [{ one: 1 }]);
              if (error) reject(error as Error);
              else resolve();
            });
          }),
      );
      assert.equal(inCallback, parentId, where);
    }
    const spans = await telemetry.until(calls.length);
    assert.deepEqual(new Set(spans.map(({ name }) => name)), new Set(['SELECT']));
  });

  it('does not change the options that it is given', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    client.query(Object.freeze({ text: 'SELECT 1', callback: resolve }));
    assert.equal(await promise, null);
  });

  it('is one span for a prepared statement, each time, by its text', async () => {
    const statement = { name: 'by-id', text: 'SELECT name FROM items WHERE id = $1' };
    await client.query({ ...statement, values: [1] });
    await client.query({ ...statement, values: [2] });
    await client.query({ name: 'by-id', values: [3] });
    const spans = await telemetry.until(3);
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['SELECT items', 'SELECT items', DATABASE],
    );
  });

  it('lasts until the rows of a query that tells them by events are over', async () => {
    const query = new pg.Query('SELECT * FROM items');
    let rows = 0;
    query.on('row', () => rows++);
    client.query(query);
    await once(query, 'end');
    assert.equal(rows, 3);
    assert.deepEqual(
      telemetry.spans.map(({ name }) => name),
      ['SELECT items'],
    );
    const failing = new pg.Query('SELECT * FROM nowhere');
    client.query(failing);
    const [error] = (await once(failing, 'error')) as [{ code: string }];
    assert.equal(error.code, '42P01');
    assert.equal(telemetry.spans[1]!.attributes['error.type'], '42P01');
  });

  it('lets cursors and streams read row by row, and ends with them', async () => {
    const Cursor = require('pg-cursor') as new (text: string, values?: unknown[]) => Cursor;
    const cursor = client.query(new Cursor('SELECT * FROM items ORDER BY id')) as unknown as Cursor;
    assert.equal((await cursor.read(2)).length, 2);
    assert.deepEqual(telemetry.spans, []);
    await cursor.close();
    assert.equal((await telemetry.until(1))[0]!.name, 'SELECT items');
    const QueryStream = require('pg-query-stream') as new (text: string) => AsyncIterable<unknown>;
    let rows = 0;
    const stream = client.query(new QueryStream('SELECT * FROM items')) as unknown as AsyncIterable<unknown>;
    for await (const _ of stream) rows++;
    assert.equal(rows, 3);
    assert.equal((await telemetry.until(2))[1]!.attributes['db.query.text'], 'SELECT * FROM items');
    const failing = client.query(new Cursor('SELECT * FROM nowhere')) as unknown as Cursor;
    await assert.rejects(failing.read(1), { code: '42P01' });
    assert.equal((await telemetry.until(3))[2]!.attributes['db.response.status_code'], '42P01');
    assert.equal((await client.query('SELECT 1 AS one')).rows.length, 1);
  });

  it('keeps the parent of each that waits for a connection of a pool', async () => {
    const pool = new pg.Pool({ ...options, max: 1 });
    const parents = await Promise.all(
      [1, 2, 3].map(id => underSpan(() => pool.query('SELECT name FROM items WHERE id = $1', [id]))),
    );
    const spans = await telemetry.until(3);
    assert.deepEqual(
      spans.map(({ parentId }) => parentId),
      parents,
    );
    telemetry.clear();
    const parentId = await underSpan(
      () =>
        new Promise<void>(resolve => {
          pool.connect((_error, connected, release) => {
            connected.query('SELECT 1', () => {
              release();
              resolve();
            });
          });
        }),
    );
    assert.equal((await telemetry.until(1))[0]!.parentId, parentId);
    await pool.end();
  });

  it('leaves the stack of a rejection as it is', async () => {
    const error = await client.query('SELECT * FROM nowhere').catch((reason: Error) => reason);
    assert.match((error as Error).stack!, /pg\.test\./);
  });

  it('throws what pg throws', () => {
    assert.throws(() => client.query(null), /null or undefined query/);
    assert.throws(() => client.query({ text: 'SELECT 1', callback: 'none' }), /callback is not a function/);
  });

  it('names a socket by its path', async () => {
    const local = new pg.Client({ ...options, host: server.directory });
    await local.connect();
    await local.query('SELECT 1');
    await local.end();
    const [span] = await telemetry.until(1);
    assert.equal(span!.attributes['server.address'], server.directory);
    assert.equal(span!.attributes['server.port'], undefined);
  });

  it('costs a span nothing when its parent is not sampled', async () => {
    const traceFlags = 0;
    const parent = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags };
    const before = telemetry.timed();
    await context.with(trace.setSpanContext(context.active(), parent), () => client.query('SELECT 1'));
    assert.deepEqual(telemetry.spans, []);
    assert.equal(telemetry.timed(), before + 1);
  });
});

describesRow(
  () => ({
    name: 'pg',
    libraries: ['pg', 'pg-cursor', 'pg-query-stream'],
    server: `PostgreSQL ${server.version}`,
    example: 'SELECT items',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
