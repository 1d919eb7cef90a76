// Writing Parquet files: a generation's partitions, and several files merged into one.
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Database, quote } from './database.ts';
import type { Generation } from './generation.ts';
import { type StoreFile, syncPath } from './manifest.ts';
import { partitionName } from './partition.ts';
import { fileRows, generationRows } from './snapshot.ts';
import { type TableName, tableNames, tables } from './tables.ts';

/** Writes files under names that were never used before, and forces them to stable storage. */
export class ParquetWriter {
  readonly #database: Database;
  readonly #directory: string;
  /** Gives the number that makes the next file's name its own. */
  readonly #nextNumber: () => number;

  constructor(database: Database, directory: string, nextNumber: () => number) {
    this.#database = database;
    this.#directory = directory;
    this.#nextNumber = nextNumber;
  }

  /** One file for each table and partition of the generation. On failure none of them is left. */
  async writeGeneration(generation: Generation): Promise<StoreFile[]> {
    const files: StoreFile[] = [];
    try {
      for (const table of tableNames) {
        for (const [partition, extent] of generation.extents.get(table)!) {
          const rows = generationRows(generation, table, partition);
          const { from, to, arrived } = extent;
          files.push(await this.#write(table, rows, { partition, level: 0, from, to, arrived }));
        }
      }
      await this.#syncDirectories(files);
      return files;
    } catch (error) {
      await this.remove(files);
      throw error;
    }
  }

  /** One file with the rows of all of these, which are of one table and partition. */
  async merge(files: readonly [StoreFile, ...StoreFile[]]): Promise<StoreFile> {
    const { table, partition } = files[0];
    const merged = await this.#write(table, fileRows(table, files, this.#directory), {
      partition,
      level: Math.max(...files.map(file => file.level)) + 1,
      from: Math.min(...files.map(file => file.from)),
      to: Math.max(...files.map(file => file.to)),
      arrived: Math.max(...files.map(file => file.arrived)),
    });
    await this.#syncDirectories([merged]);
    return merged;
  }

  async #write(
    table: TableName,
    rows: string,
    facts: Pick<StoreFile, 'partition' | 'level' | 'from' | 'to' | 'arrived'>,
  ): Promise<StoreFile> {
    const name = `${table}/${partitionName(facts.partition)}-${this.#nextNumber()}.parquet`;
    const path = join(this.#directory, name);
    const { order, dictionary, rowGroup } = tables[table];
    const distinct = dictionary ? 'DISTINCT ON (id)' : '';
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      const [[count] = []] = await this.#database.rows(
        `COPY (SELECT ${distinct} * FROM (${rows}) ORDER BY ${order}) TO ${quote(path)}
         (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroup})`,
      );
      await syncPath(path);
      const { size } = await stat(path);
      return { name, table, rows: Number(count), bytes: size, ...facts };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async #syncDirectories(files: readonly StoreFile[]): Promise<void> {
    const directories = new Set(files.map(file => dirname(join(this.#directory, file.name))));
    for (const directory of directories) await syncPath(directory);
    if (directories.size > 0) await syncPath(this.#directory);
  }

  async remove(files: readonly StoreFile[]): Promise<void> {
    for (const file of files) await rm(join(this.#directory, file.name), { force: true });
  }
}
