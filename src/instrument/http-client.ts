// Client spans and metrics of node:http and node:https, read from the channels that Node publishes on.
import type { ClientRequest, IncomingMessage } from 'node:http';
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
  splitAuthority,
} from './http-conventions.ts';
import { lazily } from './lazily.ts';

const CLIENT = { kind: SpanKind.CLIENT } as const;
const CALL = Symbol('tricord.client-call');

/** One request that is under way, until the exchange is over. */
class ClientCall {
  readonly method: string;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly startedMs: number = performance.now();
  /** Whether the span has the attributes of the request. */
  #described = false;
  error: unknown = undefined;

  constructor(request: ClientRequest, tracer: Tracer, parent: ObservabilityContext) {
    const { port } = splitAuthority(hostHeader(request));
    this.method = knownMethod(request.method);
    this.span = tracer.startSpan(methodInName(this.method), CLIENT, parent);
    this.context = parent.withSpan(this.span);
    this.serverAddress = request.host;
    this.serverPort = port ?? defaultPort(request.protocol.slice(0, -1));
  }

  /** Again at the end: by then a span may be recorded that was not when it began. */
  describe(request: ClientRequest): void {
    if (this.#described || !this.span.isRecording()) return;
    this.#described = true;
    describeClientRequest(this, request);
  }
}

/** What Node keeps on a request beside what its types tell. */
interface ObservedRequest extends ClientRequest {
  [CALL]?: ClientCall;
  /** The response, once its headers have arrived. */
  readonly res?: IncomingMessage | null;
  /** The rendered head, from when it can no longer be changed by `setHeader`. */
  _header?: string | null;
  /** What waits for a connection. */
  readonly outputData?: { data: unknown }[];
}

/** Observes every request of node:http and node:https in this thread, from the next one on. */
export function instrumentHttpClient(): void {
  const client = lazily(() => new HttpClient());
  listen<{ request: ObservedRequest }>('http.client.request.created', ({ request }) =>
    client().start(request),
  );
  listen<{ request: ObservedRequest; error: unknown }>('http.client.request.error', ({ request, error }) => {
    const call = request[CALL];
    if (call !== undefined) call.error = error;
  });
}

class HttpClient {
  readonly #tracer: Tracer = trace.getTracer(HTTP_SCOPE);
  readonly #duration: Histogram = createClientDuration(metrics.getMeter(HTTP_SCOPE));
  readonly #close: (this: ObservedRequest) => void;

  constructor() {
    const end = (request: ObservedRequest): void => this.#end(request);
    this.#close = function () {
      end(this);
    };
  }

  /** The request has been made, in the context of its maker; nothing has been sent. */
  start(request: ObservedRequest): void {
    const parent = ObservabilityContext.active();
    if (parent.suppressed) return;
    const call = new ClientCall(request, this.#tracer, parent);
    request[CALL] = call;
    propagation.inject(call.context, request, headerSetter);
    call.describe(request);
    // The one event that follows every exchange: a response read to its end, an abort, an error, an upgrade.
    request.once('close', this.#close);
  }

  #end(request: ObservedRequest): void {
    const call = request[CALL];
    if (call === undefined) return;
    const response = request.res ?? undefined;
    const { span } = call;
    const attributes = describeClientOutcome(span, {
      method: call.method,
      serverAddress: call.serverAddress,
      serverPort: call.serverPort,
      statusCode: response?.statusCode ?? 0,
      protocolVersion: response?.httpVersion,
      error: call.error ?? response?.errored ?? undefined,
    });
    this.#duration.record((performance.now() - call.startedMs) / 1000, attributes, call.context);
    call.describe(request);
    span.end();
  }
}

function describeClientRequest(call: ClientCall, request: ClientRequest): void {
  const { span, method } = call;
  setMethod(span, method, request.method);
  span.setAttribute(Http.full, redactUrl(urlOf(request)));
  span.setAttribute(Http.serverAddress, call.serverAddress);
  span.setAttribute(Http.serverPort, call.serverPort);
}

/** The URL; the path is one already when a proxy is asked. */
function urlOf(request: ClientRequest): string {
  if (request.path[0] !== '/') return request.path;
  return `${request.protocol}//${hostHeader(request) || request.host}${request.path}`;
}

function hostHeader(request: ObservedRequest): string {
  const host = request.getHeader('host');
  if (typeof host === 'string') return host;
  return request._header?.match(/\r\nhost: *([^\r]*)/i)?.[1] ?? '';
}

/**
 * How propagators write headers. A request whose headers were given as a list, or that expects 100-continue, has its head
 * rendered by now, and the latter has it in its queue too; nothing is sent before the next tick. There the header is put
 * in before the empty line that ends the head.
 */
const headerSetter: TextMapSetter<ObservedRequest> = {
  set(request, name, value) {
    if (!request.headersSent) {
      request.setHeader(name, value);
      return;
    }
    const head = request._header;
    if (typeof head !== 'string' || !head.endsWith('\r\n\r\n')) return;
    if (head.toLowerCase().includes(`\r\n${name.toLowerCase()}:`)) return;
    request._header = `${head.slice(0, -2)}${name}: ${value}\r\n\r\n`;
    const queued = request.outputData?.[0];
    if (queued?.data === head) queued.data = request._header;
  },
};
