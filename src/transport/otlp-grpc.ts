// One OTLP/gRPC export: the call, and what its status means by the specification's retry rules.
import { GrpcConnection, type GrpcOptions, GZIP_HEADERS, prefixMessage } from './grpc.ts';
import { GrpcCode, type GrpcStatus } from './grpc-status.ts';
import { HEADROOM_BYTES, type OutgoingRequest } from './ledger.ts';
import { PROFILES, Signal } from './otlp/record.ts';
import { type ExportOutcome, readRetryDelayMs, readSuccess } from './otlp/response.ts';

const PATHS: Readonly<Record<OutgoingRequest['signal'], string>> = {
  [Signal.traces]: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  [Signal.metrics]: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  [Signal.logs]: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  [PROFILES]: '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export',
};

/** Codes after which the same request may be sent again (OTLP 1.11, "OTLP/gRPC response"). */
const RETRYABLE: ReadonlySet<number> = new Set([
  GrpcCode.cancelled,
  GrpcCode.deadlineExceeded,
  GrpcCode.aborted,
  GrpcCode.outOfRange,
  GrpcCode.unavailable,
  GrpcCode.dataLoss,
]);

export class OtlpGrpcExporter {
  readonly #options: GrpcOptions;
  #connection: GrpcConnection | undefined;

  constructor(options: GrpcOptions) {
    this.#options = options;
  }

  async export(batch: OutgoingRequest): Promise<ExportOutcome> {
    const isGzip = batch.unpackedBytes !== undefined;
    const framed = batch.buffer.subarray(prefixMessage(batch.buffer, HEADROOM_BYTES, isGzip));
    const { status, message } = await this.#connected().unary(
      PATHS[batch.signal],
      framed,
      this.#options.timeoutMs,
      isGzip ? GZIP_HEADERS : {},
    );
    return message === undefined ? outcomeOf(status) : readSuccess(message);
  }

  async close(withinMs: number): Promise<void> {
    await this.#connection?.close(withinMs);
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  #connected(): GrpcConnection {
    if (this.#connection !== undefined) return this.#connection;
    const connection = new GrpcConnection(this.#options, () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    this.#connection = connection;
    return connection;
  }
}

/** RESOURCE_EXHAUSTED is retryable only when the receiver says when. */
function outcomeOf(status: GrpcStatus): ExportOutcome {
  const afterMs = status.details && readRetryDelayMs(status.details);
  const reason = `the export ended with status ${status.code}: ${status.message}`;
  const throttled = status.code === GrpcCode.resourceExhausted && afterMs !== undefined;
  if (throttled || RETRYABLE.has(status.code)) return { kind: 'retry', afterMs, reason };
  return { kind: 'refused', reason };
}
