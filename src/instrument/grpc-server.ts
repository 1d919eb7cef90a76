// Server spans and metrics of grpc-js: an interceptor in front of the application's, which sees each call begin and end.
import type { Histogram, Span, TextMapGetter, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { attempt } from './fault.ts';
import { Http, splitAuthority } from './http-conventions.ts';
import {
  createCallDuration,
  describeOutcome,
  GRPC,
  GRPC_SCOPE,
  GrpcCode,
  type GrpcStatus,
  isServerError,
  methodOfPath,
  Rpc,
  setPeer,
} from './rpc-conventions.ts';

const SERVER = { kind: SpanKind.SERVER } as const;
const SELF = 'gRPC servers';

interface Metadata {
  get(key: string): (string | Buffer)[];
  getMap(): Readonly<Record<string, unknown>>;
}

/** Who is told what comes from the client. */
interface Listener {
  onReceiveMetadata(metadata: Metadata): void;
  onReceiveMessage(message: unknown): void;
  onReceiveHalfClose(): void;
  onCancel(): void;
}

/** A call below the interceptors of the application. */
interface Call {
  start(listener: Listener): void;
  sendStatus(status: GrpcStatus): void;
  getPeer(): string;
  /** Absent in grpc-js 1.10. */
  getHost?(): string;
}

type Interceptor = (method: { readonly path: string }, call: Call) => Call;

/** What every server inherits. */
export interface ServerMethods {
  register(this: Server, ...method: unknown[]): boolean;
}

interface Server {
  /** Those of the application. */
  interceptors?: readonly Interceptor[];
}

const metadataGetter: TextMapGetter<Metadata> = {
  keys: metadata => Object.keys(metadata.getMap()),
  get: (metadata, key) => metadata.get(key).map(String),
};

/** One call that is being served. */
class ServerCall {
  readonly method: string;
  readonly call: Call;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly startedMs: number = performance.now();
  hasEnded = false;

  constructor(method: string, call: Call, metadata: Metadata, tracer: Tracer) {
    const caller = propagation.extract(ObservabilityContext.root, metadata, metadataGetter);
    const parent = ObservabilityContext.from(caller);
    this.method = method;
    this.call = call;
    this.span = tracer.startSpan(method, SERVER, parent);
    this.context = parent.withSpan(this.span);
    if (this.span.isRecording()) describeCall(this.span, method, call);
  }
}

export class GrpcServer {
  readonly #tracer: Tracer = trace.getTracer(GRPC_SCOPE);
  readonly #duration: Histogram = createCallDuration(metrics.getMeter(GRPC_SCOPE), 'server');

  /** A server that registers a method gets the interceptor. */
  observe(servers: ServerMethods): void {
    const { register } = servers;
    const intercept: Interceptor = (method, call) => {
      this.#observeCall(methodOfPath(method.path), call);
      return call;
    };
    servers.register = function (...method) {
      const { interceptors } = this;
      if (interceptors && interceptors[0] !== intercept) this.interceptors = [intercept, ...interceptors];
      return register.apply(this, method);
    };
  }

  /**
   * Every status passes `sendStatus`: that of a handler, of a deadline that passes, of a message that grpc-js refuses. A client
   * that cancels or goes away is told to `onCancel`, which follows a status too.
   */
  #observeCall(method: string, call: Call): void {
    const { start, sendStatus } = call;
    let served: ServerCall | undefined;
    const end = (status: GrpcStatus): void => {
      const call = served;
      if (call !== undefined) attempt(SELF, () => this.#end(call, status));
    };
    call.start = listener => {
      const begin = (metadata: Metadata): ObservabilityContext => {
        served = attempt(SELF, () => new ServerCall(method, call, metadata, this.#tracer));
        return served?.context ?? ObservabilityContext.root;
      };
      start.call(call, listenerIn(begin, listener, end));
    };
    call.sendStatus = status => {
      end(status);
      sendStatus.call(call, status);
    };
  }

  #end(served: ServerCall, status: GrpcStatus): void {
    if (served.hasEnded) return;
    served.hasEnded = true;
    const { span, method, context, startedMs } = served;
    const attributes = describeOutcome(span, method, status, isServerError);
    this.#duration.record((performance.now() - startedMs) / 1000, attributes, context);
    span.end();
  }
}

/** What comes from the client comes in the context of the connection; the application is told in that of the call. */
function listenerIn(
  begin: (metadata: Metadata) => ObservabilityContext,
  listener: Listener,
  end: (status: GrpcStatus) => void,
): Listener {
  let context = ObservabilityContext.root;
  return {
    onReceiveMetadata: metadata => {
      context = begin(metadata);
      context.run(() => listener.onReceiveMetadata(metadata));
    },
    onReceiveMessage: message => context.run(() => listener.onReceiveMessage(message)),
    onReceiveHalfClose: () => context.run(() => listener.onReceiveHalfClose()),
    onCancel: () => {
      end({ code: GrpcCode.cancelled });
      context.run(() => listener.onCancel());
    },
  };
}

function describeCall(span: Span, method: string, call: Call): void {
  span.setAttribute(Rpc.system, GRPC);
  span.setAttribute(Rpc.method, method);
  const { host, port } = splitAuthority(call.getHost?.() ?? '');
  if (host !== '') span.setAttribute(Http.serverAddress, host);
  if (port !== undefined) span.setAttribute(Http.serverPort, port);
  const peer = call.getPeer();
  span.setAttribute(Http.clientAddress, splitAuthority(peer).host);
  setPeer(span, peer);
}
