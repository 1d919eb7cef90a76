// What better-sqlite3 does: spans and durations of an application that uses it; and that it does it as it would without us.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { instrumentBetterSqlite3 } from '../../src/instrument/better-sqlite3.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';
import { optionalPackage } from './optional-package.ts';
import { itemsTable, observesStatements } from './sqlite-behaviour.ts';

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
      database.exec(itemsTable);
    });
    after(() => database?.close());
    beforeEach(() => telemetry.clear());

    observesStatements(telemetry, () => database, path, {
      noSuchTable: 'SQLITE_ERROR',
      primaryKey: 'SQLITE_CONSTRAINT_PRIMARYKEY',
    });

    it('is a child of the active span', async () => {
      const parentId = await underSpan(async () =>
        database.prepare('UPDATE items SET name = ? WHERE id = 2').run('x'),
      );
      const [span] = telemetry.spans;
      assert.equal(span!.parentId, parentId);
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
