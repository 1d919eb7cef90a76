// Client spans and metrics of node:sqlite: what an application that loads it runs.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Methods, SqliteCalls, type SqliteLibrary } from './sqlite-calls.ts';

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

/** Observes all of its databases from now on. */
export function observeNodeSqlite(sqlite: typeof import('node:sqlite')): void {
  const calls = new SqliteCalls(nodeSqlite);
  calls.observeConnections(sqlite.DatabaseSync.prototype as unknown as Methods<DatabaseSync>);
  calls.observeStatements(sqlite.StatementSync.prototype as unknown as Methods<StatementSync>);
}
