// What every library for SQLite has to show: spans and durations of its statements, be they prepared or run.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ObservabilityContext } from '../../src/index.ts';
import type { DatabaseTelemetry } from './database-telemetry.ts';

interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  iterate(...values: unknown[]): Iterable<unknown>;
}

interface Connection {
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
}

export const itemsTable: string =
  "CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'canary')";

/** How the library says it. */
export interface ErrorCodes {
  readonly noSuchTable: string;
  readonly primaryKey: string;
}

/**
 * Tests of a suite that clears the telemetry before each.
 * @param database gives the connection, whose file at `path` holds {@link itemsTable}
 */
export function observesStatements(
  telemetry: DatabaseTelemetry,
  database: () => Connection,
  path: string,
  { noSuchTable, primaryKey }: ErrorCodes,
): void {
  it('has a span for a statement each time it is run, without the values', () => {
    const statement = database().prepare("SELECT name FROM items WHERE id = ? AND name <> 'x'");
    assert.deepEqual({ ...(statement.get(1) as object) }, { name: 'canary' });
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
    database().prepare('UPDATE items SET name = ? WHERE id = 2').run('x');
    const [span] = telemetry.spans;
    const point = telemetry.durations.find(
      ({ attributes }) =>
        attributes['db.query.summary'] === 'UPDATE items' && attributes['db.namespace'] === path,
    )!;
    assert.ok(point.point.sum! > 0, String(point.point.sum));
    const spanIds = point.point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
    assert.deepEqual(spanIds, [span!.spanId]);
  });

  it('lasts as long as its rows are read, to the end or not', () => {
    const statement = database().prepare('SELECT value FROM (SELECT 1 AS value UNION SELECT 2)');
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
    assert.throws(() => database().prepare('SELECT * FROM nowhere'), /no such table/);
    assert.throws(() => database().exec("INSERT INTO items VALUES (1, 'again')"), /UNIQUE/);
    assert.throws(() => database().prepare('INSERT INTO items (id) VALUES (?)').run(1), /UNIQUE/);
    assert.deepEqual(
      telemetry.spans.map(({ name, status, attributes }) => [
        name,
        status,
        attributes['db.response.status_code'],
      ]),
      [
        ['SELECT nowhere', 2, noSuchTable],
        ['INSERT items', 2, primaryKey],
        ['INSERT items', 2, primaryKey],
      ],
    );
    const failed = telemetry.durations.filter(
      ({ attributes }) => attributes['error.type'] === primaryKey && attributes['db.namespace'] === path,
    );
    assert.equal(failed[0]!.point.count, 2);
  });

  it('leaves no span and no duration where tracing is suppressed', () => {
    const before = telemetry.timed();
    ObservabilityContext.active()
      .withSuppression(true)
      .run(() => database().exec('SELECT 1'));
    assert.deepEqual([telemetry.names, telemetry.timed()], [[], before]);
  });
}
