// Client spans and metrics of ioredis, whose commands and pipelines are seen where they are sent, and end with their promises.
import { type Database, type DatabaseCall, DatabaseClient, type Failure } from './database-client.ts';
import { Db } from './database-conventions.ts';
import { attempt } from './fault.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { RedisCommands, redisFailure, redisText } from './redis-commands.ts';

const CALL = Symbol('tricord.ioredis-call');
const DATABASES = Symbol('tricord.ioredis-databases');
const DEFAULT_PORT = 6379;

/** What a promise of ioredis ends by; it keeps the functions beside the promise. */
interface Settled {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  [CALL]?: boolean;
}

interface RedisCommand extends Settled {
  readonly name: string;
  readonly args?: readonly unknown[];
  /** Where it stands in its pipeline, if it is of one. */
  readonly pipelineIndex?: number;
}

interface RedisClient {
  readonly status?: string;
  readonly options?: { readonly host?: unknown; readonly port?: unknown; readonly path?: unknown };
  /** Of the connection; commands that come later are for the database that is selected by then. */
  readonly condition?: { readonly select?: unknown } | null;
  /** By the number of the selected database. */
  [DATABASES]?: Map<unknown, Database>;
}

interface RedisPipeline extends Settled {
  readonly redis: RedisClient;
  readonly length: number;
  /** Above 0 while MULTI waits for its EXEC, which is then not sent but queued. */
  readonly _transactions?: number;
  readonly _queue?: readonly RedisCommand[];
}

type SendCommand = (this: RedisClient, command: RedisCommand, ...rest: unknown[]) => unknown;
type Exec = (this: RedisPipeline, ...args: unknown[]) => unknown;

interface HasPrototype<Prototype> {
  readonly prototype?: Prototype;
}

/**
 * Observes every client of ioredis 4, 5 and 6 in this thread.
 *
 * Its tracing channels, in 5.11 and later, are not enough: with a subscriber, a rejection that nobody handles goes attempt, and a
 * command that had to wait for the connection is told of in the context of the connection.
 */
export function instrumentIoredis(): void {
  onPackageLoad('ioredis', patch);
}

function patch(exports: object): boolean {
  type Client = HasPrototype<{ sendCommand?: SendCommand }>;
  const client = (exported<Client>(exports, 'Redis') ?? exported<Client>(exports, 'default'))?.prototype;
  const pipeline = exported<HasPrototype<{ exec?: Exec }>>(exports, 'Pipeline')?.prototype;
  const { sendCommand } = client ?? {};
  const { exec } = pipeline ?? {};
  if (client === undefined || typeof sendCommand !== 'function') return false;
  if (pipeline === undefined || typeof exec !== 'function') return false;
  const calls = new RedisCalls();
  client.sendCommand = function (command, ...rest) {
    attempt('ioredis', () => calls.startCommand(this, command));
    return sendCommand.call(this, command, ...rest);
  };
  pipeline.exec = function (...args) {
    attempt('ioredis', () => calls.startPipeline(this));
    return exec.apply(this, args);
  };
  return true;
}

const handshake: ReadonlySet<string> = new Set(['auth', 'client', 'hello', 'info', 'readonly', 'select']);

/** What ioredis itself sends before the connection is ready. */
function isHandshake(client: RedisClient, command: RedisCommand): boolean {
  return client.status === 'connect' && handshake.has(command.name);
}

class RedisCalls {
  readonly #client = new DatabaseClient();
  readonly #commands = new RedisCommands();

  /** A command of a pipeline is its span's. */
  startCommand(client: RedisClient, command: RedisCommand): void {
    if (command.pipelineIndex !== undefined || command[CALL] || isHandshake(client, command)) return;
    const operation = this.#commands.of(command.name);
    const call = this.#databaseOf(client).start(operation);
    if (call === undefined) return;
    if (call.span.isRecording()) {
      call.span.setAttribute(Db.queryText, redisText(operation.key, command.args ?? []));
    }
    watch(command, call);
  }

  /** One span for all its commands: MULTI and EXEC are not counted among them. */
  startPipeline(pipeline: RedisPipeline): void {
    if (pipeline[CALL] || pipeline._transactions || pipeline.length === 0) return;
    const isTransaction = pipeline._queue?.[0]?.name === 'multi';
    const call = this.#databaseOf(pipeline.redis).start(
      this.#commands.of(isTransaction ? 'MULTI' : 'PIPELINE'),
    );
    if (call === undefined) return;
    const size = isTransaction ? pipeline.length - 2 : pipeline.length;
    if (size > 1 && call.span.isRecording()) call.span.setAttribute(Db.batchSize, size);
    watch(pipeline, call, isTransaction ? failureOfTransaction : undefined);
  }

  #databaseOf(client: RedisClient): Database {
    const selected = client.condition?.select ?? (client.options as { db?: unknown } | undefined)?.db ?? 0;
    client[DATABASES] ??= new Map();
    let database = client[DATABASES].get(selected);
    if (database === undefined) {
      const { host, port, path } = client.options ?? {};
      const isSocket = typeof path === 'string' && path !== '';
      database = this.#client.at({
        system: 'redis',
        namespace: String(selected),
        address: isSocket ? path : typeof host === 'string' ? host : 'localhost',
        port: isSocket ? undefined : Number(port ?? DEFAULT_PORT),
      });
      client[DATABASES].set(selected, database);
    }
    return database;
  }
}

/** Ends the call when the promise does, and leaves the promise alone: to listen to it would be to handle its rejection. */
function watch(
  settled: Settled,
  call: DatabaseCall,
  failureIn?: (value: unknown) => Failure | undefined,
): void {
  const { resolve, reject } = settled;
  settled[CALL] = true;
  settled.resolve = function (value) {
    call.end(failureIn?.(value));
    resolve.call(this, value);
  };
  settled.reject = function (error) {
    call.end(redisFailure(error));
    reject.call(this, error);
  };
}

/** The outcome of a pipeline is a pair of error and value for each command; the last is that of EXEC. */
function failureOfTransaction(outcome: unknown): Failure | undefined {
  const last: unknown = Array.isArray(outcome) ? outcome.at(-1) : undefined;
  const error: unknown = Array.isArray(last) ? last[0] : undefined;
  return error ? redisFailure(error) : undefined;
}
