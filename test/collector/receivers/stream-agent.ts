// An agent at its end of the stream that does as a test tells it, and the messages that it sends.
import assert from 'node:assert/strict';
import { Client, type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  type CollectorMessage,
  decodeCollectorMessage,
  ENCODING_IDENTITY,
  encodeBatchHead,
  encodeHello,
  Signal,
  STREAM_PATH,
} from 'tricord/otlp';
import { traceRequest } from '../requests.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const request = traceRequest(['one']);

let instances = 0;

/** One that no other agent of this process has. */
export function newInstance(): Uint8Array {
  const instance = Buffer.alloc(16, 7);
  instance.writeUInt32BE(++instances, 12);
  return instance;
}

interface BatchOptions {
  readonly signal?: Signal;
  readonly payload?: Uint8Array;
  readonly encoding?: number;
}

export function batchMessage(
  sequence: number,
  { signal = Signal.traces, payload = request, encoding = ENCODING_IDENTITY }: BatchOptions = {},
): Buffer {
  const head = { sequence, signal, itemCount: 1, encoding };
  return Buffer.concat([encodeBatchHead(head, payload.length), payload]);
}

/** An agent that does as it is told by the test. */
export class Agent {
  readonly messages: CollectorMessage[] = [];
  readonly ended: Promise<ServiceError | undefined>;
  acked = 0;
  credit = 0;
  readonly rejected: number[] = [];
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  #wake: () => void = () => undefined;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    this.#call = this.#client.makeBidiStreamRequest(STREAM_PATH, asIs, asIs);
    this.#call.on('data', (bytes: Buffer) => this.#receive(decodeCollectorMessage(bytes)));
    this.ended = new Promise(resolve => {
      this.#call.on('error', error => resolve(error as ServiceError));
      this.#call.on('end', () => setImmediate(() => resolve(undefined)));
    });
  }

  #receive(message: CollectorMessage): void {
    this.messages.push(message);
    this.acked = message.ackedSequence ?? this.acked;
    this.credit = message.creditLimit ?? this.credit;
    this.rejected.push(...(message.rejected ?? []).map(({ sequence }) => sequence));
    this.#wake();
  }

  hello(instanceId: Uint8Array, nextSequence = 1): void {
    this.send(Buffer.from(encodeHello({ instanceId, resource: new Uint8Array(0), nextSequence })));
  }

  send(message: Buffer): void {
    this.#call.write(message);
  }

  /** Resolves when the condition holds; rejects when the stream ends before. */
  async until(condition: () => boolean): Promise<void> {
    const ended = this.ended.then(error => assert.fail(`the stream ended: ${error?.message}`));
    ended.catch(() => undefined);
    while (!condition()) {
      await Promise.race([new Promise<void>(resolve => (this.#wake = resolve)), ended]);
    }
  }

  half(): void {
    this.#call.end();
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }
}
