// Why a request was not taken, as the status codes of gRPC and HTTP and as the bytes of google.rpc.Status.
import { WireError, Writer } from 'tricord/otlp';
import { OfferError } from '../component.ts';

/** Bytes of one request, after decompression (OTLP's recommendation). */
export const REQUEST_BYTES_MAX: number = 64 * 1024 * 1024;

/** Thrown for a request beyond {@link REQUEST_BYTES_MAX}. */
export class TooLargeError extends Error {
  constructor() {
    super(`the request is larger than ${REQUEST_BYTES_MAX} bytes after decompression`);
    this.name = 'TooLargeError';
  }
}

/** Thrown for a content type or encoding that is not ours. */
export class UnsupportedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnsupportedError';
  }
}

/** Thrown when a client has its share of the memory for requests. */
export class ThrottledError extends OfferError {
  constructor() {
    super('this client has too much under way', true);
    this.name = 'ThrottledError';
  }
}

/** A row for each way to fail: the codes of `google.rpc.Code` and HTTP, and the word that counters carry. */
const kinds = {
  malformed: { grpcCode: 3, httpStatus: 400 },
  unsupported: { grpcCode: 3, httpStatus: 415 },
  too_large: { grpcCode: 8, httpStatus: 413 },
  throttled: { grpcCode: 8, httpStatus: 429 },
  unavailable: { grpcCode: 14, httpStatus: 503 },
  internal: { grpcCode: 13, httpStatus: 500 },
} as const;

export interface Refusal {
  readonly reason: keyof typeof kinds;
  readonly grpcCode: number;
  readonly httpStatus: number;
  readonly message: string;
  /** When to come back, in milliseconds; set when the sender may try again. */
  readonly retryAfterMs?: number;
}

export function refusalOf(error: unknown): Refusal {
  const reason = reasonOf(error);
  const message = reason === 'internal' ? 'internal error' : (error as Error).message;
  const refusal = { reason, ...kinds[reason], message };
  const retryable = reason === 'unavailable' || reason === 'throttled';
  return retryable ? { ...refusal, retryAfterMs: (error as OfferError).retryAfterMs } : refusal;
}

function reasonOf(error: unknown): keyof typeof kinds {
  if (error instanceof WireError) return 'malformed';
  if (error instanceof TooLargeError) return 'too_large';
  if (error instanceof UnsupportedError) return 'unsupported';
  if (error instanceof ThrottledError) return 'throttled';
  if (error instanceof OfferError) return error.retryable ? 'unavailable' : 'malformed';
  return 'internal';
}

/**
 * `google.rpc.Status{int32 code = 1; string message = 2; repeated Any details = 3}`, with a
 * `RetryInfo{Duration retry_delay = 1}` when the sender may try again (google/rpc/status.proto, error_details.proto).
 */
export function statusBytes({ grpcCode, message, retryAfterMs }: Refusal): Uint8Array {
  const writer = new Writer(new Uint8Array(3 * message.length + 128));
  writer.uint(1, grpcCode);
  writer.string(2, message);
  if (retryAfterMs !== undefined) {
    const any = writer.message(3);
    writer.string(1, 'type.googleapis.com/google.rpc.RetryInfo');
    const info = writer.message(2);
    const delay = writer.message(1);
    writer.uint(1, Math.floor(retryAfterMs / 1000));
    writer.uint(2, Math.round((retryAfterMs % 1000) * 1e6));
    writer.close(delay);
    writer.close(info);
    writer.close(any);
  }
  return writer.bytes.subarray(0, writer.pos);
}
