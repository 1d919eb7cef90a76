// DuckDB as the store uses it: one locked-down in-memory instance, pooled connections, typed parameters.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BIGINT,
  DOUBLE,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  listValue,
  VARCHAR,
} from '@duckdb/node-api';
import { LimitError, StoreClosedError } from './store.ts';

export interface DatabaseOptions {
  readonly directory: string;
  /** What DuckDB may hold in memory, rows that are not on disk yet included; beyond it queries spill to disk. */
  readonly memoryBytes: number;
  readonly threads: number;
}

const CONNECTIONS_MAX = 4;
/** Characters in all rows of one result. */
const RESULT_TEXT_MAX = 256 * 2 ** 20;

/** The values of a query's parameters; each method returns the placeholder for the value it takes. */
export class Parameters {
  readonly values: DuckDBValue[] = [];
  readonly types: DuckDBType[] = [];

  text(value: string): string {
    return this.#add(value, VARCHAR);
  }

  /** A 64-bit integer; what lies outside is clamped. */
  integer(value: bigint): string {
    return this.#add(clampInt64(value), BIGINT);
  }

  double(value: number): string {
    return this.#add(value, DOUBLE);
  }

  integers(values: readonly bigint[]): string {
    return this.#add(listValue(values), LIST(BIGINT));
  }

  texts(values: readonly string[]): string {
    return this.#add(listValue(values), LIST(VARCHAR));
  }

  #add(value: DuckDBValue, type: DuckDBType): string {
    this.values.push(value);
    this.types.push(type);
    return `$${this.values.length}`;
  }
}

function textLength(row: readonly DuckDBValue[]): number {
  let length = 0;
  for (const value of row) if (typeof value === 'string') length += value.length;
  return length;
}

const INT64_MAX = 2n ** 63n - 1n;

/** The nearest value that a BIGINT column can hold. */
function clampInt64(value: bigint): bigint {
  if (value > INT64_MAX) return INT64_MAX;
  return value < -INT64_MAX ? -INT64_MAX : value;
}

export class Database {
  readonly #instance: DuckDBInstance;
  /** The directory whose lock it holds. */
  readonly #locked: string | undefined;
  readonly #idle: DuckDBConnection[] = [];
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #closed = false;

  private constructor(instance: DuckDBInstance, first: DuckDBConnection, locked: string | undefined) {
    this.#instance = instance;
    this.#locked = locked;
    this.#open = 1;
    this.#idle.push(first);
  }

  /**
   * Opens the instance and holds the directory's lock until {@link close} or the end of the process. Nothing outside
   * the directory can be read or written through it, whatever the SQL says.
   * @throws Error that names the directory when another process has it
   */
  static open(options: DatabaseOptions): Promise<Database> {
    return Database.#start(options, 'tmp', options.directory);
  }

  /** One more instance for him who has the directory: its memory is its own, and given back when it is closed. */
  static beside(options: DatabaseOptions): Promise<Database> {
    return Database.#start(options, 'tmp-beside', undefined);
  }

  static async #start(
    options: DatabaseOptions,
    folder: string,
    locked: string | undefined,
  ): Promise<Database> {
    const { directory } = options;
    const temporary = join(directory, folder);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${Math.ceil(options.memoryBytes / 1024)}KiB`,
      threads: String(options.threads),
      temp_directory: temporary,
    });
    const connection = await instance.connect();
    try {
      if (locked !== undefined) await lock(connection, locked);
      await connection.run(`SET allowed_directories = [${quote(directory)}]`);
      for (const setting of lockdown) await connection.run(setting);
    } catch (error) {
      connection.closeSync();
      instance.closeSync();
      throw error;
    }
    return new Database(instance, connection, locked);
  }

  /** A connection of one's own. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /** Runs a statement that returns nothing. */
  async run(sql: string): Promise<void> {
    await this.#borrow(async connection => {
      await connection.run(sql);
    });
  }

  /**
   * All rows; each an array of the selected columns. Rejects with the signal's reason when it aborts, with a
   * {@link LimitError} when their texts together are too long.
   */
  async rows(
    sql: string,
    parameters: Parameters = new Parameters(),
    signal?: AbortSignal | undefined,
  ): Promise<DuckDBValue[][]> {
    const rows: DuckDBValue[][] = [];
    let counted = 0;
    let size = 0;
    await this.chunks(sql, parameters, signal, chunk => {
      chunk.appendToRows(rows);
      for (; counted < rows.length; counted++) size += textLength(rows[counted]!);
      if (size > RESULT_TEXT_MAX) {
        throw new LimitError(`the result has more than RESULT_TEXT_MAX = ${RESULT_TEXT_MAX} characters`);
      }
    });
    return rows;
  }

  /** Hands the result over chunk by chunk, as it comes. What `take` throws ends the query. */
  async chunks(
    sql: string,
    parameters: Parameters,
    signal: AbortSignal | undefined,
    take: (chunk: DuckDBDataChunk) => void,
  ): Promise<void> {
    signal?.throwIfAborted();
    await this.#borrow(async connection => {
      const interrupt = (): void => connection.interrupt();
      signal?.addEventListener('abort', interrupt, { once: true });
      try {
        signal?.throwIfAborted();
        const result = await connection.stream(sql, parameters.values, parameters.types);
        for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; ) {
          take(chunk);
          signal?.throwIfAborted();
          chunk = await result.fetchChunk();
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', interrupt);
      }
    });
  }

  async #borrow<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    while (!this.#closed && this.#idle.length === 0 && this.#open >= CONNECTIONS_MAX) {
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
    if (this.#closed) throw new StoreClosedError();
    const connection = this.#idle.pop() ?? (await this.#connectOneMore());
    try {
      return await use(connection);
    } finally {
      if (this.#closed) {
        this.#open--;
        connection.closeSync();
      } else this.#idle.push(connection);
      this.#waiting.shift()?.();
    }
  }

  async #connectOneMore(): Promise<DuckDBConnection> {
    this.#open++;
    try {
      return await this.#instance.connect();
    } catch (error) {
      this.#open--;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  /** Lets go of the directory, and of everything else once the queries that run now are done. */
  async close(): Promise<void> {
    if (this.#locked !== undefined) {
      await this.run('DETACH store_lock');
      held.delete(this.#locked);
    }
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    for (const connection of this.#idle.splice(0)) connection.closeSync();
    this.#instance.closeSync();
  }
}

/** After these nothing can be loaded from elsewhere, and no SQL can lift the bars. */
const lockdown: readonly string[] = [
  'SET preserve_insertion_order = false',
  'SET parquet_metadata_cache = true',
  'SET autoinstall_known_extensions = false',
  'SET autoload_known_extensions = false',
  'SET enable_external_access = false',
  'SET lock_configuration = true',
];

/**
 * Takes the directory's lock: DuckDB locks an attached database file by fcntl, which the kernel frees when the holder
 * dies. The file stays empty. One that is damaged can have no holder, and is made anew.
 */
async function lock(connection: DuckDBConnection, directory: string): Promise<void> {
  if (held.has(directory)) throw new Error(`${directory} is in use by another store of this process`);
  const path = join(directory, 'store.lock');
  const attach = `ATTACH ${quote(path)} AS store_lock`;
  try {
    await connection.run(attach);
  } catch (error) {
    const message = (error as Error).message;
    if (message.includes('Conflicting lock')) {
      const holder = /\(PID (\d+)\)/.exec(message)?.[1] ?? '(unknown)';
      throw new Error(`${directory} is in use by process ${holder}`, { cause: error });
    }
    if (!message.includes('not a valid DuckDB database file')) throw error;
    await rm(path, { force: true });
    await connection.run(attach);
  }
  held.add(directory);
}

/** The kernel's locks are between processes: what this one has open is known here. */
const held = new Set<string>();

/** A string literal. Only for names that this program made itself: values travel as {@link Parameters}. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
