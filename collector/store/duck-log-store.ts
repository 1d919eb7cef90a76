// Logs out of the store: streams by matchers, lines narrowed before they leave the database, in order of time.
import { Parameters } from './database.ts';
import { jsonPointer } from './json-pointer.ts';
import {
  checkPatterns,
  labelsFrom,
  matching,
  matchingAny,
  touchedMillis,
  withinExactly,
  withinNanos,
} from './matching.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';
import type {
  Labels,
  LogEntry,
  LogSelection,
  LogStore,
  Matcher,
  NanoRange,
  SelectOptions,
  TimeRange,
} from './store.ts';

/** Metadata that has a column of its own. */
const metadataColumns: ReadonlyMap<string, string> = new Map([
  ['trace_id', 'trace_id'],
  ['span_id', 'span_id'],
  ['severity_text', 'severity_text'],
  ['severity_number', "CASE WHEN severity_number = 0 THEN '' ELSE severity_number::VARCHAR END"],
]);

/** A resource and scope that log: streams with the same labels differ in their metadata. */
interface Stream {
  readonly labels: Labels;
  readonly metadata: ReadonlyMap<string, string>;
}

export class DuckLogStore implements LogStore {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  async select(query: LogSelection, range: NanoRange, options?: SelectOptions): Promise<LogEntry[]> {
    await checkPatterns(this.#source.database, query.matchers);
    return this.#source.read(async snapshot => {
      const streams = await this.#matchingStreams(snapshot, query.matchers, touchedMillis(range), options);
      return streams.size === 0 ? [] : this.#entries(snapshot, streams, query, range, options);
    });
  }

  async #matchingStreams(
    snapshot: Snapshot,
    matchers: readonly Matcher[],
    range: TimeRange,
    options: SelectOptions | undefined,
  ): Promise<Map<bigint, Stream>> {
    const parameters = new Parameters();
    const rows = await this.#source.database.rows(
      `SELECT id, any_value(labels), any_value(metadata) FROM ${snapshot.table('streams', range)}
       WHERE ${matching('labels', matchers, parameters)} GROUP BY id`,
      parameters,
      options?.signal,
    );
    return new Map(
      rows.map(([id, labels, metadata]) => [
        id as bigint,
        {
          labels: labelsFrom(labels),
          metadata: new Map(Object.entries<string>(JSON.parse(metadata as string))),
        },
      ]),
    );
  }

  async #entries(
    snapshot: Snapshot,
    streams: ReadonlyMap<bigint, Stream>,
    query: LogSelection,
    range: NanoRange,
    options: SelectOptions | undefined,
  ): Promise<LogEntry[]> {
    const parameters = new Parameters();
    const order = query.direction === 'forward' ? 'ASC' : 'DESC';
    const rows = await this.#source.database.rows(
      `SELECT time, stream, line, severity_text, severity_number, trace_id, span_id, metadata
       FROM ${snapshot.table('logs', touchedMillis(range))}
       WHERE ${withinExactly('time', range, parameters)}
         AND stream IN (SELECT unnest(${parameters.integers([...streams.keys()])}))
         ${narrowing(query, streams, parameters)}
       ORDER BY time ${order}, ordinal ${order} LIMIT ${Math.max(0, Math.floor(query.limit))}`,
      parameters,
      options?.signal,
    );
    return rows.map(([time, id, line, ...rest]) => {
      const stream = streams.get(id as bigint)!;
      return {
        time: time as bigint,
        line: line as string,
        stream: stream.labels,
        metadata: metadataFrom(stream, rest),
      };
    });
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
        `SELECT DISTINCT labels FROM ${snapshot.table('streams', range)}
         WHERE (${matchingAny('labels', matches, parameters)})
           AND id IN (SELECT stream FROM ${snapshot.table('logs', range)}
                      WHERE ${withinNanos('time', range, parameters)})`,
        parameters,
        options?.signal,
      ),
    );
    return rows.map(([labels]) => labelsFrom(labels));
  }
}

/** The pre-filters of a selection as further conditions. */
function narrowing(
  query: LogSelection,
  streams: ReadonlyMap<bigint, Stream>,
  parameters: Parameters,
): string {
  const conditions = (query.lineContains ?? []).map(text => `contains(line, ${parameters.text(text)})`);
  for (const [name, value] of query.metadata ?? []) {
    const column = metadataColumns.get(name);
    const wanted = parameters.text(value);
    if (column !== undefined) {
      conditions.push(`${column} = ${wanted}`);
      continue;
    }
    const inherited = [...streams].filter(([, stream]) => (stream.metadata.get(name) ?? '') === value);
    const ids = parameters.integers(inherited.map(([id]) => id));
    const own = `json_extract_string(metadata, ${parameters.text(jsonPointer(name))})`;
    conditions.push(`(${own} = ${wanted} OR (${own} IS NULL AND stream IN (SELECT unnest(${ids}))))`);
  }
  return conditions.map(condition => `AND ${condition}`).join(' ');
}

function metadataFrom(stream: Stream, columns: readonly unknown[]): Labels {
  const [severityText, severityNumber, traceId, spanId, metadata] = columns as [
    string,
    number,
    string,
    string,
    string,
  ];
  const labels = new Map(stream.metadata);
  for (const [name, value] of Object.entries<string>(JSON.parse(metadata))) labels.set(name, value);
  if (severityText !== '') labels.set('severity_text', severityText);
  if (severityNumber !== 0) labels.set('severity_number', String(severityNumber));
  if (traceId !== '') labels.set('trace_id', traceId);
  if (spanId !== '') labels.set('span_id', spanId);
  return labels;
}
