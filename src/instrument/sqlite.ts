// Client spans and metrics of node:sqlite: what an application that loads it runs.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { attempt } from './fault.ts';
import { type Methods, SqliteCalls, type SqliteLibrary } from './sqlite-calls.ts';

const CHANNEL = 'sqlite.db.query';

const nodeSqlite: SqliteLibrary<DatabaseSync, StatementSync> = {
  name: 'node:sqlite',
  fileOf: database => (database.isOpen ? (database.location() ?? ':memory:') : undefined),
  sourceOf: ({ sourceSQL }) => ({ sql: sourceSQL }),
  /** Errors of SQLite have its extended result code. */
  failureOf(error) {
    const { errcode } = (error ?? {}) as { errcode?: unknown };
    return { error, statusCode: typeof errcode === 'number' ? String(errcode) : undefined };
  },
};

/**
 * Observes node:sqlite in this thread once its first statement has run, where Node publishes on `sqlite.db.query`.
 *
 * What is published there tells that the module is in use, which to look for would be to load it. It tells too little of
 * statements: durations in milliseconds, no errors, and texts with their values in them.
 */
export function instrumentSqlite(): void {
  const whenUsed = (): void => {
    unsubscribe(CHANNEL, whenUsed);
    attempt('node:sqlite', () => observe(process.getBuiltinModule('node:sqlite')));
  };
  subscribe(CHANNEL, whenUsed);
}

function observe(sqlite: typeof import('node:sqlite')): void {
  const calls = new SqliteCalls(nodeSqlite);
  calls.observeConnections(sqlite.DatabaseSync.prototype as unknown as Methods<DatabaseSync>);
  calls.observeStatements(sqlite.StatementSync.prototype as unknown as Methods<StatementSync>);
}
