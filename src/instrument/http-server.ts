// Server spans and metrics of node:http and node:https, read from the channels that Node publishes on.
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Attributes, ObservableResult, Span, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { listen } from './channel.ts';
import { durationBuckets, HTTP_SCOPE, Http, knownMethod, methodInName } from './http-conventions.ts';
import { isServerError, ServerDurations } from './http-server-durations.ts';
import {
  describeServerRequest,
  HeaderOf,
  HeaderSurvey,
  hasBody,
  headerGetter,
  ServerSpanOptions,
  schemeOf,
  schemeOfConnection,
} from './http-server-request.ts';

const CONTEXT = Symbol('tricord.server-context');
const OLDEST = Symbol('tricord.oldest-server-call');

/**
 * One request that is being served. The calls of a connection form a list in the order of their requests, which is that of
 * their responses too:
 *
 *     socket[OLDEST] ─▶ call ─next─▶ call ─next─▶ undefined        (more than one only with pipelining)
 *
 * Invariant: a call is in the list of its socket from its start until it ends, and it ends once: when its response has
 * been handed over, or else when the socket closes.
 */
class ServerCall {
  readonly request: ServedRequest;
  readonly response: ServerResponse;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly startedMs: number;
  /** Counts it while it is under way. */
  readonly active: ActiveRequests;
  /** Set by frameworks that say it themselves. */
  route: string | undefined = undefined;
  error: unknown = undefined;
  /** Whether the span has the attributes of the request. */
  #described = false;
  next: ServerCall | undefined = undefined;

  constructor(
    request: ServedRequest,
    response: ServerResponse,
    active: ActiveRequests,
    tracer: Tracer,
    parent: ObservabilityContext,
  ) {
    this.request = request;
    this.response = response;
    this.active = active;
    this.startedMs = performance.now();
    const options = new ServerSpanOptions(request, active.method, active.scheme, this.startedMs);
    this.span = tracer.startSpan(active.spanName, options, parent);
    this.context = parent.withSpan(this.span, ObservabilityContext.timestampOf(this.startedMs));
    this.describe();
  }

  /** Again at the end: by then a span may be recorded that was not when it began. */
  describe(): void {
    if (this.#described || !this.span.isRecording()) return;
    this.#described = true;
    describeServerRequest(this.span, this.request, this.active.method, this.active.scheme);
  }
}

/** Requests of one method and scheme that are under way: read when metrics are collected, so that one costs two additions. */
class ActiveRequests {
  count = 0;
  readonly method: string;
  readonly scheme: string;
  /** What a span is called until its route is known. */
  readonly spanName: string;
  readonly attributes: Attributes;

  constructor(method: string, scheme: string) {
    this.method = method;
    this.scheme = scheme;
    this.spanName = methodInName(method);
    this.attributes = { [Http.method]: method, [Http.scheme]: scheme };
  }
}

interface ServedRequest extends IncomingMessage {
  readonly socket: ServedSocket;
  /** Only where a body follows: it may outlive the call. A property more makes requests slower for Express. */
  [CONTEXT]?: ObservabilityContext;
}

/** Undefined: not seen yet; null: nothing under way. */
interface ServedSocket extends Socket {
  [OLDEST]?: ServerCall | null;
}

interface ServerMessage {
  readonly request: ServedRequest;
  readonly response: ServerResponse;
  readonly socket: ServedSocket;
}

type RouteReader = (request: IncomingMessage) => string | undefined;

let readRoute: RouteReader = () => undefined;

/** Asks `reader` at the end of each request for its route, unless {@link setRoute} has told it. */
export function setRouteReader(reader: RouteReader): void {
  readRoute = reader;
}

/** Tells the route template of a request under way. */
export function setRoute(request: IncomingMessage, route: string): void {
  const call = callOf(request as ServedRequest);
  if (call !== undefined) call.route = route;
}

/** Tells what a request under way failed with; it goes onto the span when the response is a 5xx. */
export function setRequestError(request: IncomingMessage, error: unknown): void {
  const call = callOf(request as ServedRequest);
  if (call !== undefined) call.error = error;
}

/** Undefined when the request is not under way. */
function callOf(
  request: ServedRequest,
  socket: ServedSocket | null = request.socket,
): ServerCall | undefined {
  let call = socket?.[OLDEST] ?? undefined;
  while (call !== undefined && call.request !== request) call = call.next;
  return call;
}

/** Observes every server of node:http and node:https in this thread, from the next request on. */
export function instrumentHttpServer(): void {
  const server = new HttpServer();
  listen<ServerMessage>('http.server.request.start', message => server.start(message));
  listen<ServerMessage>('http.server.response.finish', message => server.finish(message));
}

class HttpServer {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #durations: ServerDurations;
  readonly #active = { http: new Map<string, ActiveRequests>(), https: new Map<string, ActiveRequests>() };
  readonly #abort: (this: ServedSocket) => void;
  /** Made with the first request: by then the global propagator is the one that stays. */
  #survey: HeaderSurvey | undefined;

  constructor() {
    const meter = metrics.getMeter(HTTP_SCOPE);
    this.#durations = new ServerDurations(
      meter.createHistogram('http.server.request.duration', {
        unit: 's',
        description: 'Duration of HTTP server requests.',
        advice: { explicitBucketBoundaries: durationBuckets },
      }),
    );
    meter
      .createObservableUpDownCounter('http.server.active_requests', {
        unit: '{request}',
        description: 'Number of active HTTP server requests.',
      })
      .addCallback(result => this.#observeActive(result));
    const end = (call: ServerCall): void => this.#end(call, call.context);
    this.#abort = function () {
      for (let call = this[OLDEST]; call; call = call.next) end(call);
      this[OLDEST] = null;
    };
  }

  start({ request, response, socket }: ServerMessage): void {
    this.#survey ??= new HeaderSurvey(propagation.fields());
    const headers = this.#survey.of(request);
    const scheme = headers & HeaderOf.scheme ? schemeOf(request) : schemeOfConnection(request);
    const active = this.#activeOf(request.method, scheme);
    const parent = headers & HeaderOf.context ? contextOf(request) : ObservabilityContext.root;
    const call = new ServerCall(request, response, active, this.#tracer, parent);
    this.#enqueue(socket, call);
    active.count++;
    if (headers & HeaderOf.body && hasBody(request)) {
      request[CONTEXT] = call.context;
      request.emit = emitInContext;
    }
    ObservabilityContext.enter(call.context);
  }

  #enqueue(socket: ServedSocket, call: ServerCall): void {
    const oldest = socket[OLDEST];
    if (oldest === undefined) socket.once('close', this.#abort);
    if (!oldest) {
      socket[OLDEST] = call;
      return;
    }
    let last = oldest;
    while (last.next !== undefined) last = last.next;
    last.next = call;
  }

  /** Published when the whole response has been handed to the operating system, in the context that ended it. */
  finish({ request, socket }: ServerMessage): void {
    const call = callOf(request, socket);
    if (call === undefined) return;
    remove(socket, call);
    const active = ObservabilityContext.active();
    this.#end(call, active.span === call.span ? active : call.context);
  }

  /** @param context carries the labels that were set on the way, for the metric */
  #end(call: ServerCall, context: ObservabilityContext): void {
    const { request, response, span, active } = call;
    active.count--;
    const route = call.route ?? readRoute(request);
    const statusCode = response.headersSent ? response.statusCode : undefined;
    const seconds = (performance.now() - call.startedMs) / 1000;
    const { method, scheme } = active;
    this.#durations.record(seconds, context, route, method, scheme, statusCode, request.httpVersion);
    if (statusCode !== undefined && isServerError(statusCode)) span.setStatus({ code: SpanStatusCode.ERROR });
    call.describe();
    if (span.isRecording()) describeServerResponse(call, route, statusCode);
    span.end();
  }

  #activeOf(requestMethod: string | undefined, scheme: 'http' | 'https'): ActiveRequests {
    const method = knownMethod(requestMethod);
    let active = this.#active[scheme].get(method);
    if (active === undefined) {
      active = new ActiveRequests(method, scheme);
      this.#active[scheme].set(method, active);
    }
    return active;
  }

  #observeActive(result: ObservableResult): void {
    for (const byMethod of Object.values(this.#active)) {
      for (const { count, attributes } of byMethod.values()) result.observe(count, attributes);
    }
  }
}

/** The context that the caller sent along. */
function contextOf({ headers }: IncomingMessage): ObservabilityContext {
  return ObservabilityContext.from(propagation.extract(ObservabilityContext.root, headers, headerGetter));
}

function describeServerResponse(
  { span, active, error }: ServerCall,
  route: string | undefined,
  statusCode: number | undefined,
): void {
  if (route !== undefined) {
    span.setAttribute(Http.route, route);
    span.updateName(`${active.spanName} ${route}`);
  }
  if (statusCode === undefined) return;
  span.setAttribute(Http.statusCode, statusCode);
  if (!isServerError(statusCode)) return;
  span.setAttribute(Http.errorType, String(statusCode));
  if (error instanceof Error) span.recordException(error);
}

function remove(socket: ServedSocket, call: ServerCall): void {
  let before = socket[OLDEST];
  if (before === call) {
    socket[OLDEST] = call.next ?? null;
    return;
  }
  while (before && before.next !== call) before = before.next;
  if (before) before.next = call.next;
}

/**
 * `emit` of a request with a body. Node emits what arrives later in the context of the connection, which knows of no
 * request; so the events of the request itself carry its context.
 */
function emitInContext(this: ServedRequest, ...event: Parameters<EventEmitter['emit']>): boolean {
  const context = this[CONTEXT];
  return context === undefined ? emitOn(this, ...event) : context.run(emitOn, this, ...event);
}

function emitOn(request: EventEmitter, ...event: Parameters<EventEmitter['emit']>): boolean {
  return EventEmitter.prototype.emit.apply(request, event);
}
