// One generation: the rows that came since the last flush, in memory tables of their own.
import {
  type DuckDBAppender,
  type DuckDBConnection,
  type DuckDBMapType,
  DuckDBMapValue,
  MAP,
  VARCHAR,
} from '@duckdb/node-api';
import type { Position } from '../component.ts';
import type { Database } from './database.ts';
import { partitionOf } from './partition.ts';
import type { Entry, RowBatch } from './row-batch.ts';
import type { Labels } from './store.ts';
import { type Cell, type ColumnType, type TableName, tableNames, tables } from './tables.ts';

/*
 *   append ──▶ current generation          queries see all three, in one snapshot
 *                  │ rotate
 *                  ▼
 *              closing generation ── COPY ──▶ Parquet files ── manifest ──▶ dropped
 *
 * Invariant: a row is in exactly one of current, closing and the manifest's files; a batch is in one of them wholly.
 */

/** What a partition of one table holds. Times in milliseconds since the Unix epoch. */
export interface Extent {
  rows: number;
  from: number;
  to: number;
  arrived: number;
  /** An estimate of what the rows take in memory, in bytes. */
  memory: number;
}

/** A dictionary row that a generation got first with the rows that are being appended. */
interface Addition {
  readonly known: Set<bigint>;
  readonly entry: Entry;
  readonly partition: number;
}

const labelsType: DuckDBMapType = MAP(VARCHAR, VARCHAR);
/** An estimate of what a row takes beside its texts and bytes. */
const ROW_BYTES = 64;

export class Generation {
  readonly number: number;
  /** The schema that its tables are in. */
  readonly schema: string;
  /** The last batch in it; what is at or below is in it or in an earlier generation. */
  position: Position | null;
  rows = 0;
  /** An estimate of the memory that the rows take. */
  bytes = 0;
  /** Snapshots that read it. */
  users = 0;
  /** No longer part of the store: dropped as soon as nobody reads it. */
  retired = false;
  readonly extents: ReadonlyMap<TableName, Map<number, Extent>>;
  readonly #connection: DuckDBConnection;
  readonly #appenders = new Map<TableName, DuckDBAppender>();
  /** The dictionary rows it has, by table and partition. */
  readonly #known: ReadonlyMap<TableName, Map<number, Set<bigint>>>;

  private constructor(number: number, position: Position | null, connection: DuckDBConnection) {
    this.number = number;
    this.schema = `generation_${number}`;
    this.position = position;
    this.#connection = connection;
    this.extents = new Map(tableNames.map(name => [name, new Map()]));
    this.#known = new Map(tableNames.map(name => [name, new Map()]));
  }

  /** @param position what the generation before it, or the manifest, ends with */
  static async create(database: Database, number: number, position: Position | null): Promise<Generation> {
    const generation = new Generation(number, position, await database.connect());
    await generation.#connection.run(`CREATE SCHEMA ${generation.schema}`);
    for (const name of tableNames) {
      const columns = Object.entries(tables[name].columns).map(([column, type]) => `${column} ${type}`);
      await generation.#connection.run(
        `CREATE TABLE ${generation.schema}.${name} (partition INTEGER, ${columns.join(', ')})`,
      );
    }
    return generation;
  }

  /**
   * Adds the rows of batches, up to and including the one at `position`, all or none: queries see them when this
   * resolves. Must not be called again before that.
   */
  async append(batches: readonly RowBatch[], position: Position): Promise<void> {
    const added: Addition[] = [];
    const touched = new Set<TableName>();
    await this.#connection.run('BEGIN');
    try {
      for (const batch of batches) await this.#appendBatch(batch, touched, added);
      for (const name of touched) this.#appenders.get(name)!.flushSync();
      await this.#connection.run('COMMIT');
    } catch (error) {
      for (const { known, entry } of added) known.delete(entry.id);
      this.#abandonAppenders();
      // A commit that has failed has ended the transaction already, and it is its error that counts.
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw error;
    }
    this.position = position;
    for (const batch of batches) this.#count(batch);
    for (const { entry, partition } of added)
      this.#grow(this.extents.get(entry.table)!.get(partition)!, entry.cells);
  }

  async #appendBatch(batch: RowBatch, touched: Set<TableName>, added: Addition[]): Promise<void> {
    for (const { table, time, cells, entry } of batch.rows) {
      const partition = partitionOf(time, batch.arrived);
      const known = this.#knownIn(entry.table, partition);
      if (!known.has(entry.id)) {
        known.add(entry.id);
        added.push({ known, entry, partition });
        await this.#appendEntry(entry, partition, touched);
      }
      touched.add(table);
      appendRow(this.#appenders.get(table) ?? (await this.#appender(table)), table, partition, cells);
    }
  }

  async #appendEntry(entry: Entry, partition: number, touched: Set<TableName>): Promise<void> {
    touched.add(entry.table);
    appendRow(await this.#appender(entry.table), entry.table, partition, entry.cells);
  }

  #knownIn(table: TableName, partition: number): Set<bigint> {
    const partitions = this.#known.get(table)!;
    const known = partitions.get(partition) ?? new Set();
    partitions.set(partition, known);
    return known;
  }

  async #appender(table: TableName): Promise<DuckDBAppender> {
    let appender = this.#appenders.get(table);
    if (appender === undefined) {
      appender = await this.#connection.createAppender(table, this.schema);
      this.#appenders.set(table, appender);
    }
    return appender;
  }

  /** After a failure an appender may hold half a row. */
  #abandonAppenders(): void {
    for (const appender of this.#appenders.values()) {
      try {
        appender.clear();
        appender.closeSync();
      } catch {
        // It refuses to be closed in its broken state; the transaction that is rolled back takes its rows away.
      }
    }
    this.#appenders.clear();
  }

  #count(batch: RowBatch): void {
    for (const { table, time, cells, entry } of batch.rows) {
      const partition = partitionOf(time, batch.arrived);
      const extent = this.#extend(table, partition, time, batch.arrived);
      this.#extend(entry.table, partition, time, batch.arrived);
      this.rows++;
      this.#grow(extent, cells);
    }
  }

  #grow(extent: Extent, cells: readonly Cell[]): void {
    const size = sizeOf(cells);
    extent.memory += size;
    this.bytes += size;
  }

  #extend(table: TableName, partition: number, time: number, arrived: number): Extent {
    const extents = this.extents.get(table)!;
    const extent = extents.get(partition);
    if (extent === undefined) {
      const first: Extent = { rows: 1, from: time, to: time, arrived, memory: 0 };
      extents.set(partition, first);
      return first;
    }
    extent.rows++;
    if (time < extent.from) extent.from = time;
    if (time > extent.to) extent.to = time;
    if (arrived > extent.arrived) extent.arrived = arrived;
    return extent;
  }

  /** Takes no more rows. */
  seal(): void {
    for (const appender of this.#appenders.values()) appender.closeSync();
    this.#appenders.clear();
  }

  async drop(): Promise<void> {
    await this.#connection.run(`DROP SCHEMA ${this.schema} CASCADE`);
    this.#connection.closeSync();
  }
}

function appendRow(
  appender: DuckDBAppender,
  table: TableName,
  partition: number,
  cells: readonly Cell[],
): void {
  const types = columnTypes[table];
  appender.appendInteger(partition);
  for (let i = 0; i < types.length; i++) appendCell(appender, types[i]!, cells[i]!);
  appender.endRow();
}

function appendCell(appender: DuckDBAppender, type: ColumnType, cell: Cell): void {
  if (type === 'VARCHAR') appender.appendVarchar(cell as string);
  else if (type === 'BIGINT') appender.appendBigInt(cell as bigint);
  else if (type === 'DOUBLE') appender.appendDouble(cell as number);
  else if (type === 'INTEGER') appender.appendInteger(cell as number);
  else if (type === 'BLOB') appender.appendBlob(cell as Uint8Array);
  else appender.appendMap(mapValue(cell as Labels), labelsType);
}

const columnTypes = Object.fromEntries(
  tableNames.map(name => [name, Object.values(tables[name].columns)]),
) as unknown as Readonly<Record<TableName, readonly ColumnType[]>>;

function mapValue(labels: Labels): DuckDBMapValue {
  return new DuckDBMapValue(Array.from(labels, ([key, value]) => ({ key, value })));
}

function sizeOf(cells: readonly Cell[]): number {
  let bytes = ROW_BYTES;
  for (const cell of cells) {
    if (typeof cell === 'string' || cell instanceof Uint8Array) bytes += cell.length;
    else if (cell instanceof Map) for (const [key, value] of cell) bytes += key.length + value.length;
  }
  return bytes;
}
