// Server spans and metrics of node:http and node:https, read from the channels that Node publishes on.
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Tracer } from '@opentelemetry/api';
import { propagation, trace } from '@opentelemetry/api';
import { afterLoading, ObservabilityContext } from '../index.ts';
import { listen } from './channel.ts';
import { HTTP_SCOPE } from './http-conventions.ts';
import { HttpServerCall } from './http-server-call.ts';
import { type ActiveRequests, ServerMetrics } from './http-server-metrics.ts';
import {
  contextOf,
  HeaderOf,
  HeaderSurvey,
  hasBody,
  schemeOf,
  schemeOfConnection,
} from './http-server-request.ts';
import { lazily } from './lazily.ts';
import { addServedCalls, routeOf } from './served-request.ts';

const CONTEXT = Symbol('tricord.server-context');
const OLDEST = Symbol('tricord.oldest-server-call');
/** What the agent's own server has. */
const UNOBSERVED = Symbol.for('tricord.unobserved');

/**
 * One request that is being served. The calls of a connection form a list in the order of their requests, which is that of
 * their responses too:
 *
 *     socket[OLDEST] ─▶ call ─next─▶ call ─next─▶ undefined        (more than one only with pipelining)
 *
 * Invariant: a call is in the list of its socket from its start until it ends, and it ends once: when its response has
 * been handed over, or else when the socket closes.
 */
class ServerCall extends HttpServerCall<ServedRequest> {
  readonly response: ServerResponse;
  next: ServerCall | undefined = undefined;

  constructor(
    request: ServedRequest,
    response: ServerResponse,
    active: ActiveRequests,
    tracer: Tracer,
    parent: ObservabilityContext,
  ) {
    super(request, active, tracer, parent);
    this.response = response;
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
  readonly server: object;
}

/** Undefined when the request is not under way. */
function callOf(request: ServedRequest, socket: ServedSocket | null): ServerCall | undefined {
  let call = socket?.[OLDEST] ?? undefined;
  while (call !== undefined && call.head !== request) call = call.next;
  return call;
}

/** Observes every server of node:http and node:https in this thread, from the next request on. */
export function instrumentHttpServer(): void {
  const server = lazily(() => new HttpServer());
  afterLoading(server); // The first request need not wait for it.
  addServedCalls(request => callOf(request as ServedRequest, request.socket));
  listen<ServerMessage>('http.server.request.start', message => server().start(message));
  listen<ServerMessage>('http.server.response.finish', message => server().finish(message));
}

class HttpServer {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #metrics: ServerMetrics = ServerMetrics.get();
  readonly #abort: (this: ServedSocket) => void;
  /** Made with the first request: by then the global propagator is the one that stays. */
  #survey: HeaderSurvey | undefined;

  constructor() {
    const end = (call: ServerCall): void => this.#end(call, call.context);
    this.#abort = function () {
      for (let call = this[OLDEST]; call; call = call.next) end(call);
      this[OLDEST] = null;
    };
  }

  start({ request, response, socket, server }: ServerMessage): void {
    if (UNOBSERVED in server) return;
    this.#survey ??= new HeaderSurvey(propagation.fields());
    const headers = this.#survey.of(request);
    const connection = schemeOfConnection(request);
    const scheme = headers & HeaderOf.scheme ? schemeOf(request.headers, connection) : connection;
    const active = this.#metrics.activeOf(request.method, scheme);
    const parent = headers & HeaderOf.context ? contextOf(request.headers) : ObservabilityContext.root;
    const call = new ServerCall(request, response, active, this.#tracer, parent);
    this.#enqueue(socket, call);
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
    const { head, response } = call;
    const statusCode = response.headersSent ? response.statusCode : undefined;
    call.end(this.#metrics.durations, context, routeOf(call, head), statusCode);
  }
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
