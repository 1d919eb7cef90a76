// What node:sqlite does: spans and durations of an application that uses it, from its second statement on.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { instrumentSqlite } from '../../src/instrument/sqlite.ts';
import { underSpan } from './active-span.ts';
import { DatabaseTelemetry } from './database-telemetry.ts';
import { describesRow } from './observed-row.ts';
import { itemsTable, observesStatements } from './sqlite-behaviour.ts';

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
    database.exec(itemsTable);
  });
  after(() => {
    database?.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => telemetry.clear());

  observesStatements(telemetry, () => database, path, { noSuchTable: '1', primaryKey: '1555' });

  it('is a child of the active span', async () => {
    const parentId = await underSpan(async () => database.exec('DELETE FROM items WHERE id = 3'));
    const [span] = telemetry.spans;
    assert.deepEqual([span!.name, span!.parentId], ['DELETE items', parentId]);
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
