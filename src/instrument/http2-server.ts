// Server spans and metrics of node:http2, a stream each.
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Tracer } from '@opentelemetry/api';
import { trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { HTTP_SCOPE } from './http-conventions.ts';
import { HttpServerCall } from './http-server-call.ts';
import { ServerMetrics } from './http-server-metrics.ts';
import { contextOf, type RequestHead, schemeOf } from './http-server-request.ts';
import { HTTP2_VERSION, isGrpc, isGrpcObserved } from './http2-streams.ts';
import { addServedCalls, routeOf } from './served-request.ts';

const CALL: unique symbol = Symbol('tricord.server-stream-call');

interface ServedStream extends ServerHttp2Stream {
  [CALL]?: HttpServerCall | undefined;
}

export interface StreamMessage {
  readonly stream: ServedStream;
  readonly headers: IncomingHttpHeaders;
}

export class Http2Server {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #metrics: ServerMetrics = ServerMetrics.get();

  constructor() {
    addServedCalls(request => (request as IncomingMessage & { stream?: ServedStream }).stream?.[CALL]);
  }

  /**
   * The request has arrived, and the application will be told at the next tick, in the context that is entered here. Left out
   * are what the server pushes (its streams have even numbers), tunnels, and calls that have a span as gRPC.
   */
  start({ stream, headers }: StreamMessage): void {
    const method = headers[':method'] as string | undefined;
    const isPushed = (stream.id ?? 0) % 2 === 0;
    if (isPushed || method === 'CONNECT' || (isGrpcObserved() && isGrpc(headers['content-type']))) return;
    const scheme = schemeOf(headers, stream.session?.encrypted === true ? 'https' : 'http');
    const active = this.#metrics.activeOf(method, scheme);
    const call = new HttpServerCall(headOf(stream, headers), active, this.#tracer, contextOf(headers));
    stream[CALL] = call;
    if (method !== 'GET' && method !== 'HEAD') stream.emit = emitInContext;
    ObservabilityContext.enter(call.context);
  }

  end({ stream }: StreamMessage): void {
    const call = stream[CALL];
    if (call === undefined) return;
    call.end(this.#metrics.durations, call.context, routeOf(call, undefined), statusOf(stream));
    // The stream's last events come yet, and belong to the request.
    if (stream.emit !== emitInContext) stream[CALL] = undefined;
  }
}

function headOf({ session }: ServedStream, headers: IncomingHttpHeaders): RequestHead {
  return {
    method: headers[':method'] as string | undefined,
    url: headers[':path'] as string | undefined,
    headers,
    httpVersion: HTTP2_VERSION,
    socket: session?.socket ?? {},
  };
}

/** Undefined when no response had begun. */
function statusOf({ headersSent, sentHeaders }: ServedStream): number | undefined {
  return headersSent ? Number(sentHeaders?.[':status'] ?? 200) : undefined;
}

/** `emit` of a stream with a body, whose data come in the context of the connection. */
function emitInContext(this: ServedStream, ...event: Parameters<EventEmitter['emit']>): boolean {
  const context = this[CALL]?.context ?? ObservabilityContext.active();
  return context.run(emitOn, this, ...event);
}

function emitOn(stream: EventEmitter, ...event: Parameters<EventEmitter['emit']>): boolean {
  return EventEmitter.prototype.emit.apply(stream, event);
}
