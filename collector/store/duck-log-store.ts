// Logs out of the store: streams by matchers, lines narrowed before they leave the database, in order of time.
import { Parameters } from './database.ts';
import { jsonPointer } from './json-pointer.ts';
import { checkPatterns, labelsFrom, matching, matchingAny, withinNanos } from './matching.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';
import type { Labels, LogEntry, LogSelection, LogStore, Matcher, SelectOptions, TimeRange } from './store.ts';

/** Metadata that has a column of its own. */
const metadataColumns: ReadonlyMap<string, string> = new Map([
  ['trace_id', 'trace_id'],
  ['span_id', 'span_id'],
  ['severity_text', 'severity_text'],
  ['severity_number', "CASE WHEN severity_number = 0 THEN '' ELSE severity_number::VARCHAR END"],
]);

export class DuckLogStore implements LogStore {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  async select(query: LogSelection, range: TimeRange, options?: SelectOptions): Promise<LogEntry[]> {
    await checkPatterns(this.#source.database, query.matchers);
    return this.#source.read(async snapshot => {
      const streams = await this.#matchingStreams(snapshot, query.matchers, range, options);
      return streams.size === 0 ? [] : this.#entries(snapshot, streams, query, range, options);
    });
  }

  async #matchingStreams(
    snapshot: Snapshot,
    matchers: readonly Matcher[],
    range: TimeRange,
    options: SelectOptions | undefined,
  ): Promise<Map<bigint, Labels>> {
    const parameters = new Parameters();
    const rows = await this.#source.database.rows(
      `SELECT id, any_value(labels) FROM ${snapshot.table('streams', range)}
       WHERE ${matching('labels', matchers, parameters)} GROUP BY id`,
      parameters,
      options?.signal,
    );
    return new Map(rows.map(([id, labels]) => [id as bigint, labelsFrom(labels)]));
  }

  async #entries(
    snapshot: Snapshot,
    streams: ReadonlyMap<bigint, Labels>,
    query: LogSelection,
    range: TimeRange,
    options: SelectOptions | undefined,
  ): Promise<LogEntry[]> {
    const parameters = new Parameters();
    const order = query.direction === 'forward' ? 'ASC' : 'DESC';
    const rows = await this.#source.database.rows(
      `SELECT time, stream, line, severity_text, severity_number, trace_id, span_id, metadata
       FROM ${snapshot.table('logs', range)}
       WHERE ${withinNanos('time', range, parameters)}
         AND stream IN (SELECT unnest(${parameters.integers([...streams.keys()])}))
         ${narrowing(query, parameters)}
       ORDER BY time ${order}, ordinal ${order} LIMIT ${Math.max(0, Math.floor(query.limit))}`,
      parameters,
      options?.signal,
    );
    return rows.map(([time, stream, line, ...rest]) => ({
      time: time as bigint,
      line: line as string,
      stream: streams.get(stream as bigint)!,
      metadata: metadataFrom(rest),
    }));
  }

  async streams(
    matches: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<Labels[]> {
    const { database } = this.#source;
    await checkPatterns(database, matches.flat());
    const parameters = new Parameters();
    const rows = await this.#source.read(snapshot =>
      database.rows(
        `SELECT any_value(labels) FROM ${snapshot.table('streams', range)}
         WHERE (${matchingAny('labels', matches, parameters)})
           AND id IN (SELECT stream FROM ${snapshot.table('logs', range)}
                      WHERE ${withinNanos('time', range, parameters)})
         GROUP BY id`,
        parameters,
        options?.signal,
      ),
    );
    return rows.map(([labels]) => labelsFrom(labels));
  }
}

/** The pre-filters of a selection as further conditions. */
function narrowing(query: LogSelection, parameters: Parameters): string {
  const conditions = (query.lineContains ?? []).map(text => `contains(line, ${parameters.text(text)})`);
  for (const [name, value] of query.metadata ?? []) {
    const actual =
      metadataColumns.get(name) ??
      `coalesce(json_extract_string(metadata, ${parameters.text(jsonPointer(name))}), '')`;
    conditions.push(`${actual} = ${parameters.text(value)}`);
  }
  return conditions.map(condition => `AND ${condition}`).join(' ');
}

function metadataFrom(columns: readonly unknown[]): Labels {
  const [severityText, severityNumber, traceId, spanId, metadata] = columns as [
    string,
    number,
    string,
    string,
    string,
  ];
  const labels = new Map<string, string>(Object.entries(JSON.parse(metadata)));
  if (severityText !== '') labels.set('severity_text', severityText);
  if (severityNumber !== 0) labels.set('severity_number', String(severityNumber));
  if (traceId !== '') labels.set('trace_id', traceId);
  if (spanId !== '') labels.set('span_id', spanId);
  return labels;
}
