// Chooses how to speak to the collector: the stream, plain OTLP/gRPC where the stream is not known, or OTLP/HTTP.
import type { Client, ClientEvents } from './client.ts';
import type { Control } from './control.ts';
import type { Ledger, OutgoingBatch } from './ledger.ts';
import { OtlpClient, type OtlpExporter } from './otlp-client.ts';
import { OtlpGrpcExporter } from './otlp-grpc.ts';
import { OtlpHttpExporter } from './otlp-http.ts';
import { StreamClient, type StreamClientOptions } from './stream-client.ts';

export interface CollectorClientOptions extends StreamClientOptions {
  readonly protocol: 'grpc' | 'http/protobuf';
}

/** The stream first, with `grpc`; after UNIMPLEMENTED plain OTLP/gRPC, for the rest of the process's life. */
export class CollectorClient implements Client {
  #client: Client;

  /** @throws OptionError for an endpoint that is none */
  constructor(options: CollectorClientOptions, ledger: Ledger, control: Control, events: ClientEvents) {
    const otlp = (exporter: OtlpExporter, batches: readonly OutgoingBatch[]): Client =>
      new OtlpClient(exporter, batches, ledger, control, events);
    if (options.protocol === 'http/protobuf') this.#client = otlp(new OtlpHttpExporter(options), []);
    else {
      const unimplemented = (batches: readonly OutgoingBatch[]): void => {
        this.#client = otlp(new OtlpGrpcExporter(options), batches);
        events.progress();
      };
      this.#client = new StreamClient(options, ledger, control, events, unimplemented);
    }
  }

  send(batch: OutgoingBatch): void {
    this.#client.send(batch);
  }

  isBlocked(): boolean {
    return this.#client.isBlocked();
  }

  hurry(): void {
    this.#client.hurry();
  }

  close(): void {
    this.#client.close();
  }
}
