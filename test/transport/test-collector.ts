// A collector for tests: the stream and the OTLP services over real sockets, with every answer in the test's hands.
import { EventEmitter, once } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import {
  type CollectorMessage,
  decodeAgentMessage,
  encodeCollectorMessage,
  type Hello,
  STREAM_PATH,
  type StreamBatch,
} from '../../src/transport/otlp/stream-frame.ts';

const raw = (value: Buffer): Buffer => value;
const UNLIMITED = 2 ** 50;
/** Longer than an agent takes to end its call. */
const GOING_AWAY_MS = 1000;

const streamService: grpc.ServiceDefinition = {
  stream: {
    path: STREAM_PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  },
};

const unary = (path: string): grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});

const otlpService: grpc.ServiceDefinition = {
  traces: unary('/opentelemetry.proto.collector.trace.v1.TraceService/Export'),
  metrics: unary('/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'),
  logs: unary('/opentelemetry.proto.collector.logs.v1.LogsService/Export'),
};

/** One call of the stream, as the collector sees it. */
export interface StreamCall {
  readonly hello: Hello;
  readonly batches: StreamBatch[];
  /** Bytes of all batch messages on this call. */
  bytes: number;
  readonly metadata: grpc.Metadata;
  send(message: CollectorMessage): void;
  /** Sends bytes that need not be a message. */
  sendRaw(bytes: Uint8Array): void;
  end(code: number, details?: string): void;
}

export interface UnaryCall {
  readonly signal: string;
  readonly payload: Buffer;
  readonly metadata: grpc.Metadata;
}

/** What a unary export is answered: a response message, or an error status. */
export type UnaryAnswer = Buffer | { code: number; details?: string; metadata?: grpc.Metadata };

export interface TestCollectorOptions {
  readonly port?: number;
  /** By default plaintext. */
  readonly credentials?: grpc.ServerCredentials;
  /** False: the stream is UNIMPLEMENTED. */
  readonly stream?: boolean;
  /** By default the collector tells what is durable, and gives credit without a limit. */
  readonly onHello?: (call: StreamCall, collector: TestCollector) => void;
  /** By default the collector takes each batch once and acknowledges it. */
  readonly onBatch?: (call: StreamCall, batch: StreamBatch, collector: TestCollector) => void;
  readonly onUnary?: (call: UnaryCall, index: number) => UnaryAnswer | undefined;
}

/** Emits `hello`, `batch`, `end` (of a call) and `unary`. */
export class TestCollector extends EventEmitter {
  port = 0;
  readonly calls: StreamCall[] = [];
  readonly unaryCalls: UnaryCall[] = [];
  /** What was taken, once per instance and sequence. */
  readonly taken: StreamBatch[] = [];
  duplicates = 0;
  readonly #durable = new Map<string, number>();
  readonly #options: TestCollectorOptions;
  readonly #server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });

  static async start(options: TestCollectorOptions = {}): Promise<TestCollector> {
    const collector = new TestCollector(options);
    await collector.#listen();
    return collector;
  }

  constructor(options: TestCollectorOptions) {
    super();
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get items(): number {
    return this.taken.reduce((sum, batch) => sum + batch.itemCount, 0);
  }

  /** Resolves when `condition` holds, looking again after each event. */
  async until(condition: (collector: this) => boolean): Promise<void> {
    while (!condition(this)) await once(this, 'any');
  }

  /** Highest sequence taken of an instance. */
  durable(instanceId: Uint8Array): number {
    return this.#durable.get(Buffer.from(instanceId).toString('hex')) ?? 0;
  }

  /** Takes a batch unless it is known. */
  take(call: StreamCall, batch: StreamBatch): void {
    if (batch.sequence <= this.durable(call.hello.instanceId)) {
      this.duplicates++;
      return;
    }
    this.#durable.set(Buffer.from(call.hello.instanceId).toString('hex'), batch.sequence);
    this.taken.push(batch);
  }

  /** Cuts all connections, and goes on listening. */
  sever(): void {
    this.#server.drain(`127.0.0.1:${this.port}`, 0);
  }

  /** Says on all connections that it takes no new calls there, and lets those under way end: GOAWAY without an error. */
  goAway(): void {
    this.#server.drain(`127.0.0.1:${this.port}`, GOING_AWAY_MS);
  }

  /** Cuts all connections and stops listening. */
  stop(): void {
    this.#server.forceShutdown();
  }

  async #listen(): Promise<void> {
    if (this.#options.stream !== false) {
      this.#server.addService(streamService, {
        stream: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => this.#stream(call),
      });
    }
    const unaryCall =
      (signal: string): grpc.handleUnaryCall<Buffer, Buffer> =>
      (call, reply) =>
        this.#unary(signal, call, reply);
    this.#server.addService(otlpService, {
      traces: unaryCall('traces'),
      metrics: unaryCall('metrics'),
      logs: unaryCall('logs'),
    });
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(
        `127.0.0.1:${this.#options.port ?? 0}`,
        this.#options.credentials ?? grpc.ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      );
    });
  }

  #tell(event: string, ...args: unknown[]): void {
    this.emit(event, ...args);
    this.emit('any');
  }

  #stream(wire: grpc.ServerDuplexStream<Buffer, Buffer>): void {
    let call: StreamCall | undefined;
    wire.on('data', (bytes: Buffer) => {
      const message = decodeAgentMessage(bytes);
      if (message.kind === 'hello') {
        call = newCall(wire, message.hello);
        this.calls.push(call);
        (this.#options.onHello ?? welcome)(call, this);
        return this.#tell('hello', call);
      }
      call!.bytes += bytes.length;
      call!.batches.push(message.batch);
      (this.#options.onBatch ?? acknowledge)(call!, message.batch, this);
      this.#tell('batch', call, message.batch);
    });
    wire.on('error', () => {});
    wire.on('cancelled', () => this.#tell('end', call));
    wire.on('end', () => {
      wire.end();
      this.#tell('end', call);
    });
  }

  #unary(
    signal: string,
    wire: grpc.ServerUnaryCall<Buffer, Buffer>,
    reply: grpc.sendUnaryData<Buffer>,
  ): void {
    const call = { signal, payload: wire.request, metadata: wire.metadata };
    this.unaryCalls.push(call);
    const answer = this.#options.onUnary?.(call, this.unaryCalls.length - 1) ?? Buffer.alloc(0);
    if (Buffer.isBuffer(answer)) reply(null, answer);
    else reply({ ...answer, name: 'Error', message: '' });
    this.#tell('unary', call);
  }
}

/** Tells what is durable, and gives credit without a limit. */
export function welcome(call: StreamCall, collector: TestCollector): void {
  call.send({ ackedSequence: collector.durable(call.hello.instanceId), creditLimit: UNLIMITED });
}

/** Takes the batch once and acknowledges it. */
export function acknowledge(call: StreamCall, batch: StreamBatch, collector: TestCollector): void {
  collector.take(call, batch);
  call.send({ ackedSequence: batch.sequence });
}

function newCall(wire: grpc.ServerDuplexStream<Buffer, Buffer>, hello: Hello): StreamCall {
  return {
    hello,
    batches: [],
    bytes: 0,
    metadata: wire.metadata,
    send: message => void wire.write(Buffer.from(encodeCollectorMessage(message))),
    sendRaw: bytes => void wire.write(Buffer.from(bytes)),
    end: (code, details = '') => void wire.emit('error', { code, details }),
  };
}
