// Server spans and metrics of node:http and node:https, read from the channels that Node publishes on.
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Attributes, Context, Histogram, ObservableResult, Span, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { listen } from './channel.ts';
import { durationBuckets, HTTP_SCOPE, Http, knownMethod, methodInName } from './http-conventions.ts';
import { describeServerRequest, headerGetter, schemeOf } from './http-server-request.ts';

const SERVER = { kind: SpanKind.SERVER } as const;
const CALL = Symbol('tricord.server-call');
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
  readonly method: string;
  readonly scheme: string;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly startedMs: number = performance.now();
  /** Set by frameworks that say it themselves. */
  route: string | undefined = undefined;
  error: unknown = undefined;
  next: ServerCall | undefined = undefined;
  ended = false;

  constructor(
    request: ServedRequest,
    response: ServerResponse,
    tracer: Tracer,
    parent: ObservabilityContext,
  ) {
    this.request = request;
    this.response = response;
    this.method = knownMethod(request.method);
    this.scheme = schemeOf(request);
    this.span = tracer.startSpan(methodInName(this.method), SERVER, parent);
    this.context = parent.withSpan(this.span);
  }
}

interface ActiveRequests {
  count: number;
  readonly attributes: Attributes;
}

interface ServedRequest extends IncomingMessage {
  [CALL]?: ServerCall | undefined;
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
  const call = (request as ServedRequest)[CALL];
  if (call !== undefined) call.route = route;
}

/** Tells what a request under way failed with; it goes onto the span when the response is a 5xx. */
export function setRequestError(request: IncomingMessage, error: unknown): void {
  const call = (request as ServedRequest)[CALL];
  if (call !== undefined) call.error = error;
}

/** Observes every server of node:http and node:https in this thread, from the next request on. */
export function instrumentHttpServer(): void {
  const server = new HttpServer();
  listen<ServerMessage>('http.server.request.start', message => server.start(message));
  listen<ServerMessage>('http.server.response.finish', message => server.finish(message));
}

class HttpServer {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #duration: Histogram;
  /** Requests under way by method and scheme; read when metrics are collected, so that a request costs two additions. */
  readonly #active = new Map<string, ActiveRequests>();
  readonly #abort: (this: ServedSocket) => void;

  constructor() {
    const meter = metrics.getMeter(HTTP_SCOPE);
    this.#duration = meter.createHistogram('http.server.request.duration', {
      unit: 's',
      description: 'Duration of HTTP server requests.',
      advice: { explicitBucketBoundaries: durationBuckets },
    });
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
    const parent = propagation.extract(ObservabilityContext.root, request.headers, headerGetter);
    const call = new ServerCall(request, response, this.#tracer, ObservabilityContext.from(parent));
    request[CALL] = call;
    this.#enqueue(socket, call);
    this.#activeOf(call).count++;
    if (call.span.isRecording()) describeServerRequest(call.span, request, call.scheme);
    if (hasBody(request)) request.emit = emitInContext;
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
    const call = request[CALL];
    if (call === undefined || call.ended) return;
    remove(socket, call);
    const active = ObservabilityContext.active();
    this.#end(call, active.span === call.span ? active : call.context);
  }

  /** @param context carries the labels that were set on the way, for the metric */
  #end(call: ServerCall, context: Context): void {
    const { request, response, span } = call;
    call.ended = true;
    this.#activeOf(call).count--;
    const route = call.route ?? readRoute(request);
    const statusCode = response.headersSent ? response.statusCode : undefined;
    const failed = statusCode !== undefined && statusCode >= 500;
    this.#duration.record(
      (performance.now() - call.startedMs) / 1000,
      {
        [Http.method]: call.method,
        [Http.scheme]: call.scheme,
        [Http.statusCode]: statusCode,
        [Http.route]: route,
        [Http.protocolVersion]: request.httpVersion,
        [Http.errorType]: failed ? String(statusCode) : undefined,
      },
      context,
    );
    if (span.isRecording()) describeServerResponse(call, route, statusCode, failed);
    span.end();
  }

  #activeOf(call: ServerCall): ActiveRequests {
    const key = call.method + call.scheme;
    let active = this.#active.get(key);
    if (active === undefined) {
      active = { count: 0, attributes: { [Http.method]: call.method, [Http.scheme]: call.scheme } };
      this.#active.set(key, active);
    }
    return active;
  }

  #observeActive(result: ObservableResult): void {
    for (const { count, attributes } of this.#active.values()) result.observe(count, attributes);
  }
}

function describeServerResponse(
  call: ServerCall,
  route: string | undefined,
  statusCode: number | undefined,
  failed: boolean,
): void {
  const { span, method, error } = call;
  if (statusCode !== undefined) span.setAttribute(Http.statusCode, statusCode);
  if (route !== undefined) {
    span.setAttribute(Http.route, route);
    span.updateName(`${methodInName(method)} ${route}`);
  }
  if (!failed) return;
  span.setAttribute(Http.errorType, String(statusCode));
  if (error instanceof Error) span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR });
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

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}

/**
 * `emit` of a request with a body. Node emits what arrives later in the context of the connection, which knows of no
 * request; so the events of the request itself carry its context.
 */
function emitInContext(this: ServedRequest, ...event: Parameters<EventEmitter['emit']>): boolean {
  const context = this[CALL]?.context;
  return context === undefined ? emitOn(this, ...event) : context.run(emitOn, this, ...event);
}

function emitOn(request: EventEmitter, ...event: Parameters<EventEmitter['emit']>): boolean {
  return EventEmitter.prototype.emit.apply(request, event);
}
