// What better-sqlite3 does: spans and durations of an application that uses it; and that it does it as it would without us.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentBetterSqlite3 } from '../../src/instrument/better-sqlite3.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';
import { optionalPackage } from './optional-package.ts';

interface Statement {
  run(...values: unknown[]): { changes: number };
  get(...values: unknown[]): Record<string, unknown>;
  all(...values: unknown[]): unknown[];
  iterate(...values: unknown[]): IterableIterator<{ value: number }>;
}
interface Connection {
  prepare(sql: string): Statement;
  exec(sql: string): Connection;
  pragma(source: string, options?: object): unknown;
  transaction<Work extends () => unknown>(work: Work): Work;
  close(): void;
}
type Package = new (path: string) => Connection;

const telemetry = new DatabaseTelemetry();
instrumentBetterSqlite3();

const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'tricord-better-sqlite3-'));
after(() => rmSync(folder, { recursive: true }));

/** Why the copy cannot be tested; false when it can. */
function unusable(Database: Package | undefined): string | false {
  if (Database === undefined) return 'it is not in TEST_PACKAGES: npm install better-sqlite3@12';
  try {
    new Database(':memory:').close();
    return false;
  } catch (error) {
    return `it is not compiled for this Node.js: ${(error as Error).message.split('\n')[0]}`;
  }
}

const packages: Readonly<Record<string, Package | undefined>> = {
  'better-sqlite3 13': require('better-sqlite3') as Package,
  'better-sqlite3 12': optionalPackage<Package>('better-sqlite3'),
};

for (const [version, Package] of Object.entries(packages)) {
  describe(version, { skip: unusable(Package) }, () => {
    const Database = Package!;
    const path = join(folder, `${version}.db`);
    let database: Connection;
    before(() => {
      database = new Database(path);
      database.exec(
        "CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'canary')",
      );
    });
    after(() => database?.close());
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

    it('is timed, with an exemplar of its trace, and a child of the active span', async () => {
      const parentId = await underSpan(async () =>
        database.prepare('UPDATE items SET name = ? WHERE id = 2').run('x'),
      );
      const [span] = telemetry.spans;
      assert.equal(span!.parentId, parentId);
      const point = telemetry.durations.find(
        ({ attributes }) =>
          attributes['db.query.summary'] === 'UPDATE items' && attributes['db.namespace'] === path,
      )!;
      assert.ok(point.point.sum! > 0, String(point.point.sum));
      const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      assert.deepEqual(spanIds, [span!.spanId]);
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

    it('sees transactions, which commit and roll back', () => {
      const insert = database.prepare('INSERT INTO items VALUES (3, NULL)');
      database.transaction(() => insert.run())();
      const failing = database.transaction(() => {
        throw new Error('enough');
      });
      assert.throws(failing, /enough/);
      assert.deepEqual(telemetry.names, ['BEGIN', 'INSERT items', 'COMMIT', 'BEGIN', 'ROLLBACK']);
      assert.ok(telemetry.spans.every(({ attributes }) => attributes['db.namespace'] === path));
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
          ['SELECT nowhere', 2, 'SQLITE_ERROR'],
          ['INSERT items', 2, 'SQLITE_CONSTRAINT_PRIMARYKEY'],
          ['INSERT items', 2, 'SQLITE_CONSTRAINT_PRIMARYKEY'],
        ],
      );
    });

    it('gives and throws what better-sqlite3 gives and throws', () => {
      assert.equal(database.exec('SELECT 1'), database);
      assert.equal(database.pragma('user_version', { simple: true }), 0);
      assert.throws(() => database.exec(1 as never), TypeError);
      const closed = new Database(':memory:');
      closed.close();
      assert.throws(() => closed.exec('SELECT 1'), /not open/);
      assert.equal(telemetry.spans.at(-1)!.attributes['error.type'], 'TypeError');
    });

    it('names a database that is in no file', () => {
      const inMemory = new Database(':memory:');
      inMemory.exec('SELECT 1');
      inMemory.close();
      assert.equal(telemetry.spans[0]!.attributes['db.namespace'], ':memory:');
    });

    it('leaves no span and no duration where tracing is suppressed', () => {
      const before = telemetry.timed();
      ObservabilityContext.active()
        .withSuppression(true)
        .run(() => database.exec('SELECT 1'));
      assert.deepEqual([telemetry.names, telemetry.timed()], [[], before]);
    });
  });
}

describesRow(() => ({
  name: 'better-sqlite3',
  libraries: ['better-sqlite3'],
  server: `SQLite ${sqliteVersion()}`,
  example: 'SELECT items',
  seen: telemetry.seen('CLIENT'),
}));

/** That of the library's own SQLite. */
function sqliteVersion(): unknown {
  const database = new packages['better-sqlite3 13']!(':memory:');
  const { version } = database.prepare('SELECT sqlite_version() AS version').get();
  database.close();
  return version;
}
