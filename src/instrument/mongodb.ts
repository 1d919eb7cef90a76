// Client spans and metrics of the MongoDB driver, whose commands are seen where they are sent: `Connection#command`.
import { BoundedCache } from './bounded-cache.ts';
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import { Db, type Operation } from './database-conventions.ts';
import { attempt } from './fault.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { observedPromise } from './observed-promise.ts';

const SERVER = Symbol('tricord.mongodb-server');
/** Commands of one generation, each with its collection. */
const OPERATIONS_MAX = 500;

/** What the driver sends of its own accord. */
const internal: ReadonlySet<string> = new Set([
  ...['hello', 'isMaster', 'ismaster', 'saslStart', 'saslContinue', 'authenticate', 'endSessions'],
]);
/** Commands whose value is the name of a collection. */
const ofCollection: ReadonlySet<string> = new Set([
  ...[
    'aggregate',
    'collMod',
    'count',
    'create',
    'createIndexes',
    'delete',
    'distinct',
    'drop',
    'dropIndexes',
  ],
  ...['find', 'findAndModify', 'insert', 'killCursors', 'listIndexes', 'mapReduce', 'update', 'validate'],
]);
/** Where a command has what it does more than once. */
const batches: Readonly<Record<string, string>> = {
  insert: 'documents',
  update: 'updates',
  delete: 'deletes',
};

type Command = Readonly<Record<string, unknown>>;

/** The part of a connection that is used here. */
interface MongoConnection {
  /** Absent from one that is not open yet. */
  [SERVER]?: MongoServer;
}

/** Of a host, or of a socket. */
interface HostAddress {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
}

type SendCommand = (
  this: MongoConnection,
  namespace: { readonly db: string },
  command: Command,
  ...rest: unknown[]
) => unknown;
type Connect = (options: { readonly hostAddress?: HostAddress }) => Promise<MongoConnection>;

/**
 * Observes every connection of mongodb 6 and 7 in this thread.
 *
 * Its command monitoring is not enough: whoever listens gets a copy of every document, in the context of the connection.
 */
export function instrumentMongodb(): void {
  const commands = new MongoCommands();
  onPackageLoad('mongodb', exports => {
    const connect = exported<Connect>(exports, 'connect');
    const connection = exported<{ prototype: { command?: SendCommand } }>(exports, 'Connection')?.prototype;
    if (connect !== undefined && exported(exports, 'performInitialHandshake') !== undefined)
      commands.learnServers(exports as { connect: Connect }, connect);
    else if (connection?.command !== undefined && exported(exports, 'CryptoConnection') !== undefined)
      commands.observe(connection, connection.command);
    else return false;
    return true;
  });
}

class MongoCommands {
  #client: DatabaseClient | undefined;
  readonly #operations = new BoundedCache<Operation>(OPERATIONS_MAX);

  /** A connection knows the address that it has reached, and not the name by which it was to be found. */
  learnServers(exports: { connect: Connect }, connect: Connect): void {
    exports.connect = options =>
      connect(options).then(connection => {
        attempt('mongodb', () => {
          this.#client ??= new DatabaseClient();
          connection[SERVER] = new MongoServer(this.#client, options.hostAddress ?? {});
        });
        return connection;
      });
  }

  observe(connection: { command?: SendCommand }, send: SendCommand): void {
    const start = this.#start.bind(this);
    connection.command = function (namespace, command, ...rest) {
      const call = attempt('mongodb', () => start(this, namespace.db, command));
      const response = send.call(this, namespace, command, ...rest);
      return call === undefined ? response : observedPromise(response, call, failureOf, failureIn);
    };
  }

  #start(connection: MongoConnection, namespace: string, command: Command): DatabaseCall | undefined {
    const name = nameOf(command);
    if (connection[SERVER] === undefined || internal.has(name)) return undefined;
    const call = connection[SERVER].database(namespace).start(this.#operation(name, command));
    if (call?.span.isRecording()) {
      const size = sizeOf(command[batches[name] ?? '']);
      if (size > 1) call.span.setAttribute(Db.batchSize, size);
    }
    return call;
  }

  #operation(name: string, command: Command): Operation {
    const target = name === 'getMore' ? command.collection : ofCollection.has(name) && command[name];
    const collection = typeof target === 'string' ? target : undefined;
    const key = `${name} ${collection}`;
    let operation = this.#operations.get(key);
    if (operation === undefined) {
      operation = { key, name, collection, summary: undefined, text: undefined };
      this.#operations.set(key, operation);
    }
    return operation;
  }
}

/** Of an array, or of what version 7 has in the place of one. */
function sizeOf(batch: unknown): number {
  const list = (batch as { documents?: unknown } | undefined)?.documents ?? batch;
  return Array.isArray(list) ? list.length : 0;
}

/** The first member of a command is what it does. */
function nameOf(command: Command): string {
  for (const name in command) return name;
  return '';
}

class MongoServer {
  readonly #client: DatabaseClient;
  readonly #address: HostAddress;
  readonly #databases = new Map<string, Database>();

  constructor(client: DatabaseClient, address: HostAddress) {
    this.#client = client;
    this.#address = address;
  }

  database(namespace: string): Database {
    let database = this.#databases.get(namespace);
    if (database === undefined) {
      const { host, port, socketPath } = this.#address;
      const place =
        socketPath === undefined ? { address: host, port } : { address: socketPath, port: undefined };
      database = this.#client.at({ system: 'mongodb', namespace, ...place });
      this.#databases.set(namespace, database);
    }
    return database;
  }
}

/** Errors of the server have its number. */
function failureOf(error: unknown): Failure {
  const { code } = (error ?? {}) as { code?: unknown };
  return { error, statusCode: typeof code === 'number' ? String(code) : undefined };
}

/** What a server says of the parts of a command of which some have failed. */
interface Errors {
  readonly writeErrors?: readonly unknown[];
  readonly writeConcernError?: unknown;
}

/** A response that is read as far as somebody asks. */
interface LazyResponse {
  has?(name: string): boolean;
  toObject?(): unknown;
}

/** A command that has succeeded may have failed in part. */
function failureIn(response: unknown): Failure | undefined {
  return attempt('mongodb', () => {
    const lazy = (response ?? {}) as LazyResponse;
    const isLazy = typeof lazy.has === 'function' && typeof lazy.toObject === 'function';
    if (isLazy && !lazy.has!('writeErrors') && !lazy.has!('writeConcernError')) return undefined;
    const { writeErrors, writeConcernError } = (isLazy ? lazy.toObject!() : lazy) as Errors;
    const error = writeErrors?.[0] ?? writeConcernError;
    return error === undefined ? undefined : failureOf(error);
  });
}
