// Client spans and metrics of node:http2, a stream each.
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Histogram, Span, TextMapSetter, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { attempt } from './fault.ts';
import {
  createClientDuration,
  defaultPort,
  describeClientOutcome,
  HTTP_SCOPE,
  Http,
  knownMethod,
  methodInName,
  redactUrl,
  setMethod,
  splitAuthority,
} from './http-conventions.ts';
import { HTTP2_VERSION, isGrpc, isGrpcObserved } from './http2-streams.ts';

const CLIENT = { kind: SpanKind.CLIENT } as const;
const CALL: unique symbol = Symbol('tricord.client-stream-call');
const NGHTTP2_CANCEL = 8;

/** Headers as they are given to `request()`: an object, or names and values in turn. */
type RequestHeaders = Readonly<Record<string, unknown>> | readonly string[] | undefined;

interface AskedStream extends ClientHttp2Stream {
  [CALL]?: StreamCall;
}

export interface StreamMessage {
  readonly stream: AskedStream;
  readonly headers: IncomingHttpHeaders;
}

/** What every client session inherits. */
interface SessionMethods {
  request(this: ClientHttp2Session, headers: RequestHeaders, ...rest: unknown[]): AskedStream;
}

/** One request that is under way, until its stream closes. */
class StreamCall {
  readonly method: string;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly startedMs: number = performance.now();
  serverAddress = '';
  serverPort = 0;
  statusCode = 0;

  constructor(method: string | undefined, tracer: Tracer, parent: ObservabilityContext) {
    this.method = knownMethod(method ?? 'GET');
    this.span = tracer.startSpan(methodInName(this.method), CLIENT, parent);
    this.context = parent.withSpan(this.span);
  }
}

export class Http2Client {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #duration: Histogram = createClientDuration(metrics.getMeter(HTTP_SCOPE));
  readonly #close: (this: AskedStream) => void;
  readonly #patched = new WeakSet<object>();
  /** The call of the request that is being made. */
  #current: StreamCall | undefined;

  constructor() {
    const end = (stream: AskedStream): void => this.#end(stream);
    this.#close = function () {
      end(this);
    };
  }

  /** The stream is there, in the context of its maker. What a server pushes is left out: its streams have even numbers. */
  start({ stream, headers }: StreamMessage): void {
    const isPushed = stream.id !== undefined && stream.id % 2 === 0;
    const { session } = stream;
    if (isPushed || session === undefined) return;
    this.#patch(Object.getPrototypeOf(session) as SessionMethods);
    const call = this.#current ?? this.#begin(headers);
    this.#current = undefined;
    if (call === undefined) return;
    stream[CALL] = call;
    describeRequest(call, headers, session as ClientHttp2Session);
    stream.once('close', this.#close);
  }

  /** The response begins. */
  respond({ stream, headers }: StreamMessage): void {
    const call = stream[CALL];
    if (call !== undefined) call.statusCode = Number(headers[':status']);
  }

  /** Undefined when the request is not observed: a tunnel, somebody else's, who has a span for it, or our own. */
  #begin(headers: RequestHeaders): StreamCall | undefined {
    const parent = ObservabilityContext.active();
    const method = headerOf(headers, ':method');
    if (parent.suppressed || method === 'CONNECT') return undefined;
    if (propagation.fields().some(field => field !== 'baggage' && headerOf(headers, field) !== undefined))
      return undefined;
    if (isGrpcObserved() && isGrpc(headerOf(headers, 'content-type'))) return undefined;
    return new StreamCall(method, this.#tracer, parent);
  }

  #patch(sessions: SessionMethods): void {
    if (this.#patched.has(sessions)) return;
    this.#patched.add(sessions);
    const { request } = sessions;
    const begin = (headers: RequestHeaders): StreamCall | undefined => this.#prepare(headers);
    const settle = (call: StreamCall | undefined): void => this.#settle(call);
    sessions.request = function (headers, ...rest) {
      const call = begin(headers);
      try {
        return request.call(this, call === undefined ? headers : withContext(headers, call.context), ...rest);
      } finally {
        settle(call);
      }
    };
  }

  #prepare(headers: RequestHeaders): StreamCall | undefined {
    this.#current = attempt('HTTP/2 requests', () => this.#begin(headers));
    return this.#current;
  }

  /** A request that Node has refused, with an exception, has no stream. */
  #settle(call: StreamCall | undefined): void {
    if (call !== undefined && this.#current === call) call.span.end();
    this.#current = undefined;
  }

  #end(stream: AskedStream): void {
    const call = stream[CALL];
    if (call === undefined) return;
    const { span, method, serverAddress, serverPort, statusCode } = call;
    const attributes = describeClientOutcome(span, {
      method,
      serverAddress,
      serverPort,
      statusCode,
      protocolVersion: HTTP2_VERSION,
      error: errorOf(stream),
    });
    this.#duration.record((performance.now() - call.startedMs) / 1000, attributes, call.context);
    span.end();
  }
}

/** What a stream failed with; what its session failed with is the cause of a stream's error. */
function errorOf({ errored, rstCode }: AskedStream): unknown {
  if (errored) return errored.cause ?? errored;
  return rstCode === NGHTTP2_CANCEL ? { code: 'NGHTTP2_CANCEL' } : undefined;
}

/** @param headers with all that Node has added */
function describeRequest(call: StreamCall, headers: IncomingHttpHeaders, session: ClientHttp2Session): void {
  const scheme = headerOf(headers, ':scheme') ?? (session.encrypted ? 'https' : 'http');
  const authority = headerOf(headers, ':authority') ?? headerOf(headers, 'host') ?? '';
  const { host, port } = splitAuthority(authority);
  call.serverAddress = host;
  call.serverPort = port ?? defaultPort(scheme);
  const { span, method } = call;
  if (!span.isRecording()) return;
  setMethod(span, method, headerOf(headers, ':method'));
  span.setAttribute(Http.full, redactUrl(`${scheme}://${authority}${headerOf(headers, ':path') ?? '/'}`));
  span.setAttribute(Http.serverAddress, call.serverAddress);
  span.setAttribute(Http.serverPort, call.serverPort);
}

function headerOf(headers: RequestHeaders, name: string): string | undefined {
  if (!isList(headers)) return headers?.[name] as string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/** The same headers, of the same kind, and what propagators write. */
function withContext(headers: RequestHeaders, context: ObservabilityContext): RequestHeaders {
  const written: Record<string, string> = {};
  propagation.inject(context, written, headerSetter);
  return isList(headers) ? [...headers, ...Object.entries(written).flat()] : { ...headers, ...written };
}

function isList(headers: RequestHeaders): headers is readonly string[] {
  return Array.isArray(headers);
}

const headerSetter: TextMapSetter<Record<string, string>> = {
  set(headers, name, value) {
    headers[name] = value;
  },
};
