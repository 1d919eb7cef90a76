// Traces out of the store: one by its ID, byte for byte, and search over spans.
import type { DuckDBBlobValue } from '@duckdb/node-api';
import { Parameters } from './database.ts';
import { checkPatterns, withinNanos } from './matching.ts';
import { operations, serviceCalls } from './service-map.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';
import { spanCondition } from './span-filter.ts';
import {
  LimitError,
  type Operation,
  type SelectOptions,
  type ServiceCalls,
  type SpanCondition,
  type SpanRow,
  type TagValue,
  type TimeRange,
  type TraceOptions,
  type TraceSearch,
  type TraceStore,
  type TraceSummary,
} from './store.ts';
import { tagNames, tagValues } from './tags.ts';
import { type SpansOfScope, tracesData } from './trace-bytes.ts';

/** Bytes of all spans of one trace that is asked for by its ID. */
const TRACE_BYTES_MAX = 64 * 1024 * 1024;
/** How far a trace may reach beyond the range that its found spans are in. */
const TRACE_LENGTH_MS = 3_600_000;

/** What one service has in one trace. */
interface ServiceShare {
  readonly traceId: string;
  readonly service: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly spanCount: number;
  readonly errorCount: number;
  /** When its first root span starts; null when it has none. */
  readonly rootStart: bigint | null;
  readonly rootName: string | null;
}

interface Found {
  readonly traceId: string;
  readonly matchedCount: number;
}

export class DuckTraceStore implements TraceStore {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  trace(traceId: string, options?: TraceOptions): Promise<Uint8Array | null> {
    return this.#source.read(async snapshot => {
      const spans = await this.#spansOf(snapshot, traceId, options);
      if (spans.size === 0) return null;
      return tracesData(await this.#withEnvelopes(snapshot, spans, options));
    });
  }

  /** The spans' bytes by the ID of their scope, in order of their start. */
  async #spansOf(
    snapshot: Snapshot,
    traceId: string,
    options: TraceOptions | undefined,
  ): Promise<Map<bigint, Uint8Array[]>> {
    const parameters = new Parameters();
    const spans = new Map<bigint, Uint8Array[]>();
    let bytes = 0;
    await this.#source.database.chunks(
      `SELECT scope, raw FROM ${snapshot.table('spans', reachOf(options))}
       WHERE trace_id = ${parameters.text(traceId)} ORDER BY start, ordinal`,
      parameters,
      options?.signal,
      chunk => {
        for (const [scope, raw] of chunk.getRows() as [bigint, DuckDBBlobValue][]) {
          bytes += raw.bytes.length;
          if (bytes > TRACE_BYTES_MAX) {
            throw new LimitError(
              `trace ${traceId} is larger than TRACE_BYTES_MAX = ${TRACE_BYTES_MAX} bytes`,
            );
          }
          const together = spans.get(scope);
          if (together === undefined) spans.set(scope, [raw.bytes]);
          else together.push(raw.bytes);
        }
      },
    );
    return spans;
  }

  async #withEnvelopes(
    snapshot: Snapshot,
    spans: ReadonlyMap<bigint, readonly Uint8Array[]>,
    options: TraceOptions | undefined,
  ): Promise<SpansOfScope[]> {
    const parameters = new Parameters();
    const rows = await this.#source.database.rows(
      `SELECT DISTINCT ON (id) id, resource_raw, resource_schema, scope_raw, scope_schema
       FROM ${snapshot.table('scopes', reachOf(options))}
       WHERE id IN (SELECT unnest(${parameters.integers([...spans.keys()])}))`,
      parameters,
      options?.signal,
    );
    return rows.map(([id, resource, resourceSchema, scope, scopeSchema]) => ({
      spans: spans.get(id as bigint)!,
      envelope: {
        resource: (resource as DuckDBBlobValue).bytes,
        resourceSchema: resourceSchema as string,
        scope: (scope as DuckDBBlobValue).bytes,
        scopeSchema: scopeSchema as string,
      },
    }));
  }

  async search(search: TraceSearch, options?: SelectOptions): Promise<TraceSummary[]> {
    await checkPatterns(this.#source.database, search.filter.flat());
    return this.#source.read(async snapshot => {
      const found = await this.#find(snapshot, search, options);
      if (found.length === 0) return [];
      const matched = await this.#matchedSpans(snapshot, search, found, options);
      return this.#summaries(snapshot, search, found, matched, options);
    });
  }

  /** The traces that have a matching span in the range, in the order that is wanted. */
  async #find(snapshot: Snapshot, search: TraceSearch, options: SelectOptions | undefined): Promise<Found[]> {
    const parameters = new Parameters();
    const matching = `SELECT s.trace_id AS trace_id, max(s.start) AS latest, count(*) AS matched
      FROM ${matchingSpans(snapshot, search, parameters)} GROUP BY s.trace_id`;
    const limit = `LIMIT ${Math.max(0, Math.floor(search.limit))}`;
    const whole = snapshot.table('spans', widened(search.range));
    const sql =
      search.order === 'latest'
        ? `SELECT trace_id, matched FROM (${matching}) ORDER BY latest DESC, trace_id ${limit}`
        : `SELECT m.trace_id, any_value(m.matched) FROM (${matching}) m JOIN ${whole} t ON t.trace_id = m.trace_id
           GROUP BY m.trace_id ORDER BY max(t.start + t.duration) - min(t.start) DESC, m.trace_id ${limit}`;
    const rows = await this.#source.database.rows(sql, parameters, options?.signal);
    return rows.map(([traceId, matched]) => ({ traceId: traceId as string, matchedCount: Number(matched) }));
  }

  async #matchedSpans(
    snapshot: Snapshot,
    search: TraceSearch,
    found: readonly Found[],
    options: SelectOptions | undefined,
  ): Promise<Map<string, SpanRow[]>> {
    const parameters = new Parameters();
    const ids = parameters.texts(found.map(({ traceId }) => traceId));
    const rows = await this.#source.database.rows(
      `SELECT s.trace_id, s.span_id, s.parent_span_id, s.name, s.kind, s.status, c.service, s.start, s.duration,
         s.attributes, c.resource
       FROM ${matchingSpans(snapshot, search, parameters)} AND s.trace_id IN (SELECT unnest(${ids}))
       QUALIFY row_number() OVER (PARTITION BY s.trace_id ORDER BY s.start, s.ordinal)
         <= ${Math.max(0, Math.floor(search.spansPerTrace))}
       ORDER BY s.start, s.ordinal`,
      parameters,
      options?.signal,
    );
    return Map.groupBy(rows.map(spanRow), span => span.traceId);
  }

  async #summaries(
    snapshot: Snapshot,
    search: TraceSearch,
    found: readonly Found[],
    matched: ReadonlyMap<string, readonly SpanRow[]>,
    options: SelectOptions | undefined,
  ): Promise<TraceSummary[]> {
    const parameters = new Parameters();
    const range = widened(search.range);
    const rows = await this.#source.database.rows(
      `SELECT s.trace_id, c.service, min(s.start), max(s.start + s.duration), count(*),
         count(*) FILTER (s.status = 2),
         min(s.start) FILTER (s.parent_span_id = ''), arg_min(s.name, s.start) FILTER (s.parent_span_id = '')
       FROM ${snapshot.table('spans', range)} s JOIN ${scopesOf(snapshot, range)} c ON s.scope = c.id
       WHERE s.trace_id IN (SELECT unnest(${parameters.texts(found.map(({ traceId }) => traceId))}))
       GROUP BY s.trace_id, c.service ORDER BY c.service`,
      parameters,
      options?.signal,
    );
    const shares = Map.groupBy(rows.map(serviceShare), ({ traceId }) => traceId);
    return found.map(({ traceId, matchedCount }) => ({
      ...summary(traceId, shares.get(traceId)!),
      matched: matched.get(traceId) ?? [],
      matchedCount,
    }));
  }

  tagNames(
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<{ readonly span: string[]; readonly resource: string[] }> {
    return this.#source.read(snapshot => tagNames(this.#source.database, snapshot, range, options));
  }

  tagValues(
    scope: SpanCondition['scope'],
    field: string,
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<TagValue[]> {
    return this.#source.read(snapshot =>
      tagValues(this.#source.database, snapshot, { scope, field }, range, options),
    );
  }

  operations(service: string, range: TimeRange, options?: SelectOptions): Promise<Operation[]> {
    return this.#source.read(snapshot =>
      operations(this.#source.database, snapshot, service, range, options),
    );
  }

  serviceCalls(range: TimeRange, options?: SelectOptions): Promise<ServiceCalls[]> {
    return this.#source.read(snapshot =>
      serviceCalls(this.#source.database, snapshot, range, widened(range), options),
    );
  }
}

/** `FROM` and `WHERE` of the spans `s` that a search asks for, with their scopes `c`. */
function matchingSpans(snapshot: Snapshot, search: TraceSearch, parameters: Parameters): string {
  const { range, filter } = search;
  const wide = widened(range);
  const whole = { spans: snapshot.table('spans', wide), scopes: scopesOf(snapshot, wide) };
  return `${snapshot.table('spans', range)} s JOIN ${scopesOf(snapshot, range)} c ON s.scope = c.id
    WHERE ${withinNanos('s.start', range, parameters)} AND ${spanCondition(filter, parameters, whole)}`;
}

/** Every scope once, however many partitions have it. */
function scopesOf(snapshot: Snapshot, range: TimeRange): string {
  return `(SELECT DISTINCT ON (id) id, service, resource FROM ${snapshot.table('scopes', range)})`;
}

function reachOf(options: TraceOptions | undefined): TimeRange | undefined {
  return options?.range === undefined ? undefined : widened(options.range);
}

function widened({ start, end }: TimeRange): TimeRange {
  return { start: start - TRACE_LENGTH_MS, end: end + TRACE_LENGTH_MS };
}

function spanRow(row: readonly unknown[]): SpanRow {
  const [traceId, spanId, parentSpanId, name, kind, status, service, start, duration, attributes, resource] =
    row;
  return {
    traceId: traceId as string,
    spanId: spanId as string,
    parentSpanId: parentSpanId as string,
    name: name as string,
    kind: kind as number,
    status: status as number,
    service: service as string,
    start: start as bigint,
    duration: duration as bigint,
    attributes: JSON.parse(attributes as string),
    resource: JSON.parse(resource as string),
  };
}

function serviceShare(row: readonly unknown[]): ServiceShare {
  const [traceId, service, start, end, spanCount, errorCount, rootStart, rootName] = row;
  return {
    traceId: traceId as string,
    service: service as string,
    start: start as bigint,
    end: end as bigint,
    spanCount: Number(spanCount),
    errorCount: Number(errorCount),
    rootStart: rootStart as bigint | null,
    rootName: rootName as string | null,
  };
}

function summary(
  traceId: string,
  shares: readonly ServiceShare[],
): Omit<TraceSummary, 'matched' | 'matchedCount'> {
  let { start, end } = shares[0]!;
  for (const share of shares) {
    if (share.start < start) start = share.start;
    if (share.end > end) end = share.end;
  }
  const [root] = shares
    .filter(({ rootStart }) => rootStart !== null)
    .sort((a, b) => (a.rootStart! < b.rootStart! ? -1 : 1));
  return {
    traceId,
    rootService: root?.service ?? '',
    rootName: root?.rootName ?? '',
    start,
    duration: end - start,
    spanCount: shares.reduce((sum, { spanCount }) => sum + spanCount, 0),
    errorCount: shares.reduce((sum, { errorCount }) => sum + errorCount, 0),
    services: new Map(
      shares.map(({ service, spanCount, errorCount }) => [service, { spanCount, errorCount }]),
    ),
  };
}
