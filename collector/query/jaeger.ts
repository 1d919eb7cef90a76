// Jaeger's HTTP JSON API under /jaeger, as Grafana calls it: services, operations, traces, dependencies.
import {
  LimitError,
  type SelectOptions,
  type Store,
  type TimeRange,
  type TraceStore,
} from '../store/store.ts';
import { HttpError, json, type Route, route, type WebRequest, type WebResponse } from '../web/router.ts';
import { spanFilter } from './jaeger-filter.ts';
import { jaegerTrace, serviceName, spanKinds } from './jaeger-trace.ts';

const QUERY_TIME_MS_MAX = 30_000;
const TRACES_DEFAULT = 100;
const TRACES_MAX = 1500;
/** OTLP bytes of all traces of one answer: as JSON they are several times as large. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const DAY_MS = 86_400_000;
/** Nanoseconds. */
const MILLI = 1_000_000n;

const everything: TimeRange = { start: 0, end: 4e12 };

/** The routes under `/jaeger`. */
export function jaegerRoutes(store: Store): Route[] {
  const { traces } = store;
  const api = '/jaeger/api';
  return [
    route(['GET'], `${api}/services`, answering(services(traces))),
    route(['GET'], `${api}/services/:service/operations`, answering(operationNames(traces))),
    route(['GET'], `${api}/operations`, answering(operations(traces))),
    route(['GET'], `${api}/traces`, answering(search(traces))),
    route(['GET'], `${api}/traces/:id`, answering(traceById(traces))),
    route(['GET'], `${api}/dependencies`, answering(dependencies(traces))),
  ];
}

type Answer = (request: WebRequest, options: SelectOptions) => Promise<WebResponse>;

/** Bounds the time that an answer may take, and puts what goes wrong into Jaeger's envelope. */
function answering(answer: Answer): (request: WebRequest) => Promise<WebResponse> {
  return async request => {
    const timeout = AbortSignal.timeout(QUERY_TIME_MS_MAX);
    try {
      return await answer(request, { signal: AbortSignal.any([request.signal, timeout]) });
    } catch (error) {
      if (timeout.aborted) {
        return failure(503, `the query took longer than QUERY_TIME_MS_MAX = ${QUERY_TIME_MS_MAX} ms`);
      }
      if (error instanceof HttpError) return failure(error.status, error.message);
      if (error instanceof LimitError) return failure(422, error.message);
      throw error;
    }
  };
}

function failure(code: number, msg: string): WebResponse {
  return json(code, { data: null, total: 0, limit: 0, offset: 0, errors: [{ code, msg }] });
}

function success(data: readonly unknown[]): WebResponse {
  return json(200, { data, total: data.length, limit: 0, offset: 0, errors: null });
}

function services(traces: TraceStore): Answer {
  return async (_request, options) => {
    const values = await traces.tagValues('intrinsic', 'service', everything, options);
    return success(values.map(({ value }) => value));
  };
}

function operationNames(traces: TraceStore): Answer {
  return async ({ params }, options) => {
    const found = await traces.operations(params.service!, everything, options);
    return success([...new Set(found.map(({ name }) => name))]);
  };
}

function operations(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const service = query.get('service') ?? '';
    if (service === '') throw new HttpError(400, 'parameter "service" is missing');
    const kind = query.get('spanKind') ?? '';
    const found = await traces.operations(service, everything, options);
    const shown = found.map(operation => ({
      name: operation.name,
      spanKind: spanKinds[operation.kind] ?? '',
    }));
    return success(shown.filter(({ spanKind }) => kind === '' || spanKind === kind));
  };
}

function search(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const found = await traces.search(
      {
        filter: spanFilter(query),
        range: rangeOf(query),
        limit: wholeNumber(query, 'limit', TRACES_DEFAULT, 1, TRACES_MAX),
        spansPerTrace: 0,
        order: 'latest',
      },
      options,
    );
    const shown: string[] = [];
    let bytes = 0;
    for (const { traceId, start, duration } of found) {
      const range = { start: Number(start / MILLI), end: Number((start + duration) / MILLI) };
      const trace = await traces.trace(traceId, { ...options, range });
      if (trace === null) continue;
      bytes += trace.length;
      checkSize(bytes, `the ${found.length} traces found`);
      shown.push(JSON.stringify(jaegerTrace(traceId, trace)));
    }
    return tracesAnswer(shown);
  };
}

function traceById(traces: TraceStore): Answer {
  return async ({ params }, options) => {
    const id = params.id!;
    if (!/^[0-9a-f]{1,32}$/i.test(id)) {
      throw new HttpError(400, 'parameter "traceID" must be 1 to 32 hexadecimal digits');
    }
    const traceId = id.toLowerCase().padStart(32, '0');
    const trace = await traces.trace(traceId, options);
    if (trace === null) throw new HttpError(404, 'trace not found');
    checkSize(trace.length, `trace ${traceId}`);
    return tracesAnswer([JSON.stringify(jaegerTrace(traceId, trace))]);
  };
}

/** Each trace is text at once, so that only one at a time is in memory as objects. */
function tracesAnswer(traces: readonly string[]): WebResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: `{"data":[${traces.join(',')}],"total":${traces.length},"limit":0,"offset":0,"errors":null}`,
  };
}

function checkSize(bytes: number, what: string): void {
  if (bytes > ANSWER_BYTES_MAX) {
    throw new LimitError(`${what}: more than ANSWER_BYTES_MAX = ${ANSWER_BYTES_MAX} bytes; ask for less`);
  }
}

function dependencies(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const end = wholeNumber(query, 'endTs', Date.now());
    const range = { start: end - wholeNumber(query, 'lookback', DAY_MS), end };
    const calls = await traces.serviceCalls(range, options);
    return success(
      calls.map(({ caller, callee, count }) => ({
        parent: serviceName(caller),
        child: serviceName(callee),
        callCount: count,
      })),
    );
  };
}

/** `start` and `end` in microseconds; everything where they are missing. */
function rangeOf(query: URLSearchParams): TimeRange {
  const start = wholeNumber(query, 'start', everything.start * 1000) / 1000;
  const end = wholeNumber(query, 'end', everything.end * 1000) / 1000;
  if (end < start) throw new HttpError(400, 'parameter "end" lies before "start"');
  return { start, end };
}

function wholeNumber(
  query: URLSearchParams,
  name: string,
  missing: number,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const text = query.get(name) ?? '';
  if (text === '') return missing;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new HttpError(
    400,
    `parameter "${name}" is ${JSON.stringify(text)}, not a whole number from ${min} to ${max}`,
  );
}
