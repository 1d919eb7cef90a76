// The part of OpenTelemetry's semantic conventions for RPC (stable) that clients and servers of gRPC share.
import type { Attributes, Histogram, Meter, Span } from '@opentelemetry/api';
import { SpanStatusCode } from '@opentelemetry/api';
import { durationBuckets, Http, splitAuthority } from './http-conventions.ts';

/** The scope of spans and metrics about gRPC. */
export const GRPC_SCOPE = 'tricord/grpc';

/** Names of attributes, from the registry of semantic conventions. */
export const Rpc = {
  system: 'rpc.system.name',
  method: 'rpc.method',
  statusCode: 'rpc.status_code',
} as const;

export const GRPC = 'grpc';

/** The status codes that are given here. */
export const GrpcCode = { cancelled: 1, unknown: 2 } as const;

/** All of them, each at its number. */
const codeNames: readonly string[] = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE'],
  ...['UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** What is the server's own failure, and not its answer to what it was asked. */
const serverErrors: ReadonlySet<string> = new Set([
  ...['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'],
]);

/** How a call ended. */
export interface GrpcStatus {
  readonly code?: number | null;
  readonly details?: string | null;
}

/** On a client, everything but OK is an error. */
export const isClientError = (codeName: string): boolean => codeName !== 'OK';
/** On a server, what it is itself to blame for. */
export const isServerError = (codeName: string): boolean => serverErrors.has(codeName);

export function createCallDuration(meter: Meter, side: 'client' | 'server'): Histogram {
  const direction = side === 'client' ? 'an outgoing' : 'an incoming';
  return meter.createHistogram(`rpc.${side}.call.duration`, {
    unit: 's',
    description: `Measures the duration of ${direction} Remote Procedure Call (RPC).`,
    advice: { explicitBucketBoundaries: durationBuckets },
  });
}

/** The name of a method in spans and attributes: `package.Service/Method`, of the path `/package.Service/Method`. */
export function methodOfPath(path: string): string {
  return path[0] === '/' ? path.slice(1) : path;
}

/** Writes the outcome onto the span, and returns the attributes of the duration that both sides have. */
export function describeOutcome(
  span: Span,
  method: string,
  { code, details }: GrpcStatus,
  isError: (codeName: string) => boolean,
): Attributes {
  const number = code ?? GrpcCode.unknown;
  const name = codeNames[number] ?? String(number);
  const errorType = isError(name) ? name : undefined;
  if (span.isRecording()) {
    span.setAttribute(Rpc.statusCode, name);
    if (errorType !== undefined) {
      span.setAttribute(Http.errorType, errorType);
      span.setStatus({ code: SpanStatusCode.ERROR, ...(details ? { message: details } : {}) });
    }
  }
  return {
    [Rpc.system]: GRPC,
    [Rpc.method]: method,
    [Rpc.statusCode]: name,
    [Http.errorType]: errorType,
  };
}

/** Sets the other end of the connection, `10.0.0.7:4317` or what else grpc-js knows of it. */
export function setPeer(span: Span, peer: string): void {
  const { host, port } = splitAuthority(peer);
  if (port === undefined) return;
  span.setAttribute(Http.peerAddress, host);
  span.setAttribute(Http.peerPort, port);
}
