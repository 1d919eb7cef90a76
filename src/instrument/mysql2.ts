// Client spans and metrics of mysql2, whose statements are seen where they pass: `Connection#query` and `#execute`.
import { type EventEmitter, errorMonitor } from 'node:events';
import { type Callback, inActiveContext, inContext, isCallback } from './callback-context.ts';
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import { attempt } from './fault.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { mysqlSql } from './sql-dialect.ts';
import { SqlOperations } from './sql-operations.ts';

const DATABASE = Symbol('tricord.mysql2-database');
const DEFAULT_PORT = 3306;

/** The part of a connection that is used here. */
interface MysqlConnection {
  readonly config?: {
    readonly host?: unknown;
    readonly port?: unknown;
    readonly socketPath?: unknown;
    /** Changes by `changeUser()`. */
    readonly database?: unknown;
  };
  [DATABASE]?: Database;
}

/** A text, the options of a statement, or a statement that a pool has made. */
interface MysqlStatement {
  readonly sql?: unknown;
  onResult?: unknown;
}

type Run = (this: MysqlConnection, sql: unknown, ...rest: unknown[]) => unknown;
type GetConnection = (this: object, callback?: unknown) => unknown;

interface ConnectionMethods {
  query?: Run;
  execute?: Run;
}

/**
 * Observes every connection of mysql2 2 and 3 in this thread.
 *
 * Its tracing channels, in 3.20 and later, are not enough: with a subscriber, an `error` event that nobody listens for goes
 * attempt, and the text of a query has its values in it already.
 */
export function instrumentMysql2(): void {
  onPackageLoad('mysql2', patch);
}

/** Looks at every file of mysql2: which of them has the methods depends on its version. */
function patch(exports: object): boolean {
  const prototype = exported<object>(exports, 'prototype');
  if (prototype === undefined) return false;
  const has = (...names: string[]): boolean => names.every(name => Object.hasOwn(prototype, name));
  if (has('query', 'execute', 'addCommand')) patchConnection(prototype);
  else if (has('getConnection', 'releaseConnection', 'query')) patchPool(prototype);
  else return false;
  return true;
}

/** Whoever waits for a connection is called back by whoever has released it. */
function patchPool(prototype: { getConnection?: GetConnection }): void {
  const getConnection = prototype.getConnection!;
  prototype.getConnection = function (callback) {
    return getConnection.call(this, inActiveContext(callback));
  };
}

function patchConnection(prototype: ConnectionMethods): void {
  const statements = new MysqlStatements();
  for (const name of ['query', 'execute'] as const) {
    const run = prototype[name]!;
    prototype[name] = function (...args) {
      return statements.run(run, this, args);
    };
  }
}

class MysqlStatements {
  readonly #client = new DatabaseClient();
  readonly #operations = new SqlOperations(mysqlSql);

  run(run: Run, connection: MysqlConnection, args: Parameters<Run>): unknown {
    const call = attempt('mysql2', () => this.#start(connection, args[0]));
    if (call === undefined) return run.apply(connection, args);
    const isWatched = watchCallback(args, call);
    try {
      const command = run.apply(connection, args);
      if (!isWatched) watchEvents(command as EventEmitter, call);
      return command;
    } catch (error) {
      call.end(failureOf(error));
      throw error;
    }
  }

  #start(connection: MysqlConnection, statement: unknown): DatabaseCall | undefined {
    const sql = typeof statement === 'string' ? statement : (statement as MysqlStatement | null)?.sql;
    if (typeof sql !== 'string') return undefined;
    return this.#databaseOf(connection).start(this.#operations.of(sql));
  }

  #databaseOf(connection: MysqlConnection): Database {
    const { host, port, socketPath, database } = connection.config ?? {};
    const namespace = typeof database === 'string' && database !== '' ? database : undefined;
    const known = connection[DATABASE];
    if (known?.place.namespace === namespace && known !== undefined) return known;
    const isSocket = typeof socketPath === 'string' && socketPath !== '';
    const place = {
      system: 'mysql',
      namespace,
      address: isSocket ? socketPath : typeof host === 'string' ? host : undefined,
      port: isSocket ? undefined : Number(port ?? DEFAULT_PORT),
    };
    connection[DATABASE] = this.#client.at(place);
    return connection[DATABASE];
  }
}

/** Puts ours in the place of the callback, where there is one; a statement of a pool carries it. */
function watchCallback(args: unknown[], call: DatabaseCall): boolean {
  const at = args.findIndex(isCallback);
  if (at > 0) {
    args[at] = watched(args[at] as Callback, call);
    return true;
  }
  const statement = args[0] as MysqlStatement;
  if (typeof statement !== 'object' || !isCallback(statement.onResult)) return false;
  statement.onResult = watched(statement.onResult, call);
  return true;
}

const watched = (callback: Callback, call: DatabaseCall): Callback =>
  inContext(call.parent, callback, error => call.end(failureOf(error)));

/** Of a statement whose rows come as events. An error that nobody listens for stays an exception. */
function watchEvents(command: EventEmitter, call: DatabaseCall): void {
  command.once(errorMonitor, error => call.end(failureOf(error)));
  command.once('end', () => call.end());
}

/** Errors of the server have its number. */
function failureOf(error: unknown): Failure | undefined {
  if (error === undefined || error === null) return undefined;
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  const isServers = typeof errno === 'number' && sqlState !== undefined;
  return { error, statusCode: isServers ? String(errno) : undefined };
}
