// The status of a failed gRPC call, with `google.rpc.Status` in its trailer.
import { Metadata } from '@grpc/grpc-js';
import { refusalOf, statusBytes } from './refusal.ts';

export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export function grpcStatus(error: unknown): GrpcStatus {
  const refusal = refusalOf(error);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(statusBytes(refusal)));
  return { code: refusal.grpcCode, details: refusal.message, metadata };
}
