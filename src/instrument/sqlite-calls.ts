// What a library of SQLite runs, as calls: each statement while the thread waits for it.
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import type { Operation } from './database-conventions.ts';
import { attempt } from './fault.ts';
import { sqliteSql } from './sql-dialect.ts';
import { SqlOperations } from './sql-operations.ts';

type Method<This extends object> = (this: This, ...args: unknown[]) => unknown;
export type Methods<This extends object> = Record<string, Method<This>>;

/** What one library has otherwise than another. */
export interface SqliteLibrary<Connection extends object, Statement extends object> {
  readonly name: string;
  /** The path of the connection's file, or `:memory:`; undefined while it is not open. */
  fileOf(connection: Connection): string | undefined;
  /** What a statement was prepared from before anybody looked, as far as it tells. */
  sourceOf(statement: Statement): { readonly connection?: Connection; readonly sql: string };
  /** Told of each statement that is prepared. */
  prepared?(statement: Statement): void;
  failureOf(error: unknown): Failure;
}

/** What a statement was prepared from. */
interface Prepared {
  readonly database: Database;
  readonly operation: Operation;
}

export class SqliteCalls<Connection extends object, Statement extends object> {
  readonly #library: SqliteLibrary<Connection, Statement>;
  readonly #client = new DatabaseClient();
  readonly #operations = new SqlOperations(sqliteSql);
  readonly #databases = new WeakMap<Connection, Database>();
  readonly #prepared = new WeakMap<Statement, Prepared>();

  constructor(library: SqliteLibrary<Connection, Statement>) {
    this.#library = library;
  }

  observeConnections(connections: Methods<Connection>): void {
    this.#learnStatements(connections);
    this.#wrap(connections, 'exec', (connection, sql) => this.#startText(connection, sql));
  }

  observeStatements(statements: Methods<Statement>): void {
    for (const name of ['run', 'get', 'all']) {
      this.#wrap(statements, name, statement => this.#start(statement));
    }
    this.#followRows(statements);
  }

  /** A text that cannot be prepared has failed as if it had been run. */
  #learnStatements(connections: Methods<Connection>): void {
    const prepare = connections.prepare!;
    const library = this.#library;
    const learn = (connection: Connection, sql: string, statement: Statement): void => {
      const operation = this.#operations.of(sql);
      this.#prepared.set(statement, { database: this.#databaseOf(connection), operation });
      library.prepared?.(statement);
    };
    const fail = (connection: Connection, sql: unknown, error: unknown): void =>
      this.#startText(connection, sql)?.end(library.failureOf(error));
    connections.prepare = function (...args) {
      try {
        const statement = prepare.apply(this, args) as Statement;
        attempt(library.name, () => learn(this, String(args[0]), statement));
        return statement;
      } catch (error) {
        attempt(library.name, () => fail(this, args[0], error));
        throw error;
      }
    };
  }

  /** An iteration lasts until its last row has been asked for, or it is left. */
  #followRows(statements: Methods<Statement>): void {
    const iterate = statements.iterate!;
    const start = (statement: Statement): DatabaseCall | undefined =>
      attempt(this.#library.name, () => this.#start(statement));
    const observed = this.#observed.bind(this);
    statements.iterate = function (...args) {
      const call = start(this);
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

  #startText(connection: Connection, sql: unknown): DatabaseCall | undefined {
    if (typeof sql !== 'string') return undefined;
    return this.#databaseOf(connection).start(this.#operations.of(sql));
  }

  #start(statement: Statement): DatabaseCall | undefined {
    const { database, operation } = this.#prepared.get(statement) ?? this.#preparedBefore(statement);
    return database.start(operation);
  }

  #preparedBefore(statement: Statement): Prepared {
    const { connection, sql } = this.#library.sourceOf(statement);
    const prepared = {
      database: connection === undefined ? this.#at(undefined) : this.#databaseOf(connection),
      operation: this.#operations.of(sql),
    };
    this.#prepared.set(statement, prepared);
    return prepared;
  }

  #databaseOf(connection: Connection): Database {
    const known = this.#databases.get(connection);
    if (known !== undefined) return known;
    const file = this.#library.fileOf(connection);
    const opened = this.#at(file);
    if (file !== undefined) this.#databases.set(connection, opened);
    return opened;
  }

  #at(namespace: string | undefined): Database {
    return this.#client.at({ system: 'sqlite', namespace, address: undefined, port: undefined });
  }

  /** Has what the method does observed as a call, while it lasts. */
  #wrap<This extends object>(
    methods: Methods<This>,
    name: string,
    start: (self: This, first: unknown) => DatabaseCall | undefined,
  ): void {
    const method = methods[name]!;
    const { name: library } = this.#library;
    const observed = this.#observed.bind(this);
    methods[name] = function (...args) {
      const call = attempt(library, () => start(this, args[0]));
      return call === undefined
        ? method.apply(this, args)
        : observed(call, () => method.apply(this, args), true);
    };
  }

  /** @param ends whether the call is over when it has not failed */
  #observed(call: DatabaseCall, run: () => unknown, ends: boolean): unknown {
    try {
      const result = run();
      if (ends) call.end();
      return result;
    } catch (error) {
      call.end(this.#library.failureOf(error));
      throw error;
    }
  }
}
