// Tempo's HTTP API over the store, as Grafana calls it: trace by ID, search, tag names and values.
import { tracesToJson } from 'tricord/otlp';
import {
  LimitError,
  MatcherError,
  type SelectOptions,
  type SpanCondition,
  type Store,
  type TimeRange,
  type TraceStore,
} from '../store/store.ts';
import { HttpError, json, type Route, route, type WebRequest, type WebResponse } from '../web/router.ts';
import { searchResponse } from './tempo-response.ts';
import { tagsFilter } from './tempo-tags.ts';
import { intrinsics, parseTraceQl, TraceQlError } from './tempo-traceql.ts';

const QUERY_TIME_MS_MAX = 30_000;
const TRACES_DEFAULT = 20;
const TRACES_MAX = 1000;
const SPANS_PER_TRACE_DEFAULT = 3;
const SPANS_PER_TRACE_MAX = 1000;

/** The version of Tempo whose API this is: Grafana decides by it what it asks for. */
const API_VERSION = '2.8.0';

/** The routes under `/tempo`. */
export function tempoRoutes(store: Store): Route[] {
  const { traces } = store;
  return [
    route(['GET'], '/tempo/api/echo', () => ({ status: 200, body: 'echo' })),
    route(['GET'], '/tempo/api/status/buildinfo', () =>
      json(200, { version: API_VERSION, revision: '', branch: '', buildDate: '', goVersion: '' }),
    ),
    route(['GET'], '/tempo/api/traces/:id', answering(traceById(traces))),
    route(['GET'], '/tempo/api/v2/traces/:id', answering(traceByIdV2(traces))),
    route(['GET'], '/tempo/api/search', answering(search(traces))),
    route(['GET'], '/tempo/api/search/tags', answering(tagNames(traces))),
    route(['GET'], '/tempo/api/v2/search/tags', answering(tagNamesV2(traces))),
    route(['GET'], '/tempo/api/search/tag/:name/values', answering(tagValues(traces))),
    route(['GET'], '/tempo/api/v2/search/tag/:name/values', answering(tagValuesV2(traces))),
  ];
}

type Answer = (request: WebRequest, options: SelectOptions) => Promise<WebResponse>;

/** Bounds the time that an answer may take, and gives what goes wrong its status. */
function answering(answer: Answer): (request: WebRequest) => Promise<WebResponse> {
  return async request => {
    const timeout = AbortSignal.timeout(QUERY_TIME_MS_MAX);
    try {
      return await answer(request, { signal: AbortSignal.any([request.signal, timeout]) });
    } catch (error) {
      if (timeout.aborted) {
        throw new HttpError(503, `the query took longer than QUERY_TIME_MS_MAX = ${QUERY_TIME_MS_MAX} ms`);
      }
      if (error instanceof TraceQlError || error instanceof MatcherError)
        throw new HttpError(400, error.message);
      if (error instanceof LimitError) throw new HttpError(422, error.message);
      throw error;
    }
  };
}

function traceById(traces: TraceStore): Answer {
  return async (request, options) => {
    const id = traceIdOf(request);
    const bytes = await traces.trace(id, options);
    if (bytes === null) throw new HttpError(404, `there is no trace ${id}`);
    if (wantsProtobuf(request)) return protobuf(bytes);
    const text = tracesToJson(bytes);
    return jsonText(text.replace(/^\{"resourceSpans"/, '{"batches"'));
  };
}

/** `tempopb.TraceByIDResponse`: `Trace trace = 1`, empty but there when nothing was found. */
function traceByIdV2(traces: TraceStore): Answer {
  return async (request, options) => {
    const bytes = (await traces.trace(traceIdOf(request), options)) ?? new Uint8Array(0);
    if (wantsProtobuf(request)) return protobuf(Buffer.concat([fieldOneHeader(bytes.length), bytes]));
    return jsonText(`{"trace":${tracesToJson(bytes)}}`);
  };
}

/** Tag and length of a length-delimited field 1. */
function fieldOneHeader(length: number): Uint8Array {
  const header = [0x0a];
  let rest = length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) header.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...header, rest]);
}

function traceIdOf({ params }: WebRequest): string {
  const id = params.id!;
  if (!/^[0-9a-fA-F]{1,32}$/.test(id)) throw new HttpError(400, 'a trace ID is 1 to 32 hexadecimal digits');
  return id.toLowerCase().padStart(32, '0');
}

function wantsProtobuf({ headers }: WebRequest): boolean {
  return (headers.accept ?? '').includes('application/protobuf');
}

function protobuf(body: Uint8Array): WebResponse {
  return { status: 200, headers: { 'content-type': 'application/protobuf' }, body };
}

function jsonText(body: string): WebResponse {
  return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body };
}

function search(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const text = (name: string): string => query.get(name) ?? '';
    const { filter, fields } =
      text('q') === ''
        ? { filter: tagsFilter(text('tags'), text('minDuration'), text('maxDuration')), fields: [] }
        : parseTraceQl(text('q'));
    const order = query.get('order') ?? 'latest';
    if (order !== 'latest' && order !== 'slowest') throw new HttpError(400, 'order is "latest" or "slowest"');
    const found = await traces.search(
      {
        filter,
        range: rangeOf(query),
        limit: countOf(query, 'limit', TRACES_DEFAULT, TRACES_MAX),
        spansPerTrace: countOf(query, 'spss', SPANS_PER_TRACE_DEFAULT, SPANS_PER_TRACE_MAX),
        order,
      },
      options,
    );
    return json(200, searchResponse(found, fields));
  };
}

/** `start` and `end` in seconds; everything where they are missing. */
function rangeOf(query: URLSearchParams): TimeRange {
  const start = secondsOf(query, 'start', 0);
  const end = secondsOf(query, 'end', 4e9);
  if (end < start) throw new HttpError(400, 'end is before start');
  return { start: start * 1000, end: end * 1000 };
}

function secondsOf(query: URLSearchParams, name: string, missing: number): number {
  const text = query.get(name) ?? '';
  if (text === '') return missing;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new HttpError(400, `${name} must be a Unix time in seconds`);
  return value === 0 ? missing : value;
}

function countOf(query: URLSearchParams, name: string, missing: number, max: number): number {
  const text = query.get(name) ?? '';
  if (text === '') return missing;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new HttpError(400, `${name} must be a whole number from 1 to ${max}`);
  }
  return value;
}

function tagNames(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const { span, resource } = await traces.tagNames(rangeOf(query), options);
    return json(200, { tagNames: [...new Set([...span, ...resource, ...listedIntrinsics])].sort() });
  };
}

const listedIntrinsics = [...intrinsics.keys()];

function tagNamesV2(traces: TraceStore): Answer {
  return async ({ query }, options) => {
    const names = await traces.tagNames(rangeOf(query), options);
    const scopes = [
      { name: 'resource', tags: names.resource },
      { name: 'span', tags: names.span },
      { name: 'intrinsic', tags: listedIntrinsics },
    ];
    const wanted = query.get('scope') ?? '';
    return json(200, {
      scopes: scopes.filter(({ name }) => wanted === '' || wanted === 'none' || name === wanted),
    });
  };
}

function tagValues(traces: TraceStore): Answer {
  return async ({ params, query }, options) => {
    const { scope, field } = tagOf(params.name!, true);
    const values = await traces.tagValues(scope, field, rangeOf(query), options);
    return json(200, { tagValues: values.map(({ value }) => value) });
  };
}

function tagValuesV2(traces: TraceStore): Answer {
  return async ({ params, query }, options) => {
    const { scope, field } = tagOf(params.name!, false);
    return json(200, { tagValues: await traces.tagValues(scope, field, rangeOf(query), options) });
  };
}

/** `resource.service.name`, `span.http.route`, `.tenant` or an intrinsic; `bare` names are attributes of any scope. */
function tagOf(name: string, bare: boolean): Pick<SpanCondition, 'scope' | 'field'> {
  if (name === 'resource.service.name' || (bare && name === 'service.name')) {
    return { scope: 'intrinsic', field: 'service' };
  }
  const intrinsic = intrinsics.get(name);
  if (intrinsic !== undefined) return { scope: 'intrinsic', field: intrinsic };
  const [, scope, field] = /^(resource|span|)\.(.+)$/s.exec(name) ?? [];
  if (field !== undefined) return { scope: scope === '' ? 'any' : (scope as 'span' | 'resource'), field };
  if (bare) return { scope: 'any', field: name };
  throw new HttpError(400, `"${name}" is no tag; write resource.…, span.…, .… or an intrinsic`);
}
