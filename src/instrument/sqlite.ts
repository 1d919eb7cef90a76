// Client spans and metrics of node:sqlite: what an application that loads it runs, each statement while the thread waits for it.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import type { Operation } from './database-conventions.ts';
import { attempt } from './fault.ts';
import { sqliteSql } from './sql-dialect.ts';
import { SqlOperations } from './sql-operations.ts';

const CHANNEL = 'sqlite.db.query';

type Method<This extends object> = (this: This, ...args: unknown[]) => unknown;
type Methods<This extends object> = Record<string, Method<This>>;

/** What a statement was prepared from. */
interface Prepared {
  readonly database: Database;
  readonly operation: Operation;
}

/**
 * Observes node:sqlite in this thread once its first statement has run, where Node publishes on `sqlite.db.query`.
 *
 * What is published there tells that the module is in use, which to look for would be to load it. It tells too little of
 * statements: durations in milliseconds, no errors, and texts with their values in them.
 */
export function instrumentSqlite(): void {
  const whenUsed = (): void => {
    unsubscribe(CHANNEL, whenUsed);
    attempt('node:sqlite', () => new SqliteCalls().observe(process.getBuiltinModule('node:sqlite')));
  };
  subscribe(CHANNEL, whenUsed);
}

class SqliteCalls {
  readonly #client = new DatabaseClient();
  readonly #operations = new SqlOperations(sqliteSql);
  readonly #databases = new WeakMap<DatabaseSync, Database>();
  readonly #prepared = new WeakMap<StatementSync, Prepared>();

  observe(sqlite: typeof import('node:sqlite')): void {
    const databases = sqlite.DatabaseSync.prototype as unknown as Methods<DatabaseSync>;
    const statements = sqlite.StatementSync.prototype as unknown as Methods<StatementSync>;
    this.#learnStatements(databases);
    wrap(databases, 'exec', (database, sql) => this.#startText(database, sql));
    for (const name of ['run', 'get', 'all']) wrap(statements, name, statement => this.#start(statement));
    this.#followRows(statements);
  }

  /** A text that cannot be prepared has failed as if it had been run. */
  #learnStatements(databases: Methods<DatabaseSync>): void {
    const prepare = databases.prepare!;
    const learn = (database: DatabaseSync, sql: string, statement: StatementSync): void => {
      const operation = this.#operations.of(sql);
      this.#prepared.set(statement, { database: this.#databaseOf(database), operation });
    };
    const fail = (database: DatabaseSync, sql: unknown, error: unknown): void =>
      this.#startText(database, sql)?.end(failureOf(error));
    databases.prepare = function (...args) {
      try {
        const statement = prepare.apply(this, args) as StatementSync;
        attempt('node:sqlite', () => learn(this, String(args[0]), statement));
        return statement;
      } catch (error) {
        attempt('node:sqlite', () => fail(this, args[0], error));
        throw error;
      }
    };
  }

  /** An iteration lasts until its last row has been asked for, or it is left. */
  #followRows(statements: Methods<StatementSync>): void {
    const iterate = statements.iterate!;
    const start = (statement: StatementSync): DatabaseCall | undefined => this.#start(statement);
    statements.iterate = function (...args) {
      const call = attempt('node:sqlite', () => start(this));
      if (call === undefined) return iterate.apply(this, args);
      const rows = observed(call, () => iterate.apply(this, args), false) as Methods<object>;
      for (const name of ['next', 'return']) {
        const step = rows[name];
        if (typeof step !== 'function') continue;
        rows[name] = function (...given) {
          const result = observed(call, () => step.apply(this, given), false) as IteratorResult<unknown>;
          if (result.done === true) call.end();
          return result;
        };
      }
      return rows;
    };
  }

  #startText(database: DatabaseSync, sql: unknown): DatabaseCall | undefined {
    if (typeof sql !== 'string') return undefined;
    return this.#databaseOf(database).start(this.#operations.of(sql));
  }

  #start(statement: StatementSync): DatabaseCall | undefined {
    const { database, operation } = this.#prepared.get(statement) ?? this.#preparedBefore(statement);
    return database.start(operation);
  }

  /** What was prepared before the first statement ran: nothing tells of which database it is. */
  #preparedBefore(statement: StatementSync): Prepared {
    const prepared = {
      database: this.#at(undefined),
      operation: this.#operations.of(statement.sourceSQL),
    };
    this.#prepared.set(statement, prepared);
    return prepared;
  }

  #databaseOf(database: DatabaseSync): Database {
    const known = this.#databases.get(database);
    if (known !== undefined) return known;
    const opened = this.#at(database.isOpen ? (database.location() ?? ':memory:') : undefined);
    if (database.isOpen) this.#databases.set(database, opened);
    return opened;
  }

  #at(namespace: string | undefined): Database {
    return this.#client.at({ system: 'sqlite', namespace, address: undefined, port: undefined });
  }
}

/** Has what the method does observed as a call, while it lasts. */
function wrap<This extends object>(
  methods: Methods<This>,
  name: string,
  start: (self: This, first: unknown) => DatabaseCall | undefined,
): void {
  const method = methods[name]!;
  methods[name] = function (...args) {
    const call = attempt('node:sqlite', () => start(this, args[0]));
    return call === undefined
      ? method.apply(this, args)
      : observed(call, () => method.apply(this, args), true);
  };
}

/** @param ends whether the call is over when it has not failed */
function observed(call: DatabaseCall, run: () => unknown, ends: boolean): unknown {
  try {
    const result = run();
    if (ends) call.end();
    return result;
  } catch (error) {
    call.end(failureOf(error));
    throw error;
  }
}

/** Errors of SQLite have its extended result code. */
function failureOf(error: unknown): Failure {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return { error, statusCode: typeof errcode === 'number' ? String(errcode) : undefined };
}
