// What a stopped collector's store holds: how many items, how many of them once, and for how many they stand.
import { join } from 'node:path';
import { Database } from '../../../collector/store/database.ts';
import { readManifest } from '../../../collector/store/manifest.ts';
import { fileRows } from '../../../collector/store/snapshot.ts';
import type { TableName } from '../../../collector/store/tables.ts';

export interface StoreContents {
  readonly spans: Stored;
  readonly logs: Stored;
  readonly samples: Stored;
}

interface Stored {
  readonly rows: number;
  /** Rows that are there already. */
  readonly twice: number;
}

/** How many items a number of stored ones stand for. */
export interface Estimate {
  readonly items: number;
  /** The standard error of it, in items. */
  readonly error: number;
}

const MEMORY_BYTES = 256 * 1024 * 1024;
const NONE = { rows: 0, twice: 0 };

/** @param use gets the rows of a table as an SQL expression, undefined when there are none, and what runs SQL */
async function reading<T>(
  dataDir: string,
  use: (
    rowsOf: (table: TableName) => string | undefined,
    query: (sql: string) => Promise<readonly (readonly unknown[])[]>,
  ) => Promise<T>,
): Promise<T> {
  const directory = join(dataDir, 'store');
  const { files } = await readManifest(directory);
  const database = await Database.open({ directory, memoryBytes: MEMORY_BYTES, threads: 1 });
  try {
    const rowsOf = (table: TableName): string | undefined => {
      const own = files.filter(file => file.table === table);
      return own.length === 0 ? undefined : `(${fileRows(table, own, directory)})`;
    };
    return await use(rowsOf, sql => database.rows(sql));
  } finally {
    await database.close();
  }
}

/** Of spans with an identity of their own, one line of log for each span, and one value of a series at a time. */
export function contentsOf(dataDir: string): Promise<StoreContents> {
  return reading(dataDir, async (rowsOf, query) => {
    const stored = async (table: TableName, identity: string, where = ''): Promise<Stored> => {
      const rows = rowsOf(table);
      if (rows === undefined) return NONE;
      const [[all, distinct]] = (await query(
        `SELECT count(*)::DOUBLE, count(DISTINCT ${identity})::DOUBLE FROM ${rows} ${where}`,
      )) as [[number, number]];
      return { rows: all, twice: all - distinct };
    };
    // Nobody sends that series: the store makes a sample of it for each batch.
    const made = `SELECT id FROM ${rowsOf('series')} WHERE labels['__name__'] = 'target_info'`;
    return {
      spans: await stored('spans', 'trace_id || span_id'),
      logs: await stored('logs', 'trace_id || span_id'),
      samples: await stored('samples', '(series, time)', `WHERE series NOT IN (${made})`),
    };
  });
}

const BITS_56 = 2 ** 56;
const HEX_DIGITS = 14;

/** Where the threshold stands that an item has passed, as SQL that finds its text; empty for what knows none. */
const thresholds = {
  spans: `regexp_extract(raw::VARCHAR, 'ot=(?:[^,]*;)?th:([0-9a-f]{1,${HEX_DIGITS}})', 1)`,
  logs: `regexp_extract(metadata, '"sampling[._]threshold":"([0-9a-f]{1,${HEX_DIGITS}})"', 1)`,
} as const;

/** How many there were of what is in the store, by the weights of what was kept. */
export function estimateOf(dataDir: string, table: keyof typeof thresholds): Promise<Estimate> {
  return reading(dataDir, async (rowsOf, query) => {
    const rows = rowsOf(table);
    if (rows === undefined) return { items: 0, error: 0 };
    const groups = (await query(
      `SELECT ${thresholds[table]} AS threshold, count(*)::DOUBLE FROM ${rows} GROUP BY threshold`,
    )) as [string, number][];
    return estimate(groups.map(([text, count]) => ({ count, weight: weightOf(text) })));
  });
}

/** 2^56 / (2^56 - T) (OpenTelemetry specification, "TraceState: Probability Sampling"). */
function weightOf(threshold: string): number {
  return BITS_56 / (BITS_56 - Number(`0x${threshold.padEnd(HEX_DIGITS, '0')}`));
}

/** Horvitz and Thompson's: each item stands for as many as one of its kind was kept of. */
function estimate(groups: readonly { readonly count: number; readonly weight: number }[]): Estimate {
  const sum = (value: (weight: number) => number): number =>
    groups.reduce((total, { count, weight }) => total + count * value(weight), 0);
  return { items: sum(weight => weight), error: Math.sqrt(sum(weight => weight * (weight - 1))) };
}
