// The tables of the store: their columns, how they are sorted on disk, and which of them are dictionaries.
import type { Labels } from './store.ts';

export type ColumnType = 'VARCHAR' | 'BIGINT' | 'INTEGER' | 'DOUBLE' | 'BLOB' | 'MAP(VARCHAR, VARCHAR)';

/** What one column of one row holds, by its type: text, 64-bit integer, 32-bit integer or double, bytes, labels. */
export type Cell = string | bigint | number | Uint8Array | Labels;

export interface Table {
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Sort order inside a Parquet file: what a selection narrows first, so that row groups can be skipped. */
  readonly order: string;
  /** The same `id` may stand in several files; all its rows are equal. */
  readonly dictionary: boolean;
  /** How many rows make a row group, which is read and written whole: the fewer, the wider they are. */
  readonly rowGroup: number;
}

const ROW_GROUP = 131_072;

/**
 * Rows that repeat much point into a dictionary by a 64-bit hash: spans → scopes (resource and instrumentation scope),
 * logs → streams, samples and exemplars → series. Every partition has the dictionary rows that its own rows point to,
 * so that a partition can be dropped alone.
 */
export const tables = {
  spans: {
    columns: {
      trace_id: 'VARCHAR',
      span_id: 'VARCHAR',
      parent_span_id: 'VARCHAR',
      name: 'VARCHAR',
      kind: 'INTEGER',
      status: 'INTEGER',
      status_message: 'VARCHAR',
      /** Nanoseconds since the Unix epoch. */
      start: 'BIGINT',
      /** Nanoseconds. */
      duration: 'BIGINT',
      scope: 'BIGINT',
      /** A JSON object. */
      attributes: 'VARCHAR',
      /** The bytes of `opentelemetry.proto.trace.v1.Span`. */
      raw: 'BLOB',
    },
    order: 'trace_id, start',
    dictionary: false,
    rowGroup: ROW_GROUP / 16,
  },
  scopes: {
    columns: {
      id: 'BIGINT',
      service: 'VARCHAR',
      /** The resource's attributes as a JSON object. */
      resource: 'VARCHAR',
      /** The bytes of `opentelemetry.proto.resource.v1.Resource`. */
      resource_raw: 'BLOB',
      resource_schema: 'VARCHAR',
      /** The bytes of `opentelemetry.proto.common.v1.InstrumentationScope`. */
      scope_raw: 'BLOB',
      scope_schema: 'VARCHAR',
    },
    order: 'service, id',
    dictionary: true,
    rowGroup: ROW_GROUP,
  },
  logs: {
    columns: {
      /** Nanoseconds since the Unix epoch. */
      time: 'BIGINT',
      observed: 'BIGINT',
      stream: 'BIGINT',
      severity_number: 'INTEGER',
      severity_text: 'VARCHAR',
      line: 'VARCHAR',
      trace_id: 'VARCHAR',
      span_id: 'VARCHAR',
      /** A JSON object of strings: structured metadata except for the columns above. */
      metadata: 'VARCHAR',
    },
    order: 'stream, time, ordinal',
    dictionary: false,
    rowGroup: ROW_GROUP / 4,
  },
  streams: {
    columns: {
      id: 'BIGINT',
      labels: 'MAP(VARCHAR, VARCHAR)',
      /** A JSON object of strings: structured metadata that all records of the resource and scope have. */
      metadata: 'VARCHAR',
    },
    order: 'id',
    dictionary: true,
    rowGroup: ROW_GROUP,
  },
  samples: {
    columns: {
      series: 'BIGINT',
      /** Milliseconds since the Unix epoch. */
      time: 'BIGINT',
      value: 'DOUBLE',
    },
    order: 'series, time, ordinal',
    dictionary: false,
    rowGroup: ROW_GROUP,
  },
  exemplars: {
    columns: { series: 'BIGINT', time: 'BIGINT', value: 'DOUBLE', labels: 'MAP(VARCHAR, VARCHAR)' },
    order: 'series, time',
    dictionary: false,
    rowGroup: ROW_GROUP,
  },
  series: {
    columns: {
      id: 'BIGINT',
      labels: 'MAP(VARCHAR, VARCHAR)',
      /** Metadata of the metric that the series belongs to. */
      family: 'VARCHAR',
      type: 'VARCHAR',
      help: 'VARCHAR',
      unit: 'VARCHAR',
    },
    order: 'family, id',
    dictionary: true,
    rowGroup: ROW_GROUP,
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof tables;

export const tableNames = Object.keys(tables) as readonly TableName[];

/** Columns as they are read: those of the table, then `ordinal` (order of arrival) for what is no dictionary. */
export function columnsOf(name: TableName): string[] {
  const own = Object.keys(tables[name].columns);
  return tables[name].dictionary ? own : [...own, 'ordinal'];
}
