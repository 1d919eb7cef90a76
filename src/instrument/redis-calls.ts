// Commands and batches of node-redis as calls, from what it publishes of them.
import { type Database, type DatabaseCall, DatabaseClient } from './database-client.ts';
import { Db } from './database-conventions.ts';
import { RedisCommands, redisText } from './redis-commands.ts';

/** The part of node-redis's messages that is used here. */
export interface ServerMessage {
  readonly database?: number;
  readonly serverAddress?: string;
  readonly serverPort?: number | undefined;
  readonly batchMode?: 'MULTI' | 'PIPELINE';
}

export interface CommandMessage extends ServerMessage {
  readonly command: string;
  /** The name too. */
  readonly args: readonly unknown[];
}

export interface BatchMessage extends ServerMessage {
  readonly batchSize: number;
}

export class RedisCalls {
  #client: DatabaseClient | undefined;
  readonly #commands = new RedisCommands();
  /** The place of the last command, which mostly is that of the next. */
  #last: Database | undefined;

  /** Those of a pipeline are its span's. */
  startCommand(message: CommandMessage): DatabaseCall | undefined {
    if (message.batchMode !== undefined) return undefined;
    const operation = this.#commands.of(message.command);
    const call = this.#databaseOf(message).start(operation);
    if (call?.span.isRecording()) {
      call.span.setAttribute(Db.queryText, redisText(operation.key, message.args.slice(1)));
    }
    return call;
  }

  startBatch(message: BatchMessage): DatabaseCall | undefined {
    const { batchMode = 'PIPELINE', batchSize } = message;
    const call = this.#databaseOf(message).start(this.#commands.of(batchMode));
    if (batchSize > 1 && call?.span.isRecording()) call.span.setAttribute(Db.batchSize, batchSize);
    return call;
  }

  #databaseOf({ database = 0, serverAddress, serverPort }: ServerMessage): Database {
    const namespace = String(database);
    const last = this.#last?.place;
    const isLast =
      last?.namespace === namespace && last.address === serverAddress && last.port === serverPort;
    if (isLast) return this.#last!;
    this.#client ??= new DatabaseClient();
    this.#last = this.#client.at({ system: 'redis', namespace, address: serverAddress, port: serverPort });
    return this.#last;
  }
}
