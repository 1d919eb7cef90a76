// The status that ends a gRPC call: its codes, and the trailers that carry it.
import type { OutgoingHttpHeaders } from 'node:http2';
import { refusalOf, statusBytes } from './refusal.ts';

/** Codes of the gRPC specification that are answered here. */
export const GrpcCode = {
  ok: 0,
  resourceExhausted: 8,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** More would not fit into the headers that clients accept. */
const MESSAGE_UNITS_MAX = 1024;

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** A serialized `google.rpc.Status`. */
  readonly details?: Uint8Array;
}

export function grpcStatus(error: unknown): GrpcStatus {
  const refusal = refusalOf(error);
  return { code: refusal.grpcCode, message: refusal.message, details: statusBytes(refusal) };
}

/** The trailers of a call that ends so (gRPC over HTTP/2, "Responses"). */
export function statusTrailers({ code, message, details }: GrpcStatus): OutgoingHttpHeaders {
  const text = message.slice(0, MESSAGE_UNITS_MAX).toWellFormed();
  return {
    'grpc-status': String(code),
    ...(text !== '' && { 'grpc-message': encodeURI(text) }),
    ...(details !== undefined && {
      'grpc-status-details-bin': Buffer.from(details).toString('base64'),
    }),
  };
}
