// Rows on their way into the store: translated first, appended in one stretch afterwards.
import type { DropReason } from '../component.ts';
import type { Cell, TableName } from './tables.ts';

/** A dictionary row that other rows point to. The same entry may be given with any number of rows. */
export interface Entry {
  readonly table: TableName;
  readonly id: bigint;
  /** In the order of the table's columns; the first is `id`. */
  readonly cells: readonly Cell[];
}

export interface Row {
  readonly table: TableName;
  /** Decides the partition. Milliseconds since the Unix epoch. */
  readonly time: number;
  /** In the order of the table's columns. */
  readonly cells: readonly Cell[];
  readonly entry: Entry;
}

/** Collects the rows of one batch, so that a batch that fails half-way leaves nothing behind. */
export class RowBatch {
  readonly rows: Row[] = [];
  /** Rows that were left out, by reason: an item may have several. */
  readonly dropped: Map<string, number> = new Map();
  /** Items of which nothing is kept, by reason. */
  readonly lost: Map<DropReason, number> = new Map();
  /** When the batch arrived. Milliseconds since the Unix epoch. */
  readonly arrived: number;

  constructor(arrived: number) {
    this.arrived = arrived;
  }

  add(table: TableName, time: number, cells: readonly Cell[], entry: Entry): void {
    this.rows.push({ table, time, cells, entry });
  }

  drop(reason: string, rows: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + rows);
  }

  lose(reason: DropReason, items: number): void {
    this.lost.set(reason, (this.lost.get(reason) ?? 0) + items);
  }
}
