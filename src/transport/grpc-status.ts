// gRPC's status: its codes, and how HTTP/2 headers and failures turn into one.
import type { Fields } from './http2/hpack.ts';

/** Codes of the gRPC specification that have a meaning here. */
export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

const CODE_MAX = 16;
const MESSAGE_UNITS_MAX = 1024;

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** `grpc-status-details-bin`: a serialized `google.rpc.Status`. */
  readonly details?: Uint8Array | undefined;
}

/** The status in trailers, or in headers that are the whole response; undefined when there is none. */
export function statusOf(fields: Fields): GrpcStatus | undefined {
  const text = fields.get('grpc-status');
  if (text === undefined) return undefined;
  const code = /^\d{1,2}$/.test(text) && Number(text) <= CODE_MAX ? Number(text) : GrpcCode.unknown;
  const details = fields.get('grpc-status-details-bin');
  return {
    code,
    message: percentDecoded(fields.get('grpc-message') ?? ''),
    details: details === undefined ? undefined : Buffer.from(details, 'base64'),
  };
}

/** What a response that is not gRPC means, by the table in gRPC's `http-grpc-status-mapping.md`. */
export function statusOfHttp(httpStatus: number, contentType: string | undefined): GrpcStatus | undefined {
  if (httpStatus === 200) {
    if (contentType?.startsWith('application/grpc')) return undefined;
    return { code: GrpcCode.unknown, message: `a response of type ${contentType ?? 'none'} instead of gRPC` };
  }
  const codes = new Map<number, number>([
    [400, GrpcCode.internal],
    [401, GrpcCode.unauthenticated],
    [403, GrpcCode.permissionDenied],
    [404, GrpcCode.unimplemented],
    [429, GrpcCode.unavailable],
    [502, GrpcCode.unavailable],
    [503, GrpcCode.unavailable],
    [504, GrpcCode.unavailable],
  ]);
  return { code: codes.get(httpStatus) ?? GrpcCode.unknown, message: `HTTP status ${httpStatus}` };
}

export function unavailable(message: string): GrpcStatus {
  return { code: GrpcCode.unavailable, message };
}

/** Decodes each run of `%XX` as UTF-8; what is not valid stays as it is. */
function percentDecoded(text: string): string {
  return text
    .slice(0, 3 * MESSAGE_UNITS_MAX)
    .replace(/(?:%[0-9a-f]{2})+/gi, run => {
      return Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8');
    })
    .slice(0, MESSAGE_UNITS_MAX);
}
