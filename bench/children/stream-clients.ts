// The three ways to send that `stream` compares, behind one face.
import { randomBytes } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { limits } from '../../src/limits.ts';
import type { Client, ClientEvents } from '../../src/transport/client.ts';
import { Control } from '../../src/transport/control.ts';
import { HEADROOM_BYTES, Ledger } from '../../src/transport/ledger.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { OtlpClient } from '../../src/transport/otlp-client.ts';
import { OtlpGrpcExporter } from '../../src/transport/otlp-grpc.ts';
import { allocateRing } from '../../src/transport/ring.ts';
import { StreamClient } from '../../src/transport/stream-client.ts';
import type { ExportRequest } from './stream-request.ts';

export type SenderName = 'stream' | 'otlp' | 'grpc-js';

export interface SenderClient {
  /** Whether another batch may be sent, as the agent's transport thread decides it. */
  hasRoom(): boolean;
  send(request: ExportRequest): void;
  /** Whether all of it is acknowledged. */
  isDone(): boolean;
  /** Resolves when one more is, or when there is room again. */
  progress(): Promise<void>;
  close(): void;
}

/** Promises that all resolve when the next event comes. */
class Progress {
  #next = Promise.withResolvers<void>();

  get next(): Promise<void> {
    return this.#next.promise;
  }

  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}

function fail(what: string): never {
  throw new Error(`the benchmark's connection failed: ${what}`);
}

/** A client of the agent, with the account that the agent keeps. */
class AgentSender implements SenderClient {
  /** The agent's connections do not keep a process alive. */
  readonly #alive = setInterval(() => {}, 60_000);
  readonly #progress = new Progress();
  readonly #ledger: Ledger;
  readonly #client: Client;

  constructor(connect: (ledger: Ledger, control: Control, events: ClientEvents) => Client) {
    const control = new Control(allocateRing(limits.ring_bytes_min));
    this.#ledger = new Ledger(control, limits.resend_bytes_default);
    this.#client = connect(this.#ledger, control, {
      progress: () => this.#progress.notify(),
      connected: () => {},
      failed: fail,
      nonsense: fail,
      rejected: fail,
      sampling: () => {},
    });
  }

  hasRoom(): boolean {
    return this.#ledger.hasRoom() && !this.#client.isBlocked();
  }

  send({ bytes, items }: ExportRequest): void {
    const buffer = Buffer.allocUnsafeSlow(HEADROOM_BYTES + bytes.length);
    buffer.set(bytes, HEADROOM_BYTES);
    const batch = { signal: Signal.traces, items, buffer };
    this.#ledger.open(batch);
    this.#client.send(batch);
  }

  isDone(): boolean {
    return this.#ledger.isEmpty();
  }

  progress(): Promise<void> {
    return this.#progress.next;
  }

  close(): void {
    clearInterval(this.#alive);
    this.#client.destroy();
  }
}

/** Exports that `@opentelemetry/otlp-exporter-base` has under way at most, unless it is told otherwise. */
const CONCURRENCY_MAX = 30;
const EXPORT_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** Unary calls as OpenTelemetry's exporter makes them. */
class GrpcJsSender implements SenderClient {
  readonly #progress = new Progress();
  readonly #client: grpc.Client;
  #underWay = 0;

  constructor(endpoint: string) {
    this.#client = new grpc.Client(new URL(endpoint).host, grpc.credentials.createInsecure());
  }

  hasRoom(): boolean {
    return this.#underWay < CONCURRENCY_MAX;
  }

  send({ bytes }: ExportRequest): void {
    this.#underWay++;
    const answered = (error: grpc.ServiceError | null): void => {
      if (error !== null) fail(error.message);
      this.#underWay--;
      this.#progress.notify();
    };
    this.#client.makeUnaryRequest(EXPORT_PATH, Buffer.from, (response: Buffer) => response, bytes, answered);
  }

  isDone(): boolean {
    return this.#underWay === 0;
  }

  progress(): Promise<void> {
    return this.#progress.next;
  }

  close(): void {
    this.#client.close();
  }
}

const optionsOf = (endpoint: string): ConstructorParameters<typeof StreamClient>[0] => ({
  ...{ endpoint, headers: {}, timeoutMs: 10_000 },
  instanceId: randomBytes(16),
  resource: new Uint8Array(0),
});

export const senders: Readonly<Record<SenderName, (endpoint: string) => SenderClient>> = {
  stream: endpoint =>
    new AgentSender(
      (ledger, control, events) =>
        new StreamClient(optionsOf(endpoint), ledger, control, events, undefined, () =>
          fail('the stream is not known'),
        ),
    ),
  otlp: endpoint =>
    new AgentSender(
      (ledger, control, events) =>
        new OtlpClient(new OtlpGrpcExporter(optionsOf(endpoint)), [], ledger, control, events),
    ),
  'grpc-js': endpoint => new GrpcJsSender(endpoint),
};
