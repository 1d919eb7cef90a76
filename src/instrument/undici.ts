// Client spans and metrics of fetch and undici, read from undici's channels: Node's built-in copy and the npm package alike.
import type { Histogram, Span, TextMapSetter, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { listen } from './channel.ts';
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
} from './http-conventions.ts';
import { lazily } from './lazily.ts';

const CLIENT = { kind: SpanKind.CLIENT } as const;
const CALL = Symbol('tricord.undici-call');

interface UndiciCall {
  readonly method: string;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly startedMs: number;
  readonly origin: URL;
  /** Whether the span has the attributes of the request. */
  described: boolean;
  statusCode: number;
}

/** The part of undici's request that its channels document. */
interface UndiciRequest {
  readonly origin?: string | URL;
  readonly method: string;
  readonly path: string;
  readonly upgrade?: string | boolean | null;
  addHeader(name: string, value: string): void;
  [CALL]?: UndiciCall | undefined;
}

interface UndiciMessage {
  readonly request: UndiciRequest;
  readonly response?: { readonly statusCode: number };
  readonly error?: unknown;
}

const headerSetter: TextMapSetter<UndiciRequest> = {
  set: (request, name, value) => request.addHeader(name, value),
};

/** Observes every fetch and every request of any copy of undici in this thread, from the next one on. */
export function instrumentUndici(): void {
  const client = lazily(() => new UndiciClient());
  listen<UndiciMessage>('undici:request:create', ({ request }) => client().start(request));
  listen<UndiciMessage>('undici:request:headers', ({ request, response }) => {
    const call = request[CALL];
    if (call !== undefined) call.statusCode = response?.statusCode ?? 0;
  });
  listen<UndiciMessage>('undici:request:trailers', ({ request }) => client().end(request, undefined));
  listen<UndiciMessage>('undici:request:error', ({ request, error }) => client().end(request, error));
}

class UndiciClient {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #duration: Histogram = createClientDuration(metrics.getMeter(HTTP_SCOPE));

  /** Tunnels and upgrades are left out, whose end no channel tells, and requests of mocks to no real place. */
  start(request: UndiciRequest): void {
    const parent = ObservabilityContext.active();
    if (parent.suppressed || request.method === 'CONNECT' || request.upgrade) return;
    const origin = URL.parse(String(request.origin));
    if (origin === null) return;
    const scheme = origin.protocol.slice(0, -1);
    const method = knownMethod(request.method);
    const span = this.#tracer.startSpan(methodInName(method), CLIENT, parent);
    const call: UndiciCall = {
      method,
      span,
      context: parent.withSpan(span),
      serverAddress: origin.hostname.replace(/^\[|\]$/g, ''),
      serverPort: origin.port === '' ? defaultPort(scheme) : Number(origin.port),
      startedMs: performance.now(),
      origin,
      described: false,
      statusCode: 0,
    };
    request[CALL] = call;
    propagation.inject(call.context, request, headerSetter);
    describe(call, request);
  }

  end(request: UndiciRequest, error: unknown): void {
    const call = request[CALL];
    if (call === undefined) return;
    request[CALL] = undefined;
    const { span, method, serverAddress, serverPort, statusCode } = call;
    const attributes = describeClientOutcome(span, {
      method,
      serverAddress,
      serverPort,
      statusCode,
      protocolVersion: undefined,
      error,
    });
    this.#duration.record((performance.now() - call.startedMs) / 1000, attributes, call.context);
    describe(call, request);
    span.end();
  }
}

/** Sets what the request says; again at the end, when a span may be recorded that was not when it began. */
function describe(call: UndiciCall, request: UndiciRequest): void {
  const { span, method, origin } = call;
  if (call.described || !span.isRecording()) return;
  call.described = true;
  setMethod(span, method, request.method);
  span.setAttribute(Http.full, redactUrl(urlOf(origin, request.path)));
  span.setAttribute(Http.serverAddress, call.serverAddress);
  span.setAttribute(Http.serverPort, call.serverPort);
}

/** The URL; the path is one already when a proxy is asked. */
function urlOf(origin: URL, path: string): string {
  return path[0] === '/' ? `${origin.protocol}//${origin.host}${path}` : path;
}
