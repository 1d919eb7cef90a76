// Chooses how to speak to the collector: the stream, plain OTLP/gRPC where the stream is not known, or OTLP/HTTP.
import type { Client, ClientEvents, Held } from './client.ts';
import type { Control } from './control.ts';
import type { Ledger, OutgoingBatch } from './ledger.ts';
import { OtlpClient, type OtlpExporter } from './otlp-client.ts';
import { OtlpGrpcExporter } from './otlp-grpc.ts';
import { OtlpHttpExporter } from './otlp-http.ts';
import { StreamClient, type StreamClientOptions } from './stream-client.ts';

export interface CollectorClientOptions extends StreamClientOptions {
  readonly protocol: 'grpc' | 'http/protobuf';
}

/**
 * Opens the client that the protocol asks for. With `grpc` that is the stream; when the collector answers it with
 * UNIMPLEMENTED, `replace` gets a client for plain OTLP/gRPC that holds the open batches, for the rest of the process's life.
 * @param held what another client has left behind, open in the ledger
 * @throws OptionError for an endpoint that is none
 */
export function openCollectorClient(
  options: CollectorClientOptions,
  ledger: Ledger,
  control: Control,
  events: ClientEvents,
  held: Held | undefined,
  replace: (client: Client) => void,
): Client {
  const otlp = (exporter: OtlpExporter, batches: readonly OutgoingBatch[]): Client =>
    new OtlpClient(exporter, batches, ledger, control, events);
  if (options.protocol === 'http/protobuf')
    return otlp(
      new OtlpHttpExporter(options),
      (held?.batches ?? []).map(({ batch }) => batch),
    );
  return new StreamClient(options, ledger, control, events, held, batches =>
    replace(otlp(new OtlpGrpcExporter(options), batches)),
  );
}
