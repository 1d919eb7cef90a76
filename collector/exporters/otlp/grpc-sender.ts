// Carries OTLP requests over gRPC, as raw bytes.
import {
  type CallOptions,
  ChannelCredentials,
  Client,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { readRetryDelayMs, type Signal } from 'tricord/otlp';
import { OfferError } from '../../component.ts';
import { type ClientTls, readPem } from '../../config/tls.ts';
import { exportPaths } from '../../signals.ts';
import type { Sender } from './request-exporter.ts';
import type { SharedSettings } from './settings.ts';

/** OTLP specification, "Failures": worth another attempt. RESOURCE_EXHAUSTED only with a RetryInfo. */
const retryableCodes: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

const RESPONSE_BYTES_MAX = 4 * 1024 * 1024;
const GZIP = 2;

export interface GrpcTarget {
  /** `host:port`. */
  readonly authority: string;
  readonly secure: boolean;
}

export class GrpcSender implements Sender {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #timeoutMs: number;

  /** @param key the configuration key of the exporter, for messages about files */
  constructor({ authority, secure }: GrpcTarget, settings: SharedSettings, key: string) {
    this.#timeoutMs = settings.timeout;
    for (const [name, value] of Object.entries(settings.headers))
      this.#metadata.set(name.toLowerCase(), value);
    const { server_name_override: name } = settings.tls;
    this.#client = new Client(authority, credentials(settings.tls, secure, key), {
      'grpc.max_receive_message_length': RESPONSE_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      // The pipeline tries again, and knows why; a second layer of it would multiply the attempts.
      'grpc.enable_retries': 0,
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.initial_reconnect_backoff_ms': 500,
      'grpc.max_reconnect_backoff_ms': 10_000,
      ...(settings.compression === 'gzip' && { 'grpc.default_compression_algorithm': GZIP }),
      ...(name !== undefined && { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name }),
    });
  }

  send(signal: Signal, request: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const bytes = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
    const options: CallOptions = { deadline: Date.now() + this.#timeoutMs };
    const asIs = (buffer: Buffer): Buffer => buffer;
    this.#client.makeUnaryRequest(
      exportPaths[signal],
      asIs,
      asIs,
      bytes,
      this.#metadata,
      options,
      (error, response) => {
        if (error === null) resolve(response ?? new Uint8Array(0));
        else reject(offerError(error));
      },
    );
    return promise;
  }

  close(): void {
    this.#client.close();
  }
}

function offerError(error: ServiceError): OfferError {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const delayMs = Buffer.isBuffer(details) ? readRetryDelayMs(details) : undefined;
  const throttled = error.code === status.RESOURCE_EXHAUSTED && delayMs !== undefined;
  const retryable = retryableCodes.has(error.code) || throttled;
  return new OfferError(error.message, retryable, delayMs ?? 0, { cause: error });
}

function credentials(tls: ClientTls, secure: boolean, key: string): ChannelCredentials {
  if (!secure) return ChannelCredentials.createInsecure();
  const read = (file: string | undefined, name: string): Buffer | null =>
    file === undefined ? null : readPem(file, `${key}.tls.${name}`);
  return ChannelCredentials.createSsl(
    read(tls.ca_file, 'ca_file'),
    read(tls.key_file, 'key_file'),
    read(tls.cert_file, 'cert_file'),
  );
}
