// The Loki HTTP API under /loki, as Grafana and logcli call it.
import {
  LimitError,
  type LogStore,
  type Matcher,
  MatcherError,
  type NanoRange,
  type Store,
} from '../store/store.ts';
import { json, type Method, type Route, route, type WebRequest, type WebResponse } from '../web/router.ts';
import type { LogQL } from './logql/ast.ts';
import { parseLogQL, parseStreamSelector } from './logql/parse.ts';
import type { Row } from './logql/pipeline.ts';
import { logLimits, logMetrics, selectRows } from './logql/select.ts';
import { milliRange, millisOf, nanoRange, nanoTime } from './loki-time.ts';
import { QueryError } from './promql/ast.ts';
import { evaluate } from './promql/engine.ts';
import { parseDuration } from './promql/literals.ts';
import { type StepSeries, type Steps, signature, timeAt } from './promql/vector.ts';

const both: readonly Method[] = ['GET', 'POST'];
/** Nanoseconds that an instant query for lines looks back. */
const HOUR = 3_600_000_000_000n;
const QUERY_TIMEOUT_MS = 120_000;
const LINES_DEFAULT = 100;

export function lokiRoutes(store: Store): Route[] {
  const { logs } = store;
  const api = '/loki/api/v1';
  return [
    route(
      both,
      `${api}/query_range`,
      answering(request => rangeQuery(logs, request)),
    ),
    route(
      both,
      `${api}/query`,
      answering(request => instantQuery(logs, request)),
    ),
    route(
      both,
      `${api}/labels`,
      answering(request => labels(logs, request)),
    ),
    route(
      ['GET'],
      `${api}/label/:name/values`,
      answering(request => labelValues(logs, request)),
    ),
    route(
      both,
      `${api}/series`,
      answering(request => series(logs, request)),
    ),
    route(
      ['GET'],
      `${api}/index/stats`,
      answering(request => indexStats(logs, request)),
    ),
    route(
      ['GET'],
      `${api}/status/buildinfo`,
      answering(async () => ({ version: '3.5.0', application: 'tricord' })),
    ),
  ];
}

const refusals = [QueryError, MatcherError, LimitError] as const;

/** Loki answers errors in plain text. */
function answering<Names extends string>(
  handle: (request: WebRequest<Names>) => Promise<unknown>,
): (request: WebRequest<Names>) => Promise<WebResponse> {
  return async request => {
    try {
      return json(200, await handle(request));
    } catch (error) {
      if (refusals.some(type => error instanceof type)) return plain(400, (error as Error).message);
      if (error instanceof Error && error.name === 'TimeoutError')
        return plain(504, `the query took longer than the limit of ${QUERY_TIMEOUT_MS / 1000} s`);
      throw error;
    }
  };
}

function plain(status: number, message: string): WebResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${message}\n` };
}

const success = (data: unknown): unknown => ({ status: 'success', data });

function expression({ query }: WebRequest): LogQL {
  const text = query.get('query');
  if (text === null || text === '') throw new QueryError('parameter "query" is missing');
  return parseLogQL(text);
}

function limit({ query }: WebRequest): number {
  const text = query.get('limit');
  if (text === null) return LINES_DEFAULT;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new QueryError(
      `parameter "limit" is ${JSON.stringify(text)}; it takes 1 to ${logLimits.lines_max}`,
    );
  return Math.min(value, logLimits.lines_max);
}

function direction({ query }: WebRequest): 'forward' | 'backward' {
  const text = (query.get('direction') ?? 'backward').toLowerCase();
  if (text !== 'forward' && text !== 'backward')
    throw new QueryError(`parameter "direction" is ${JSON.stringify(text)}; it takes forward or backward`);
  return text;
}

function timeLimit(request: WebRequest): AbortSignal {
  return AbortSignal.any([request.signal, AbortSignal.timeout(QUERY_TIMEOUT_MS)]);
}

async function rangeQuery(store: LogStore, request: WebRequest): Promise<unknown> {
  const parsed = expression(request);
  const within = nanoRange(request);
  if (parsed.kind === 'logs') return streams(store, parsed, within, request);
  const { start, end } = milliRange(within);
  const step = stepOf(request, end - start);
  const steps: Steps = { start, step, count: Math.floor((end - start) / step) + 1 };
  const all = await metric(store, parsed, steps, request);
  const result = all
    .map(one => ({ metric: Object.fromEntries(one.labels), values: points(one, steps) }))
    .filter(one => one.values.length > 0);
  return success({ resultType: 'matrix', result, stats: {} });
}

function stepOf({ query }: WebRequest, length: number): number {
  const text = query.get('step');
  if (text === null || text === '') return Math.max(1000, Math.ceil(length / 250_000) * 1000);
  const step = /^[\d.]+$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (!(step >= 1)) throw new QueryError(`parameter "step" is ${JSON.stringify(text)}; the least is 1ms`);
  return step;
}

function points({ values, present }: StepSeries, steps: Steps): [number, string][] {
  const listed: [number, string][] = [];
  for (let i = 0; i < steps.count; i++)
    if (present[i] === 1) listed.push([timeAt(steps, i) / 1000, String(values[i])]);
  return listed;
}

async function instantQuery(store: LogStore, request: WebRequest): Promise<unknown> {
  const parsed = expression(request);
  const end = nanoTime(request, 'time', Date.now());
  if (parsed.kind === 'logs') return streams(store, parsed, { start: end - HOUR, end }, request);
  const at = millisOf(end);
  const all = await metric(store, parsed, { start: at, step: 0, count: 1 }, request);
  const result = all
    .filter(one => one.present[0] === 1)
    .map(one => ({ metric: Object.fromEntries(one.labels), value: [at / 1000, String(one.values[0])] }));
  return success({ resultType: 'vector', result, stats: {} });
}

async function metric(
  store: LogStore,
  { expression, sources }: Extract<LogQL, { kind: 'metric' }>,
  steps: Steps,
  request: WebRequest,
): Promise<readonly StepSeries[]> {
  const { value } = await evaluate(expression, steps, logMetrics(store, sources), timeLimit(request));
  if (value.kind === 'string') throw new QueryError('a string is not a query');
  if (value.kind === 'vector') return value.series;
  return [{ labels: new Map(), values: value.values, present: new Uint8Array(steps.count).fill(1) }];
}

/** Rows grouped by their labels; with the flag `categorize-labels`, by stream labels, the others beside each line. */
async function streams(
  store: LogStore,
  { query }: Extract<LogQL, { kind: 'logs' }>,
  within: NanoRange,
  request: WebRequest,
): Promise<unknown> {
  const selecting = { direction: direction(request), limit: limit(request), signal: timeLimit(request) };
  const rows = await selectRows(store, query, within, selecting);
  const flags = String(request.headers['x-loki-response-encoding-flags'] ?? '')
    .split(',')
    .filter(Boolean);
  const categorize = flags.includes('categorize-labels');
  const groups = Map.groupBy(rows, row => signature(categorize ? row.stream : row.all()));
  const result = [...groups.values()].map(group => ({
    stream: Object.fromEntries(categorize ? group[0]!.stream : group[0]!.all()),
    values: group.map(row => (categorize ? categorized(row) : [row.timestamp.toString(), row.line])),
  }));
  return success({
    resultType: 'streams',
    ...(flags.length > 0 && { encodingFlags: flags }),
    result,
    stats: {},
  });
}

function categorized(row: Row): unknown {
  const beside = {
    ...(row.metadata.size > 0 && { structuredMetadata: Object.fromEntries(row.metadata) }),
    ...(row.parsed.size > 0 && { parsed: Object.fromEntries(row.parsed) }),
  };
  return [row.timestamp.toString(), row.line, beside];
}

function selectors({ query }: WebRequest, name: string): (readonly Matcher[])[] {
  return query
    .getAll(name)
    .filter(text => text !== '' && text !== '{}')
    .map(parseStreamSelector);
}

async function labels(store: LogStore, request: WebRequest): Promise<unknown> {
  const found = await store.streams(selectors(request, 'query'), milliRange(nanoRange(request)));
  return success([...new Set(found.flatMap(stream => [...stream.keys()]))].sort());
}

async function labelValues(store: LogStore, request: WebRequest<'name'>): Promise<unknown> {
  const found = await store.streams(selectors(request, 'query'), milliRange(nanoRange(request)));
  return success([...new Set(found.flatMap(stream => stream.get(request.params.name) ?? []))].sort());
}

async function series(store: LogStore, request: WebRequest): Promise<unknown> {
  const matches = [...selectors(request, 'match[]'), ...selectors(request, 'match')];
  return success(
    (await store.streams(matches, milliRange(nanoRange(request)))).map(stream => Object.fromEntries(stream)),
  );
}

/** Grafana asks how much a query will read; the streams are counted, what is in them is read at most up to the limit. */
async function indexStats(store: LogStore, request: WebRequest): Promise<unknown> {
  const parsed = expression(request);
  if (parsed.kind !== 'logs') throw new QueryError('parameter "query" takes a log query here');
  const { matchers } = parsed.query;
  const found = await store.streams([matchers], milliRange(nanoRange(request)));
  const entries = await store.select(
    { matchers, direction: 'forward', limit: logLimits.lines_max },
    nanoRange(request),
  );
  const bytes = entries.reduce((sum, { line }) => sum + Buffer.byteLength(line), 0);
  return { streams: found.length, chunks: found.length, entries: entries.length, bytes };
}
