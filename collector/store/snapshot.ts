// What a query reads: the generations and files of one moment, held until the query is done.
import { join } from 'node:path';
import { quote } from './database.ts';
import type { Generation } from './generation.ts';
import type { StoreFile } from './manifest.ts';
import type { TimeRange } from './store.ts';
import { columnsOf, type TableName, tables } from './tables.ts';

/** A file that the manifest names, or named: it is deleted when it is retired and nobody reads it. */
export interface HeldFile extends StoreFile {
  users: number;
  retired: boolean;
}

/** Everything that is in the store at one moment. Replaced as a whole, never changed. */
export interface Contents {
  readonly generations: readonly Generation[];
  readonly files: readonly HeldFile[];
}

export class Snapshot {
  readonly #contents: Contents;
  readonly #directory: string;

  constructor(contents: Contents, directory: string) {
    this.#contents = contents;
    this.#directory = directory;
  }

  /** A table expression over all rows of the table that may lie in the range; the query still has to compare times. */
  table(name: TableName, range?: TimeRange): string {
    const parts = this.#contents.generations.map(generation => generationRows(generation, name));
    const files = this.#contents.files.filter(
      file =>
        // A file's ends are whole milliseconds, its rows lie up to one behind.
        file.table === name &&
        (range === undefined || (file.to >= Math.floor(range.start) && file.from <= range.end)),
    );
    if (files.length > 0) parts.push(fileRows(name, files, this.#directory));
    return `(${parts.join(' UNION ALL ')})`;
  }
}

/** The rows of one table of a generation. `ordinal` numbers them in the order of their arrival, over all generations. */
export function generationRows({ number, schema }: Generation, name: TableName, partition?: number): string {
  const columns = Object.keys(tables[name].columns);
  if (!tables[name].dictionary) columns.push(`(${number}::BIGINT << 32) + rowid AS ordinal`);
  const where = partition === undefined ? '' : ` WHERE partition = ${partition}`;
  return `SELECT ${columns.join(', ')} FROM ${schema}.${name}${where}`;
}

/** The rows of files of one table. */
export function fileRows(name: TableName, files: readonly StoreFile[], directory: string): string {
  const paths = files.map(file => quote(join(directory, file.name)));
  return `SELECT ${columnsOf(name).join(', ')} FROM read_parquet([${paths.join(', ')}])`;
}
