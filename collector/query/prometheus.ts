// The Prometheus HTTP API under /prometheus, as Grafana and promtool call it.
import {
  type Labels,
  LimitError,
  type Matcher,
  MatcherError,
  type MetricStore,
  type Store,
  type TimeRange,
} from '../store/store.ts';
import { json, type Method, type Route, route, type WebRequest, type WebResponse } from '../web/router.ts';
import { type Expression, QueryError } from './promql/ast.ts';
import { evaluate, requireDistinct } from './promql/engine.ts';
import { parseDuration } from './promql/literals.ts';
import { parsePromQL, parseSelector } from './promql/parse.ts';
import { type Steps, timeAt, type Value } from './promql/vector.ts';

const both: readonly Method[] = ['GET', 'POST'];
const read: readonly Method[] = ['GET'];
const QUERY_TIMEOUT_MS = 120_000;
const SERIES_MAX = 10_000;

/** The version whose API this follows. */
const API_VERSION = '3.5.0';

export function prometheusRoutes(store: Store): Route[] {
  const { metrics } = store;
  const api = '/prometheus/api/v1';
  return [
    route(
      both,
      `${api}/query`,
      answering(request => instantQuery(metrics, request)),
    ),
    route(
      both,
      `${api}/query_range`,
      answering(request => rangeQuery(metrics, request)),
    ),
    route(
      both,
      `${api}/query_exemplars`,
      answering(request => exemplars(metrics, request)),
    ),
    route(
      both,
      `${api}/series`,
      answering(request => series(metrics, request)),
    ),
    route(
      both,
      `${api}/labels`,
      answering(async request =>
        limited(await metrics.labelNames(matches(request), range(request)), request),
      ),
    ),
    route(
      read,
      `${api}/label/:name/values`,
      answering(request => labelValues(metrics, request)),
    ),
    route(
      read,
      `${api}/metadata`,
      answering(request => metadata(metrics, request)),
    ),
    route(
      read,
      `${api}/rules`,
      answering(async () => ({ data: { groups: [] } })),
    ),
    route(
      read,
      `${api}/alerts`,
      answering(async () => ({ data: { alerts: [] } })),
    ),
    route(
      read,
      `${api}/status/buildinfo`,
      answering(async () => ({ data: { version: API_VERSION, application: 'tricord', features: {} } })),
    ),
  ];
}

interface Answer {
  readonly data: unknown;
  readonly warnings?: readonly string[];
}

/** Wraps a handler into Prometheus's envelope; what goes wrong becomes its `errorType`. */
function answering<Names extends string>(
  handle: (request: WebRequest<Names>) => Promise<Answer>,
): (request: WebRequest<Names>) => Promise<WebResponse> {
  return async request => {
    try {
      return json(200, { status: 'success', ...(await handle(request)) });
    } catch (error) {
      if (error instanceof QueryError || error instanceof MatcherError)
        return failure(400, 'bad_data', error.message);
      if (error instanceof LimitError) return failure(422, 'execution', error.message);
      if (error instanceof Error && error.name === 'TimeoutError') {
        return failure(
          503,
          'timeout',
          `the query took longer than the limit of ${QUERY_TIMEOUT_MS / 1000} s`,
        );
      }
      throw error;
    }
  };
}

function failure(status: number, errorType: string, error: string): WebResponse {
  return json(status, { status: 'error', errorType, error });
}

function required({ query }: WebRequest, name: string): string {
  const value = query.get(name);
  if (value === null || value === '') throw new QueryError(`parameter "${name}" is missing`);
  return value;
}

/** Milliseconds of a time parameter: Unix seconds or RFC 3339. */
function time(request: WebRequest, name: string, fallback?: number): number {
  const text = request.query.get(name);
  if ((text === null || text === '') && fallback !== undefined) return fallback;
  const value = required(request, name);
  const milliseconds = /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(value) ? Number(value) * 1000 : Date.parse(value);
  if (!Number.isFinite(milliseconds))
    throw new QueryError(
      `parameter "${name}" is ${JSON.stringify(value)}, not a time (Unix seconds or RFC 3339)`,
    );
  return Math.round(milliseconds);
}

function duration(request: WebRequest, name: string): number {
  const value = required(request, name);
  const milliseconds = /^[\d.]+(e[-+]?\d+)?$/i.test(value) ? Number(value) * 1000 : parseDuration(value);
  if (!(milliseconds >= 1))
    throw new QueryError(`parameter "${name}" is ${JSON.stringify(value)}; the least is 1ms`);
  return milliseconds;
}

function range(request: WebRequest): TimeRange {
  return { start: time(request, 'start', 0), end: time(request, 'end', Date.now()) };
}

function matches({ query }: WebRequest): (readonly Matcher[])[] {
  return query.getAll('match[]').map(parseSelector);
}

/** At most `limit` items (Prometheus: 0 and none mean no limit), with a warning when some are left out. */
function limited(items: readonly unknown[], { query }: WebRequest): Answer {
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0)
    throw new QueryError(`parameter "limit" is ${JSON.stringify(query.get('limit'))}`);
  if (limit === 0 || items.length <= limit) return { data: items };
  return { data: items.slice(0, limit), warnings: ['results truncated due to limit'] };
}

function timeLimit(request: WebRequest): AbortSignal {
  return AbortSignal.any([request.signal, AbortSignal.timeout(QUERY_TIMEOUT_MS)]);
}

async function instantQuery(store: MetricStore, request: WebRequest): Promise<Answer> {
  const expression = parsePromQL(required(request, 'query'));
  const start = time(request, 'time', Date.now());
  if (expression.type === 'matrix') return rawSamples(store, expression, start, timeLimit(request));
  const steps: Steps = { start, step: 0, count: 1 };
  const { value, samples } = await evaluate(expression, steps, store, timeLimit(request));
  return { data: { ...instantResult(value, start), stats: stats(samples) } };
}

/** A bare range selector gives the samples themselves. */
async function rawSamples(
  store: MetricStore,
  { vector, range }: Extract<Expression, { type: 'matrix' }>,
  at: number,
  signal: AbortSignal,
): Promise<Answer> {
  const end = at - vector.offset;
  const found = await store.select(vector.matchers, { start: end - range + 1, end }, { signal });
  const result = found
    .filter(one => one.times.length > 0)
    .map(one => ({
      metric: Object.fromEntries(one.labels),
      values: Array.from(one.times, (t, i) => [t / 1000, number(one.values[i]!)]),
    }));
  return { data: { resultType: 'matrix', result } };
}

function instantResult(value: Value, at: number): { resultType: string; result: unknown } {
  const seconds = at / 1000;
  if (value.kind === 'string') return { resultType: 'string', result: [seconds, value.text] };
  if (value.kind === 'scalar') return { resultType: 'scalar', result: [seconds, number(value.values[0]!)] };
  const present = value.series.filter(one => one.present[0] === 1);
  requireDistinct(present);
  const result = present.map(one => ({
    metric: Object.fromEntries(one.labels),
    value: [seconds, number(one.values[0]!)],
  }));
  return { resultType: 'vector', result };
}

async function rangeQuery(store: MetricStore, request: WebRequest): Promise<Answer> {
  const expression = parsePromQL(required(request, 'query'));
  const start = time(request, 'start');
  const end = time(request, 'end');
  const step = duration(request, 'step');
  if (end < start) throw new QueryError('parameter "end" lies before "start"');
  const steps: Steps = { start, step, count: Math.floor((end - start) / step) + 1 };
  const { value, samples } = await evaluate(expression, steps, store, timeLimit(request));
  if (value.kind === 'string')
    throw new QueryError(
      'invalid expression type "string" for range query, must be scalar or instant vector',
    );
  const all =
    value.kind === 'scalar'
      ? [{ labels: new Map(), values: value.values, present: new Uint8Array(steps.count).fill(1) }]
      : value.series;
  requireDistinct(all);
  const result = all
    .map(one => ({ metric: Object.fromEntries(one.labels), values: points(one, steps) }))
    .filter(one => one.values.length > 0);
  return { data: { resultType: 'matrix', result, stats: stats(samples) } };
}

function points(
  { values, present }: { values: Float64Array; present: Uint8Array },
  steps: Steps,
): [number, string][] {
  const listed: [number, string][] = [];
  for (let i = 0; i < steps.count; i++)
    if (present[i] === 1) listed.push([timeAt(steps, i) / 1000, number(values[i]!)]);
  return listed;
}

/** A sample as the API writes it. */
function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

const stats = (samples: number): unknown => ({ samples: { totalQueryableSamples: samples } });

async function exemplars(store: MetricStore, request: WebRequest): Promise<Answer> {
  const within = range(request);
  const found = [];
  for (const matchers of selectorsOf(parsePromQL(required(request, 'query'))))
    found.push(...(await store.exemplars(matchers, within)));
  const groups = Map.groupBy(found, exemplar => JSON.stringify([...exemplar.seriesLabels]));
  const data = [...groups.values()].map(group => ({
    seriesLabels: Object.fromEntries(group[0]!.seriesLabels),
    exemplars: group.map(({ labels, value, time }) => ({
      labels: Object.fromEntries(labels),
      value: number(value),
      timestamp: time / 1000,
    })),
  }));
  return { data };
}

/** The matchers of every selector in an expression. */
function selectorsOf(expression: Expression): (readonly Matcher[])[] {
  switch (expression.type) {
    case 'vector':
      return [expression.matchers];
    case 'matrix':
      return [expression.vector.matchers];
    case 'subquery':
    case 'negation':
    case 'aggregation':
      return selectorsOf(expression.inner);
    case 'call':
      return expression.args.flatMap(selectorsOf);
    case 'binary':
      return [...selectorsOf(expression.left), ...selectorsOf(expression.right)];
    default:
      return [];
  }
}

async function series(store: MetricStore, request: WebRequest): Promise<Answer> {
  const wanted = matches(request);
  if (wanted.length === 0) throw new QueryError('no match[] parameter provided');
  const found: Labels[] = await store.series(wanted, range(request));
  const answer = limited(
    found.slice(0, SERIES_MAX).map(labels => Object.fromEntries(labels)),
    request,
  );
  return found.length > SERIES_MAX
    ? { ...answer, warnings: [`results truncated to the limit of ${SERIES_MAX} series`] }
    : answer;
}

async function labelValues(store: MetricStore, request: WebRequest<'name'>): Promise<Answer> {
  return limited(await store.labelValues(request.params.name, matches(request), range(request)), request);
}

async function metadata(store: MetricStore, { query }: WebRequest): Promise<Answer> {
  const wanted = query.get('metric');
  const limit = Number(query.get('limit') ?? Number.POSITIVE_INFINITY);
  const rows = (await store.metadata())
    .filter(row => wanted === null || row.name === wanted)
    .slice(0, limit < 0 ? undefined : limit);
  return {
    data: Object.fromEntries(rows.map(({ name, type, help, unit }) => [name, [{ type, help, unit }]])),
  };
}
