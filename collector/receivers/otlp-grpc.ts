// OTLP over gRPC, and the stream beside it on the same port: raw bytes in, a status out.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import {
  type MethodDefinition,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Signal, STREAM_PATH } from 'tricord/otlp';
import { type Endpoint, endpointText } from '../config/values.ts';
import { listenError, probeListen } from '../listen.ts';
import { exportPaths } from '../signals.ts';
import type { Admission } from './admission.ts';
import { grpcStatus } from './grpc-status.ts';
import { REQUEST_BYTES_MAX } from './refusal.ts';
import type { StreamService } from './stream.ts';

const options = {
  'grpc.max_receive_message_length': REQUEST_BYTES_MAX,
  'grpc.max_concurrent_streams': 256,
  'grpc.max_metadata_size': 16 * 1024,
  /** MB of one connection; grpc-js lifts Node's limit altogether when this is not given. */
  'grpc-node.max_session_memory': 96,
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
} as const;

/**
 * Bytes that a client may send ahead of what is read, on a call and on a connection. The default of 64 KiB would make every
 * large request wait for round trips. grpc-js has an option for it, which it heeds on clients only; its sessions are
 * reached by the channel on which Node tells of each new stream.
 */
const WINDOW_BYTES = 1024 * 1024;
const STREAM_CREATED = 'http2.server.stream.created';

/** What a stopping server allows the calls under way to take. */
const stopWithinMs = 2000;

const empty = Buffer.alloc(0);
const asIs = (bytes: Buffer): Buffer => bytes;

function rawMethod(path: string, streams: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

export class GrpcListener {
  readonly #endpoint: Endpoint;
  readonly #key: string;
  readonly #credentials: ServerCredentials;
  readonly #server = new Server(options);
  readonly #streams: StreamService;
  readonly #widened = new WeakSet<Http2Session>();
  #port = 0;

  /** @param key the configuration key that holds the endpoint */
  constructor(
    endpoint: Endpoint,
    key: string,
    credentials: ServerCredentials,
    admission: Admission,
    streams: StreamService,
  ) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#credentials = credentials;
    this.#streams = streams;
    for (const signal of [Signal.traces, Signal.metrics, Signal.logs]) {
      const definition: ServiceDefinition = { Export: rawMethod(exportPaths[signal], false) };
      this.#server.addService(definition, { Export: exportHandler(signal, admission) });
    }
    this.#server.addService(
      { Stream: rawMethod(STREAM_PATH, true) },
      { Stream: (call: ServerDuplexStream<Buffer, Buffer>) => streams.serve(call) },
    );
  }

  /** @throws StartError that names the address and the key */
  async start(): Promise<void> {
    // grpc-js does not tell why it cannot listen, and prints a line of its own.
    const refusal = await probeListen(this.#endpoint);
    if (refusal !== undefined) throw listenError(this.#endpoint, this.#key, refusal);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(endpointText(this.#endpoint), this.#credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
    this.#port = await promise.catch(error => {
      throw listenError(this.#endpoint, this.#key, error);
    });
    subscribe(STREAM_CREATED, this.#widen);
  }

  readonly #widen = (message: unknown): void => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || session.socket.localPort !== this.#port || this.#widened.has(session))
      return;
    this.#widened.add(session);
    session.settings({ initialWindowSize: WINDOW_BYTES });
    session.setLocalWindowSize(WINDOW_BYTES);
  };

  /** Where it listens; the port is the real one once started. */
  address(): string {
    return endpointText({ ...this.#endpoint, port: this.#port });
  }

  /** Takes no new calls, ends the streams after what they have under way, and lets unary calls finish. */
  async stop(): Promise<void> {
    unsubscribe(STREAM_CREATED, this.#widen);
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(() => this.#server.forceShutdown(), stopWithinMs);
    this.#server.tryShutdown(() => resolve());
    await this.#streams.close();
    await promise;
    clearTimeout(late);
  }
}

function exportHandler(signal: Signal, admission: Admission) {
  return (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
    admission.admit(signal, call.request).then(
      () => done(null, empty),
      error => done(grpcStatus(error)),
    );
  };
}
