// Which attributes spans have, and which values: what a search field offers for completion.
import { type Database, Parameters } from './database.ts';
import { jsonPointer } from './json-pointer.ts';
import { withinNanos } from './matching.ts';
import type { Snapshot } from './snapshot.ts';
import type { SelectOptions, SpanCondition, TagValue, TimeRange } from './store.ts';

/** Names and values of one answer. */
const TAGS_MAX = 1000;

export async function tagNames(
  database: Database,
  snapshot: Snapshot,
  range: TimeRange,
  options: SelectOptions | undefined,
): Promise<{ span: string[]; resource: string[] }> {
  const parameters = new Parameters();
  const span = await database.rows(
    `SELECT DISTINCT unnest(json_keys(attributes)) AS name FROM ${snapshot.table('spans', range)}
     WHERE ${withinNanos('start', range, parameters)} ORDER BY name LIMIT ${TAGS_MAX}`,
    parameters,
    options?.signal,
  );
  const resource = await database.rows(
    `SELECT DISTINCT unnest(json_keys(resource)) AS name FROM ${snapshot.table('scopes', range)}
     ORDER BY name LIMIT ${TAGS_MAX}`,
    undefined,
    options?.signal,
  );
  return { span: span.map(([name]) => name as string), resource: resource.map(([name]) => name as string) };
}

/** Intrinsics whose values are worth listing, with the table and column they are in. */
const intrinsics: ReadonlyMap<string, { table: 'spans' | 'scopes'; column: string }> = new Map([
  ['name', { table: 'spans', column: 'name' }],
  ['statusMessage', { table: 'spans', column: 'status_message' }],
  ['service', { table: 'scopes', column: 'service' }],
]);

export async function tagValues(
  database: Database,
  snapshot: Snapshot,
  { scope, field }: Pick<SpanCondition, 'scope' | 'field'>,
  range: TimeRange,
  options: SelectOptions | undefined,
): Promise<TagValue[]> {
  const parameters = new Parameters();
  const spans = (): string =>
    `${snapshot.table('spans', range)} WHERE ${withinNanos('start', range, parameters)}`;
  const scopes = snapshot.table('scopes', range);
  const parts: string[] = [];
  if (scope === 'intrinsic') {
    const where = intrinsics.get(
      field === 'rootName' ? 'name' : field === 'rootServiceName' ? 'service' : field,
    );
    if (where === undefined) return keywords.get(field) ?? [];
    parts.push(
      `SELECT 'VARCHAR' AS type, ${where.column} AS value FROM ${where.table === 'spans' ? spans() : scopes}`,
    );
  } else {
    const pointer = parameters.text(jsonPointer(field));
    const of = (column: string): string =>
      `SELECT json_type(${column}, ${pointer}) AS type, json_extract_string(${column}, ${pointer}) AS value`;
    if (scope !== 'resource') parts.push(`${of('attributes')} FROM ${spans()}`);
    if (scope !== 'span') parts.push(`${of('resource')} FROM ${scopes}`);
  }
  const rows = await database.rows(
    `SELECT DISTINCT type, value FROM (${parts.join(' UNION ALL ')})
     WHERE value IS NOT NULL AND value <> '' ORDER BY value LIMIT ${TAGS_MAX}`,
    parameters,
    options?.signal,
  );
  return rows.map(([type, value]) => ({
    type: types.get(type as string) ?? 'string',
    value: value as string,
  }));
}

const types: ReadonlyMap<string, TagValue['type']> = new Map([
  ['UBIGINT', 'int'],
  ['BIGINT', 'int'],
  ['DOUBLE', 'float'],
  ['BOOLEAN', 'bool'],
]);

const keyword = (value: string): TagValue => ({ type: 'keyword', value });

const keywords: ReadonlyMap<string, TagValue[]> = new Map([
  ['status', ['error', 'ok', 'unset'].map(keyword)],
  ['kind', ['client', 'consumer', 'internal', 'producer', 'server', 'unspecified'].map(keyword)],
]);
