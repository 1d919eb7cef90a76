// What the streams of HTTP/2 servers and clients have in common.

/** `network.protocol.version` of HTTP/2. */
export const HTTP2_VERSION = '2';

let grpcIsObserved = false;

/** From now on calls of gRPC have spans of their own, so that their streams need none. */
export function leaveOutGrpc(): void {
  grpcIsObserved = true;
}

/** Whether they do. */
export function isGrpcObserved(): boolean {
  return grpcIsObserved;
}

/** Whether a stream is a call of gRPC, by the type of its content. */
export function isGrpc(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.startsWith('application/grpc');
}
