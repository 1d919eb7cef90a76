// OTLP over gRPC, and the stream beside it on the same port: raw bytes in, a status out.
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { Signal, STREAM_PATH } from 'tricord/otlp';
import { type Endpoint, endpointText } from '../config/values.ts';
import { listenError } from '../listen.ts';
import { exportPaths } from '../signals.ts';
import type { Admission } from './admission.ts';
import { GrpcServer, type Method, unaryMethod } from './grpc-server.ts';
import type { RequestMemory } from './request-memory.ts';
import type { StreamService } from './stream.ts';

/** What a stopping server allows the calls under way to take. */
const STOP_WITHIN_MS = 2000;

const empty = Buffer.alloc(0);

export class GrpcListener {
  readonly #endpoint: Endpoint;
  readonly #key: string;
  readonly #server: GrpcServer;
  readonly #streams: StreamService;
  #port = 0;

  /** @param key the configuration key that holds the endpoint */
  constructor(
    endpoint: Endpoint,
    key: string,
    tls: (SecureContextOptions & TlsOptions) | undefined,
    admission: Admission,
    streams: StreamService,
    memory?: RequestMemory,
  ) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#streams = streams;
    const methods = new Map<string, Method>([[STREAM_PATH, call => streams.serve(call)]]);
    for (const signal of [Signal.traces, Signal.metrics, Signal.logs]) {
      methods.set(
        exportPaths[signal],
        unaryMethod(request => admission.admit(signal, request).then(() => empty)),
      );
    }
    this.#server = new GrpcServer(methods, tls, memory);
  }

  /** @throws StartError that names the address and the key */
  async start(): Promise<void> {
    this.#port = await this.#server.listen(this.#endpoint).catch(error => {
      throw listenError(this.#endpoint, this.#key, error);
    });
  }

  /** Where it listens; the port is the real one once started. */
  address(): string {
    return endpointText({ ...this.#endpoint, port: this.#port });
  }

  /** Takes no new calls, ends the streams after what they have under way, and lets unary calls finish. */
  async stop(): Promise<void> {
    const closed = this.#server.close(STOP_WITHIN_MS);
    await this.#streams.close();
    await closed;
  }
}
