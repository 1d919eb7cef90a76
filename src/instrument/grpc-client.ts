// Client spans and metrics of grpc-js: every call of every kind begins at its channel and ends with one status.
import type { Histogram, Span, TextMapSetter, Tracer } from '@opentelemetry/api';
import { metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { attempt } from './fault.ts';
import { Http, splitAuthority } from './http-conventions.ts';
import {
  createCallDuration,
  describeOutcome,
  GRPC,
  GRPC_SCOPE,
  type GrpcStatus,
  isClientError,
  methodOfPath,
  Rpc,
  setPeer,
} from './rpc-conventions.ts';

const CLIENT = { kind: SpanKind.CLIENT } as const;
const SELF = 'gRPC clients';

interface Metadata {
  set(key: string, value: string): void;
  clone(): Metadata;
}

/** Who is told what comes back. */
interface Listener {
  onReceiveMetadata(metadata: unknown): void;
  onReceiveMessage(message: unknown): void;
  onReceiveStatus(status: GrpcStatus): void;
}

/** A call below the interceptors of the application. */
interface Call {
  start(metadata: Metadata, listener: Listener): void;
  getPeer(): string;
}

/** What every channel inherits. */
export interface ChannelMethods {
  createCall(this: Channel, path: string, ...rest: unknown[]): Call;
}

interface Channel {
  getTarget(): string;
}

/** Where a channel leads to. */
interface Target {
  readonly address: string;
  readonly port: number | undefined;
}

const metadataSetter: TextMapSetter<Metadata> = { set: (metadata, key, value) => metadata.set(key, value) };

export class GrpcClient {
  readonly #tracer: Tracer = trace.getTracer(GRPC_SCOPE);
  readonly #duration: Histogram = createCallDuration(metrics.getMeter(GRPC_SCOPE), 'client');
  readonly #targets = new WeakMap<Channel, Target>();

  observe(channels: ChannelMethods): void {
    const { createCall } = channels;
    const observeCall = (channel: Channel, path: string, call: Call): void =>
      this.#observeCall(channel, path, call);
    channels.createCall = function (path, ...rest) {
      const call = createCall.call(this, path, ...rest);
      observeCall(this, path, call);
      return call;
    };
  }

  /** The call has been made, in the context of its maker; it may yet be started in another. */
  #observeCall(channel: Channel, path: string, call: Call): void {
    const parent = ObservabilityContext.active();
    if (parent.suppressed) return;
    const { start } = call;
    call.start = (metadata, listener) => {
      const begun = attempt(SELF, () => this.#begin(channel, path, call, metadata, parent));
      if (begun === undefined) start.call(call, metadata, listener);
      else start.call(call, begun.sent, listenerIn(parent, listener, begun.end));
    };
  }

  /** The metadata to be sent, and who is to be told how the call ended. */
  #begin(
    channel: Channel,
    path: string,
    call: Call,
    metadata: Metadata,
    parent: ObservabilityContext,
  ): { sent: Metadata; end: (status: GrpcStatus) => void } {
    const startedMs = performance.now();
    const method = methodOfPath(path);
    const target = this.#targetOf(channel);
    const span = this.#tracer.startSpan(method, CLIENT, parent);
    const context = parent.withSpan(span);
    const sent = metadata.clone();
    propagation.inject(context, sent, metadataSetter);
    if (span.isRecording()) describeCall(span, method, target);
    const end = (status: GrpcStatus): void => {
      const attributes = describeOutcome(span, method, status, isClientError);
      attributes[Http.serverAddress] = target.address;
      attributes[Http.serverPort] = target.port;
      this.#duration.record((performance.now() - startedMs) / 1000, attributes, context);
      if (span.isRecording()) setPeer(span, call.getPeer());
      span.end();
    };
    return { sent, end };
  }

  #targetOf(channel: Channel): Target {
    let target = this.#targets.get(channel);
    if (target === undefined) {
      target = readTarget(channel.getTarget());
      this.#targets.set(channel, target);
    }
    return target;
  }
}

function describeCall(span: Span, method: string, { address, port }: Target): void {
  span.setAttribute(Rpc.system, GRPC);
  span.setAttribute(Rpc.method, method);
  span.setAttribute(Http.serverAddress, address);
  if (port !== undefined) span.setAttribute(Http.serverPort, port);
}

/** What comes back comes in the context of the connection; whoever made the call is told in that of the call. */
function listenerIn(
  context: ObservabilityContext,
  listener: Listener,
  end: (status: GrpcStatus) => void,
): Listener {
  return {
    onReceiveMetadata: metadata => context.run(() => listener.onReceiveMetadata(metadata)),
    onReceiveMessage: message => context.run(() => listener.onReceiveMessage(message)),
    onReceiveStatus: status => {
      attempt(SELF, () => end(status));
      context.run(() => listener.onReceiveStatus(status));
    },
  };
}

/** The address in a name of gRPC: `dns:example.com:443`, `dns://resolver/example.com`, `ipv6:[::1]:50051`, `unix:/run/x.sock`. */
function readTarget(name: string): Target {
  const path = name.replace(/^unix:(\/\/)?/, '');
  if (path !== name) return { address: path, port: undefined };
  const authority = name.replace(/^[a-z][a-z0-9+.-]*:(?:\/\/[^/]*\/|(?=.*[^0-9]))/i, '');
  const { host, port } = splitAuthority(authority);
  return { address: host, port };
}
