// What node:sqlite does: spans and durations of an application that uses it, from its second statement on.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentSqlite } from '../../src/instrument/sqlite.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new DatabaseTelemetry();
instrumentSqlite();
const { DatabaseSync } = await import('node:sqlite');

/** Whether this Node tells that the module is in use. */
const early = new DatabaseSync(':memory:').prepare('SELECT 1 AS one');
early.get();
early.get();
const skip = telemetry.spans.length === 0 && 'this Node.js does not publish on sqlite.db.query';

const folder = mkdtempSync(join(tmpdir(), 'tricord-sqlite-'));
const path = join(folder, 'shop.db');

describe('node:sqlite', { skip }, () => {
  let database: InstanceType<typeof DatabaseSync>;
  before(() => {
    database = new DatabaseSync(path);
    database.exec(
      "CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'canary')",
    );
  });
  after(() => {
    database?.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => telemetry.clear());

  it('has a span for a statement each time it is run, without the values', () => {
    const statement = database.prepare("SELECT name FROM items WHERE id = ? AND name <> 'x'");
    assert.deepEqual({ ...statement.get(1) }, { name: 'canary' });
    assert.equal(statement.all(1).length, 1);
    assert.deepEqual(telemetry.names, ['SELECT items', 'SELECT items']);
    const [span] = telemetry.spans;
    assert.deepEqual([span!.kind, span!.status], [3, 0]);
    assert.deepEqual(
      { ...span!.attributes },
      {
        'db.system.name': 'sqlite',
        'db.namespace': path,
        'db.operation.name': 'SELECT',
        'db.collection.name': 'items',
        'db.query.summary': 'SELECT items',
        'db.query.text': 'SELECT name FROM items WHERE id = ? AND name <> ?',
      },
    );
  });

  it('is timed, with an exemplar of its trace', () => {
    database.prepare('UPDATE items SET name = ? WHERE id = 2').run('x');
    const [span] = telemetry.spans;
    const point = telemetry.durations.find(
      ({ attributes }) =>
        attributes['db.query.summary'] === 'UPDATE items' && attributes['db.namespace'] === path,
    )!;
    assert.ok(point.point.sum! > 0, String(point.point.sum));
    const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
    assert.deepEqual(spanIds, [span!.spanId]);
  });

  it('is a child of the active span', async () => {
    const parentId = await underSpan(async () => database.exec('DELETE FROM items WHERE id = 3'));
    const [span] = telemetry.spans;
    assert.deepEqual([span!.name, span!.parentId], ['DELETE items', parentId]);
  });

  it('lasts as long as its rows are read, to the end or not', () => {
    const statement = database.prepare('SELECT value FROM (SELECT 1 AS value UNION SELECT 2)');
    let rows = 0;
    for (const _ of statement.iterate()) {
      rows++;
      assert.deepEqual(telemetry.names, []);
    }
    assert.equal(rows, 2);
    assert.deepEqual(telemetry.names, ['SELECT SELECT SELECT']);
    for (const _ of statement.iterate()) break;
    assert.equal(telemetry.names.length, 2);
  });

  it('fails with the code of SQLite, be it prepared or run', () => {
    assert.throws(() => database.prepare('SELECT * FROM nowhere'), /no such table/);
    assert.throws(() => database.exec("INSERT INTO items VALUES (1, 'again')"), /UNIQUE/);
    assert.throws(() => database.prepare('INSERT INTO items (id) VALUES (?)').run(1), /UNIQUE/);
    assert.deepEqual(
      telemetry.spans.map(({ name, status, attributes }) => [
        name,
        status,
        attributes['db.response.status_code'],
      ]),
      [
        ['SELECT nowhere', 2, '1'],
        ['INSERT items', 2, '1555'],
        ['INSERT items', 2, '1555'],
      ],
    );
    const failed = telemetry.durations.filter(({ attributes }) => attributes['error.type'] === '1555');
    assert.equal(failed[0]!.point.count, 2);
  });

  it('throws what node:sqlite throws', () => {
    assert.throws(() => database.exec(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    const closed = new DatabaseSync(':memory:', { open: false });
    assert.throws(() => closed.exec('SELECT 1'), { code: 'ERR_INVALID_STATE' });
  });

  it('sees statements that were prepared before', () => {
    early.get();
    const [span] = telemetry.spans;
    assert.deepEqual([span!.name, span!.attributes['db.namespace']], ['SELECT', undefined]);
  });

  it('leaves no span and no duration where tracing is suppressed', () => {
    const before = telemetry.timed();
    ObservabilityContext.active()
      .withSuppression(true)
      .run(() => database.exec('SELECT 1'));
    assert.deepEqual([telemetry.names, telemetry.timed()], [[], before]);
  });
});

describesRow(
  () => ({
    name: 'sqlite',
    libraries: ['node:sqlite'],
    server: `SQLite ${process.versions.sqlite}`,
    example: 'SELECT items',
    seen: telemetry.seen('CLIENT'),
  }),
  skip,
);
