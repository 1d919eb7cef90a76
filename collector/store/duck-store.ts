// The store: new rows in memory, older ones in Parquet, one consistent view over both, exactly one copy of each.
import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Position } from '../component.ts';
import { makeDirectory } from '../directory.ts';
import { mergeable } from './compaction.ts';
import { Database } from './database.ts';
import { DuckLogStore } from './duck-log-store.ts';
import { DuckMetricStore } from './duck-metric-store.ts';
import { DuckTraceStore } from './duck-trace-store.ts';
import { Generation } from './generation.ts';
import { readManifest, type StoreFile, writeManifest } from './manifest.ts';
import { ParquetWriter } from './parquet.ts';
import { expired, type Retention } from './retention.ts';
import type { RowBatch } from './row-batch.ts';
import { Serial } from './serial.ts';
import { type Contents, type HeldFile, Snapshot } from './snapshot.ts';
import type { LogStore, MetricStore, Store, TraceStore } from './store.ts';
import { tableNames } from './tables.ts';

export interface DuckStoreOptions {
  readonly path: string;
  /** What the database may hold in memory, that of {@link MERGE_SHARE} for merges alone. */
  readonly memoryBytes: number;
  readonly threads: number;
  /** Rows in memory go to disk when the first of these is reached. */
  readonly flush: { readonly intervalMs: number; readonly rows: number; readonly bytes: number };
  readonly retention: Retention;
  /** Told about every failure of the work behind the scenes, which is tried again by itself unless the error says otherwise. */
  readonly onError: (error: Error) => void;
}

/** Counters since the start, and the present size. */
export interface StoreStats {
  readonly rowsInMemory: number;
  readonly files: number;
  readonly bytes: number;
  readonly flushes: number;
  readonly flushFailures: number;
  readonly merges: number;
  /** Rows and files that retention dropped. */
  readonly expiredRows: number;
  readonly expiredFiles: number;
  /** Files that the manifest names and the disk has lost. */
  readonly missingFiles: number;
  /** Files that no manifest names, removed at the start. */
  readonly strayFiles: number;
}

/** No room now: it comes back when rows have gone to disk. */
export class StoreFullError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreFullError';
  }
}

type Counters = { -readonly [Name in keyof StoreStats]: StoreStats[Name] };

/** DuckDB says it in its own words where it appends or commits. */
const outOfMemory = /^Out of Memory|could not allocate|failed to (?:allocate|pin|offload)/i;

/** Of the memory: a merge that took from the rest would make it too small for rows that come meanwhile. */
const MERGE_SHARE = 1 / 4;

/** So many times the flush threshold fit into memory while the disk refuses; then appending refuses as well. */
const BACKLOG = 2;

export class DuckStore implements Store {
  readonly metrics: MetricStore;
  readonly logs: LogStore;
  readonly traces: TraceStore;
  readonly #options: DuckStoreOptions;
  readonly #database: Database;
  readonly #parquet: ParquetWriter;
  /** Appending, and taking the current generation away from it. */
  readonly #appending = new Serial();
  /** Everything that writes files or the manifest. */
  readonly #upkeep = new Serial();
  readonly #counters: Counters;
  /** Files whose merge has found no memory: it would find none the next time. */
  readonly #unmergeable = new WeakSet<HeldFile>();
  readonly #startedAt = Date.now() - performance.now();
  #contents: Contents;
  #current: Generation;
  #closing: Generation | null = null;
  #sequence: number;
  #durable: Position | null;
  #onDurable: (position: Position) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    options: DuckStoreOptions,
    database: Database,
    manifest: { sequence: number; position: Position | null; files: readonly StoreFile[] },
    current: Generation,
    counters: Counters,
  ) {
    this.#options = options;
    this.#database = database;
    this.#sequence = manifest.sequence + 1;
    this.#durable = manifest.position;
    this.#current = current;
    this.#counters = counters;
    this.#contents = { generations: [current], files: manifest.files.map(hold) };
    this.#parquet = new ParquetWriter(database, {
      directory: options.path,
      mergeBytes: options.memoryBytes * MERGE_SHARE,
      nextNumber: () => this.#sequence++,
    });
    const source = { database, read: this.#read.bind(this) };
    this.metrics = new DuckMetricStore(source);
    this.logs = new DuckLogStore(source);
    this.traces = new DuckTraceStore(source);
    this.#schedule();
  }

  /** @throws Error that names the path: in use, not writable, or with a manifest that cannot be understood */
  static async open(given: DuckStoreOptions): Promise<DuckStore> {
    const options = { ...given, path: resolve(given.path) };
    const { path } = options;
    if (/[*?[\]{}]/.test(path)) throw new Error(`the store's path ${path} must be without * ? [ ] { }`);
    try {
      await makeDirectory(path, 0o700);
    } catch (error) {
      throw new Error(`the store's directory cannot be used: ${(error as Error).message}`, { cause: error });
    }
    const database = await Database.open({
      directory: path,
      memoryBytes: options.memoryBytes * (1 - MERGE_SHARE),
      threads: options.threads,
    });
    try {
      const manifest = await readManifest(path);
      const counters = noCounts();
      const files = await presentFiles(path, manifest.files);
      counters.missingFiles = manifest.files.length - files.length;
      counters.strayFiles = await removeStrays(path, files);
      const current = await Generation.create(database, manifest.sequence, manifest.position);
      return new DuckStore(options, database, { ...manifest, files }, current, counters);
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** All up to here survives the end of the process. */
  get durablePosition(): Position | null {
    return this.#durable;
  }

  /** All up to here is visible to queries. */
  get position(): Position | null {
    return this.#current.position;
  }

  /** The one listener is told after every commit. */
  onDurable(listener: (position: Position) => void): void {
    this.#onDurable = listener;
  }

  /**
   * Adds the rows of consecutive batches, the last of them at `position`. Queries see all of them when this resolves,
   * and none when it rejects. After a {@link StoreFullError} the same call may be made again later.
   */
  append(batches: readonly RowBatch[], position: Position): Promise<void> {
    return this.#appending.run(async () => {
      const { rows, bytes } = this.#options.flush;
      const overfull = (generation: Generation, times: number): boolean =>
        generation.rows >= rows * times || generation.bytes >= bytes * times;
      if (overfull(this.#current, BACKLOG)) {
        throw new StoreFullError(
          'the store has as many rows in memory as it may, and they are not on disk yet',
        );
      }
      try {
        await this.#current.append(batches, position);
      } catch (error) {
        if (!outOfMemory.test((error as Error).message)) throw error;
        this.#flushInBackground();
        throw new StoreFullError(`the store's memory is full: ${(error as Error).message}`, { cause: error });
      }
      if (overfull(this.#current, 1)) this.#flushInBackground();
    });
  }

  /** Writes to disk what is in memory; resolves after the commit. */
  flush(): Promise<void> {
    return this.#upkeep.run(async () => {
      try {
        await this.#flushOnce();
      } catch (error) {
        this.#counters.flushFailures++;
        throw error;
      }
      await this.#compactAndExpire();
    });
  }

  async #flushOnce(): Promise<void> {
    if (this.#closing === null && !(await this.#rotate())) return;
    const closing = this.#closing!;
    const files = (await this.#parquet.writeGeneration(closing)).map(hold);
    await this.#commit([...this.#contents.files, ...files], closing.position, files);
    this.#contents = { ...this.#contents, generations: [this.#current] };
    this.#closing = null;
    this.#counters.flushes++;
    closing.retired = true;
    await this.#discard([closing], []);
    if (closing.position !== null) this.#onDurable(closing.position);
  }

  /** Begins a new generation; false when the current one has nothing that is not durable. */
  #rotate(): Promise<boolean> {
    return this.#appending.run(async () => {
      const closing = this.#current;
      if (closing.position === this.#durable && closing.rows === 0) return false;
      const next = await Generation.create(this.#database, this.#sequence++, closing.position);
      closing.seal();
      this.#closing = closing;
      this.#current = next;
      this.#contents = { ...this.#contents, generations: [closing, next] };
      return true;
    });
  }

  /** Makes `files` the store's files. When the manifest cannot be written the `added` ones are removed again. */
  async #commit(
    files: readonly HeldFile[],
    position: Position | null,
    added: readonly HeldFile[],
  ): Promise<void> {
    try {
      const plain = files.map(({ users: _users, retired: _retired, ...file }) => file);
      await writeManifest(this.#options.path, { sequence: this.#sequence, position, files: plain });
    } catch (error) {
      await this.#parquet.remove(added).catch(() => {});
      throw error;
    }
    this.#durable = position;
    this.#contents = { ...this.#contents, files };
  }

  async #compactAndExpire(): Promise<void> {
    const { retention } = this.#options;
    const gone = expired(this.#contents.files, retention, this.#now());
    if (gone.size > 0) {
      await this.#replace(gone, []);
      this.#counters.expiredFiles += gone.size;
      for (const file of gone) this.#counters.expiredRows += file.rows;
    }
    for (let files = this.#nextMerge(); files !== null && !this.#closed; files = this.#nextMerge()) {
      await this.#merge(files);
    }
  }

  async #merge(files: readonly [HeldFile, ...HeldFile[]]): Promise<void> {
    let merged: StoreFile;
    try {
      merged = await this.#parquet.merge(files);
    } catch (error) {
      if (!outOfMemory.test((error as Error).message)) throw error;
      for (const file of files) this.#unmergeable.add(file);
      const reason = `memory is not enough to merge ${files.length} files, which stay as they are`;
      this.#options.onError(new Error(`${reason}: ${(error as Error).message}`, { cause: error }));
      return;
    }
    await this.#replace(new Set(files), [hold(merged)]);
    this.#counters.merges++;
  }

  #nextMerge(): readonly [HeldFile, ...HeldFile[]] | null {
    const files = this.#contents.files.filter(file => !this.#unmergeable.has(file));
    return mergeable(files, this.#now());
  }

  async #replace(gone: ReadonlySet<HeldFile>, added: readonly HeldFile[]): Promise<void> {
    const files = this.#contents.files.filter(file => !gone.has(file));
    await this.#commit([...files, ...added], this.#durable, added);
    for (const file of gone) file.retired = true;
    await this.#discard([], gone);
  }

  /**
   * Wall time, and never more than the start's plus what passed since: a clock that is set while we run expires nothing,
   * neither forward from a right time nor back to it.
   */
  #now(): number {
    return Math.min(Date.now(), this.#startedAt + performance.now());
  }

  /** Runs a query over one moment's contents. */
  async #read<T>(query: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const contents = this.#contents;
    for (const held of [...contents.generations, ...contents.files]) held.users++;
    try {
      return await query(new Snapshot(contents, this.#options.path));
    } finally {
      for (const held of [...contents.generations, ...contents.files]) held.users--;
      await this.#discard(contents.generations, contents.files);
    }
  }

  /** Drops those of them that are retired and that nobody reads. */
  async #discard(generations: Iterable<Generation>, files: Iterable<HeldFile>): Promise<void> {
    try {
      for (const generation of generations) {
        if (generation.retired && generation.users === 0) {
          generation.retired = false;
          await generation.drop();
        }
      }
      for (const file of files) {
        if (file.retired && file.users === 0) await this.#parquet.remove([file]);
      }
    } catch (error) {
      this.#options.onError(error as Error);
    }
  }

  #schedule(): void {
    this.#timer = setInterval(() => this.#flushInBackground(), this.#options.flush.intervalMs);
    this.#timer.unref();
  }

  #flushInBackground(): void {
    if (!this.#closed) this.flush().catch(this.#options.onError);
  }

  stats(): StoreStats {
    const { files, generations } = this.#contents;
    return {
      ...this.#counters,
      rowsInMemory: generations.reduce((sum, generation) => sum + generation.rows, 0),
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    };
  }

  /** Flushes and lets go of the directory. Rejects when the flush failed; the queue has the rows then. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    try {
      await this.#upkeep.run(() => this.#flushOnce());
      if (this.#current.position !== this.#durable) await this.#upkeep.run(() => this.#flushOnce());
    } finally {
      this.#current.retired = true;
      await this.#discard([this.#current], []);
      await this.#database.close();
    }
  }
}

function hold(file: StoreFile): HeldFile {
  return { ...file, users: 0, retired: false };
}

function noCounts(): Counters {
  return {
    rowsInMemory: 0,
    files: 0,
    bytes: 0,
    flushes: 0,
    flushFailures: 0,
    merges: 0,
    expiredRows: 0,
    expiredFiles: 0,
    missingFiles: 0,
    strayFiles: 0,
  };
}

/** The files that are there with the length that the manifest knows. */
async function presentFiles(directory: string, files: readonly StoreFile[]): Promise<StoreFile[]> {
  const present: StoreFile[] = [];
  for (const file of files) {
    const found = await stat(join(directory, file.name)).catch(() => null);
    if (found?.size === file.bytes) present.push(file);
  }
  return present;
}

/** Removes what a crash left between writing a file and naming it; resolves with their number. */
async function removeStrays(directory: string, files: readonly StoreFile[]): Promise<number> {
  const named = new Set(files.map(file => file.name));
  let count = 0;
  for (const table of tableNames) {
    for (const name of await readdir(join(directory, table)).catch(() => [])) {
      if (!name.endsWith('.parquet') || named.has(`${table}/${name}`)) continue;
      await rm(join(directory, table, name), { force: true });
      count++;
    }
  }
  await rm(join(directory, 'manifest.json.new'), { force: true });
  return count;
}
