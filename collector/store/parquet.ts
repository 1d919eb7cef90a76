// Writing Parquet files: a generation's partitions, and several files merged into one.
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Database, quote } from './database.ts';
import type { Generation } from './generation.ts';
import { type StoreFile, syncPath } from './manifest.ts';
import { partitionName } from './partition.ts';
import { fileRows, generationRows } from './snapshot.ts';
import { type TableName, tableNames, tables } from './tables.ts';

/** So many times their size may rows take while they are sorted, in the memory for a merge. */
const SORT_FACTOR = 2;
/** Of the memory for a merge: what a row group takes at most, where its rows are so large that their number says little. */
const ROW_GROUP_SHARE = 1 / 8;

export interface ParquetWriterOptions {
  readonly directory: string;
  /** What a merge may hold in memory. */
  readonly mergeBytes: number;
  /** Gives the number that makes the next file's name its own. */
  readonly nextNumber: () => number;
}

/** Writes files under names that were never used before, and forces them to stable storage. */
export class ParquetWriter {
  readonly #database: Database;
  readonly #options: ParquetWriterOptions;

  constructor(database: Database, options: ParquetWriterOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** One file for each table and partition of the generation. On failure none of them is left. */
  async writeGeneration(generation: Generation): Promise<StoreFile[]> {
    const files: StoreFile[] = [];
    try {
      for (const table of tableNames) {
        for (const [partition, extent] of generation.extents.get(table)!) {
          const rows = sorted(table, generationRows(generation, table, partition));
          const { from, to, arrived, memory } = extent;
          const facts = { partition, level: 0, from, to, arrived };
          files.push({ ...(await this.#write(this.#database, table, rows, facts)), memory });
        }
      }
      await this.#syncDirectories(files);
      return files;
    } catch (error) {
      await this.remove(files);
      throw error;
    }
  }

  /**
   * One file with the rows of all of these, which are of one table and partition: sorted as one where memory is enough
   * for that, otherwise one sorted stretch behind the other, which takes no more than a few row groups of memory,
   * however much there is. It has a database for itself, so that what it takes is not missing elsewhere.
   */
  async merge(files: readonly [StoreFile, ...StoreFile[]]): Promise<StoreFile> {
    const { directory, mergeBytes } = this.#options;
    const { table, partition } = files[0];
    const inOrder = files.toSorted((a, b) => a.from - b.from);
    const memory = files.reduce((sum, file) => sum + file.memory, 0);
    const rows = fileRows(table, inOrder, directory);
    // Of several threads each would read and write row groups of its own, and leave the stretches in no order.
    const database = await Database.beside({ directory, memoryBytes: mergeBytes, threads: 1 });
    try {
      const fits = memory * SORT_FACTOR <= mergeBytes;
      const merged = await this.#write(database, table, fits ? sorted(table, rows) : rows, {
        partition,
        level: Math.max(...files.map(file => file.level)) + 1,
        from: inOrder[0]!.from,
        to: Math.max(...files.map(file => file.to)),
        arrived: Math.max(...files.map(file => file.arrived)),
      });
      await this.#syncDirectories([merged]);
      const before = files.reduce((sum, file) => sum + file.rows, 0);
      // Of a dictionary fewer rows are left.
      return { ...merged, memory: Math.round((memory * merged.rows) / before) };
    } finally {
      await database.close();
    }
  }

  async #write(
    database: Database,
    table: TableName,
    rows: string,
    facts: Pick<StoreFile, 'partition' | 'level' | 'from' | 'to' | 'arrived'>,
  ): Promise<Omit<StoreFile, 'memory'>> {
    const name = `${table}/${partitionName(facts.partition)}-${this.#options.nextNumber()}.parquet`;
    const { directory, mergeBytes } = this.#options;
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      const [[count] = []] = await database.rows(
        `COPY (${rows}) TO ${quote(path)} (FORMAT parquet, COMPRESSION zstd,
         ROW_GROUP_SIZE ${tables[table].rowGroup}, ROW_GROUP_SIZE_BYTES ${Math.floor(mergeBytes * ROW_GROUP_SHARE)})`,
      );
      await syncPath(path);
      const { size } = await stat(path);
      return { name, table, rows: Number(count), bytes: size, ...facts };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async #syncDirectories(files: readonly Pick<StoreFile, 'name'>[]): Promise<void> {
    const directories = new Set(files.map(file => dirname(join(this.#options.directory, file.name))));
    for (const directory of directories) await syncPath(directory);
    if (directories.size > 0) await syncPath(this.#options.directory);
  }

  async remove(files: readonly StoreFile[]): Promise<void> {
    for (const file of files) await rm(join(this.#options.directory, file.name), { force: true });
  }
}

/** The rows in the table's order, each row of a dictionary once. */
function sorted(table: TableName, rows: string): string {
  const { order, dictionary } = tables[table];
  return `SELECT ${dictionary ? 'DISTINCT ON (id)' : ''} * FROM (${rows}) ORDER BY ${order}`;
}
