// Finds the rows of log queries in the store, and shows them to the PromQL engine as series.
import {
  LimitError,
  type LogSelection,
  type LogStore,
  type MetricStore,
  type NanoRange,
  type Series,
  type TimeRange,
} from '../../store/store.ts';
import { groupLabels } from '../promql/aggregate.ts';
import { signature } from '../promql/vector.ts';
import { Turns } from '../turns.ts';
import { type LogQuery, type LogSource, type Measure, SOURCE_LABEL } from './ast.ts';
import { compilePipeline, type Row } from './pipeline.ts';
import { parseSeconds, parseSize } from './values.ts';

export const logLimits = {
  /** Entries that one query may read from the store. */
  entries_max: 500_000,
  /** Lines that one query may return. */
  lines_max: 5_000,
} as const;

const PAGE = 2_000;
/** What a row costs beside its characters. */
const ROW_WORK = 200;

/** What of a query the store can narrow by itself: certain line filters, and trace and span IDs. */
function selectionOf(
  { matchers, stages }: LogQuery,
  direction: LogSelection['direction'],
  limit: number,
): LogSelection {
  const lineContains: string[] = [];
  const metadata = new Map<string, string>();
  for (const stage of stages) {
    if (stage.type === 'line' && stage.op === '|=' && stage.texts.length === 1)
      lineContains.push(stage.texts[0]!);
    else if (stage.type === 'label' && stage.condition.type === 'text') {
      const { name, op, value } = stage.condition.matcher;
      if (op === '=' && value !== '' && (name === 'trace_id' || name === 'span_id'))
        metadata.set(name, value);
    } else if (stage.type !== 'line') break; // what follows may look at a changed line or at changed labels
  }
  return { matchers, lineContains, metadata, direction, limit };
}

/**
 * The first `limit` rows in `direction` that pass the stages.
 * @throws LimitError when more than `entries_max` entries had to be read
 */
export async function selectRows(
  store: LogStore,
  query: LogQuery,
  range: NanoRange,
  options: { direction: LogSelection['direction']; limit: number; signal?: AbortSignal | undefined },
): Promise<Row[]> {
  const pass = compilePipeline(query);
  const turns = new Turns(options.signal);
  const rows: Row[] = [];
  let read = 0;
  for (let size = Math.max(PAGE, options.limit); ; size = Math.min(size * 4, logLimits.entries_max + 1)) {
    const entries = await store.select(selectionOf(query, options.direction, size), range, {
      signal: options.signal,
    });
    for (const entry of entries.slice(read)) {
      const row = pass(entry);
      if (row !== undefined) rows.push(row);
      if (rows.length === options.limit) return rows;
      if (turns.spent(ROW_WORK + entry.line.length)) await turns.pass();
    }
    if (entries.length < size) return rows;
    read = entries.length;
    if (read > logLimits.entries_max) {
      throw new LimitError(
        `the query reads more than the limit of ${logLimits.entries_max} log entries; narrow its time range or its selector`,
      );
    }
  }
}

/** A metric store whose series are log queries: `{__logql_source__="i"}` is the i-th. */
export function logMetrics(store: LogStore, sources: readonly LogSource[]): Pick<MetricStore, 'select'> {
  return {
    select: async (matchers, range, options) => {
      const source = sources[Number(matchers.find(({ name }) => name === SOURCE_LABEL)!.value)]!;
      const limit = logLimits.entries_max + 1;
      const selecting = {
        direction: 'forward',
        limit,
        ...(options?.signal && { signal: options.signal }),
      } as const;
      const rows = await selectRows(store, source.query, nanosAround(range), selecting);
      return seriesOf(rows, source);
    },
  };
}

/** All of the milliseconds that the range touches: the engine's windows look at the times again. */
function nanosAround({ start, end }: TimeRange): NanoRange {
  const nanos = (milliseconds: number): bigint => BigInt(milliseconds) * 1_000_000n;
  return { start: nanos(Math.floor(start)), end: nanos(Math.floor(end) + 1) };
}

function seriesOf(rows: readonly Row[], { measure, grouping }: LogSource): Series[] {
  const groups = new Map<
    string,
    { labels: ReadonlyMap<string, string>; times: number[]; values: number[] }
  >();
  for (const row of rows) {
    const value = measured(row, measure);
    if (Number.isNaN(value)) continue;
    if (typeof measure === 'object') row.remove(measure.unwrap);
    const labels = grouping === undefined ? row.all() : groupLabels(grouping, row.all());
    const key = signature(labels);
    const group = groups.get(key) ?? { labels, times: [], values: [] };
    groups.set(key, group);
    group.times.push(Number(row.timestamp / 1000n) / 1000);
    group.values.push(value);
  }
  return [...groups.values()].map(({ labels, times, values }) => ({
    labels,
    times: Float64Array.from(times),
    values: Float64Array.from(values),
  }));
}

function measured(row: Row, measure: Measure): number {
  if (measure === 'lines') return 1;
  if (measure === 'bytes') return Buffer.byteLength(row.line);
  const text = row.label(measure.unwrap);
  if (text === '') return Number.NaN;
  if (measure.conversion === undefined) return Number(text);
  return measure.conversion === 'bytes' ? parseSize(text) : parseSeconds(text);
}
