// Clients of node-redis that publish nothing, before 5.12: their commands are seen where they are sent.
import type { DatabaseCall } from './database-client.ts';
import { attempt } from './fault.ts';
import { exported } from './module-hooks.ts';
import { observedPromise } from './observed-promise.ts';
import type { RedisCalls, ServerMessage } from './redis-calls.ts';
import { redisFailure } from './redis-commands.ts';

/** The part of a client that is used here. */
interface RedisClient {
  readonly options?: {
    readonly socket?: { readonly host?: string; readonly port?: number; readonly path?: string };
    readonly database?: number;
  };
}

type Method = (this: RedisClient, ...args: unknown[]) => unknown;
type Methods = Partial<Record<string, Method>>;

/** Of version 4: how commands become methods of the client, and calls of these what is sent. */
interface Commander {
  attachCommands(config: { BaseClass: { prototype: Methods }; executor: Method }): void;
  transformCommandArguments(...args: unknown[]): { readonly args: readonly unknown[] };
}

export class SilentRedis {
  readonly #calls: RedisCalls;
  /** What the last command of version 4 has become. */
  #sent: readonly unknown[] = [];

  constructor(calls: RedisCalls) {
    this.#calls = calls;
  }

  /** Looks at a file of `@redis/client`. */
  patch(exports: object): boolean {
    if (exported(exports, 'attachCommands') && exported(exports, 'transformCommandArguments')) {
      this.#patchCommander(exports as Commander);
      return true;
    }
    const prototype = exported<{ prototype?: Methods }>(exports, 'default')?.prototype;
    if (typeof prototype?._executeMulti !== 'function' || publishes(prototype)) return false;
    this.#observeSent(prototype);
    this.#observeBatches(prototype, '_executeMulti', () => true);
    this.#observeBatches(prototype, '_executePipeline', () => false);
    return true;
  }

  /** The client of version 4 is put together while its file runs, out of what this file gives it. */
  #patchCommander(commander: Commander): void {
    const { attachCommands, transformCommandArguments } = commander;
    commander.transformCommandArguments = (...args) => {
      const transformed = transformCommandArguments(...args);
      this.#sent = transformed.args;
      return transformed;
    };
    commander.attachCommands = config => {
      const { prototype } = config.BaseClass;
      if (typeof prototype.multiExecutor !== 'function') {
        attachCommands(config);
        return;
      }
      this.#observeSent(prototype);
      this.#observeBatches(prototype, 'multiExecutor', chainId => chainId !== undefined);
      const executor = this.#observedExecutor(config.executor);
      prototype.commandsExecutor = executor;
      attachCommands({ ...config, executor });
    };
  }

  /** It makes the arguments before it waits for anything. */
  #observedExecutor(executor: Method): Method {
    const start = (client: RedisClient): DatabaseCall | undefined => this.#start(client, this.#sent);
    return function (...args) {
      const result = executor.apply(this, args);
      const call = attempt('node-redis', () => start(this));
      return call === undefined ? result : observedPromise(result, call, redisFailure);
    };
  }

  #observeSent(prototype: Methods): void {
    const start = (client: RedisClient, args: unknown): DatabaseCall | undefined => this.#start(client, args);
    wrap(prototype, 'sendCommand', (client, [args]) => start(client, args));
  }

  /** @param isTransaction asked of the third argument */
  #observeBatches(prototype: Methods, name: string, isTransaction: (third: unknown) => boolean): void {
    wrap(prototype, name, (client, [commands, , third]) =>
      this.#calls.startBatch({
        ...serverOf(client),
        batchMode: isTransaction(third) ? 'MULTI' : 'PIPELINE',
        batchSize: (commands as readonly unknown[]).length,
      }),
    );
  }

  #start(client: RedisClient, args: unknown): DatabaseCall | undefined {
    if (!Array.isArray(args)) return undefined;
    return this.#calls.startCommand({ ...serverOf(client), command: String(args[0]), args });
  }
}

/** From 5.12 on it is in the source of the method that it publishes. */
const publishes = ({ sendCommand }: Methods): boolean => String(sendCommand).includes('TRACE_COMMAND');

function wrap(
  prototype: Methods,
  name: string,
  start: (client: RedisClient, args: readonly unknown[]) => DatabaseCall | undefined,
): void {
  const method = prototype[name];
  if (typeof method !== 'function') return;
  prototype[name] = function (...args) {
    const call = attempt('node-redis', () => start(this, args));
    const result = method.apply(this, args);
    return call === undefined ? result : observedPromise(result, call, redisFailure);
  };
}

/** As the later versions tell it; the database is that of the options. */
function serverOf({ options }: RedisClient): ServerMessage {
  const { host = 'localhost', port = 6379, path } = options?.socket ?? {};
  const database = options?.database ?? 0;
  if (path !== undefined) return { database, serverAddress: path, serverPort: undefined };
  return { database, serverAddress: host, serverPort: port };
}
