// Client spans and metrics of node-postgres (pg), whose queries are seen where they pass: `Client#query`.
import { type Callback, inActiveContext, inContext, isCallback } from './callback-context.ts';
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import { attempt } from './fault.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { observedPromise } from './observed-promise.ts';
import { postgresSql } from './sql-dialect.ts';
import { SqlOperations } from './sql-operations.ts';

const DATABASE = Symbol('tricord.pg-database');

/** The part of pg that is used here. */
interface PgClient {
  readonly database?: unknown;
  readonly host?: unknown;
  readonly port?: unknown;
  [DATABASE]?: Database;
}

type Query = (this: PgClient, config: unknown, values?: unknown, callback?: unknown) => unknown;
type Connect = (this: object, callback?: unknown) => unknown;
type Handler = (this: object, ...args: unknown[]) => unknown;

/** What `Client#query` takes beside a text: the options of a query, or a query that runs itself (a cursor, a stream). */
interface QueryConfig {
  readonly text?: unknown;
  readonly callback?: unknown;
  /** Of pg-query-stream. */
  readonly cursor?: { readonly text?: unknown };
  readonly submit?: unknown;
  handleError?: Handler;
  handleReadyForQuery?: Handler;
}

/** Observes every client of pg 8 in this thread, and keeps the context of who waits for one of a pool. */
export function instrumentPg(): void {
  onPackageLoad('pg', patchClient);
  onPackageLoad('pg-pool', patchPool);
}

/** Whoever waits for a connection is called back by whoever has released it. */
function patchPool(exports: object): boolean {
  const prototype = exported<{ connect?: Connect }>(exports, 'prototype');
  const connect = prototype?.connect;
  if (prototype === undefined || typeof connect !== 'function') return false;
  prototype.connect = function (callback) {
    return connect.call(this, inActiveContext(callback));
  };
  return true;
}

function patchClient(exports: object): boolean {
  const prototype = exported<{ prototype?: { query?: Query } }>(exports, 'Client')?.prototype;
  const query = prototype?.query;
  if (prototype === undefined || typeof query !== 'function') return false;
  const observed = new PgQueries(query);
  prototype.query = function (config, values, callback) {
    return observed.run(this, config, values, callback);
  };
  return true;
}

class PgQueries {
  readonly #query: Query;
  readonly #client = new DatabaseClient();
  readonly #operations = new SqlOperations(postgresSql);

  constructor(query: Query) {
    this.#query = query;
  }

  run(client: PgClient, config: unknown, values: unknown, callback: unknown): unknown {
    const call = attempt('pg', () => this.#start(client, config));
    if (call === undefined) return this.#query.call(client, config, values, callback);
    const options = config as QueryConfig;
    if (typeof options.submit === 'function') {
      watchSubmittable(options, call);
      return this.#call(call, client, config, values, callback);
    }
    if (isCallback(values)) return this.#call(call, client, config, watched(values, call), callback);
    if (isCallback(callback)) return this.#call(call, client, config, values, watched(callback, call));
    if (isCallback(options.callback)) {
      return this.#call(call, client, withCallback(options, watched(options.callback, call)), values);
    }
    return observedPromise(this.#call(call, client, config, values, callback), call, failureOf);
  }

  #start(client: PgClient, config: unknown): DatabaseCall | undefined {
    const text = textOf(config);
    if (text === undefined) return undefined;
    client[DATABASE] ??= this.#databaseOf(client);
    return client[DATABASE].start(this.#operations.of(text));
  }

  #databaseOf({ database, host, port }: PgClient): Database {
    const isSocket = typeof host === 'string' && host.startsWith('/');
    return this.#client.at({
      system: 'postgresql',
      namespace: typeof database === 'string' ? database : undefined,
      address: typeof host === 'string' ? host : undefined,
      port: isSocket || typeof port !== 'number' ? undefined : port,
    });
  }

  #call(call: DatabaseCall, client: PgClient, ...args: Parameters<Query>): unknown {
    try {
      return this.#query.apply(client, args);
    } catch (error) {
      call.end(failureOf(error));
      throw error;
    }
  }
}

/** Undefined for what pg refuses; empty for a prepared statement that is run by its name. */
function textOf(config: unknown): string | undefined {
  if (typeof config === 'string') return config;
  if (typeof config !== 'object' || config === null) return undefined;
  const { text, cursor } = config as QueryConfig;
  const own = text ?? cursor?.text;
  return typeof own === 'string' ? own : '';
}

const watched = (callback: Callback, call: DatabaseCall): Callback =>
  inContext(call.parent, callback, error => call.end(failureOf(error)));

/** A copy, whatever the options are: the application may use them again. */
function withCallback(options: QueryConfig, callback: Callback): object {
  return Object.create(Object.getPrototypeOf(options) as object | null, {
    ...Object.getOwnPropertyDescriptors(options),
    callback: { value: callback, configurable: true, enumerable: true, writable: true },
  }) as object;
}

/** A query that runs itself is told of its end by the client, whatever it makes of it. */
function watchSubmittable(query: QueryConfig, call: DatabaseCall): void {
  const { handleError, handleReadyForQuery } = query;
  if (typeof handleError !== 'function' || typeof handleReadyForQuery !== 'function') {
    call.end();
    return;
  }
  query.handleError = function (...args) {
    call.end(failureOf(args[0]));
    return call.parent.run(() => handleError.apply(this, args));
  };
  query.handleReadyForQuery = function (...args) {
    call.end();
    return call.parent.run(() => handleReadyForQuery.apply(this, args));
  };
}

/** Errors of the server have a severity, and SQLSTATE as their code. */
function failureOf(error: unknown): Failure | undefined {
  if (error === undefined || error === null) return undefined;
  const { severity, code } = error as { severity?: unknown; code?: unknown };
  const isServers = severity !== undefined && typeof code === 'string';
  return { error, statusCode: isServers ? code : undefined };
}
