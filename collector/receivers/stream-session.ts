// One agent's stream: hello, batches in sequence, acknowledgements when durable, credit as the queue has room.
import {
  decodeAgentMessage,
  ENCODING_IDENTITY,
  encodeCollectorMessage,
  type Hello,
  type Rejected,
  type StreamBatch,
  WireError,
} from 'tricord/otlp';
import { OfferError } from '../component.ts';
import type { Intake } from '../factory.ts';
import type { Log } from '../log.ts';
import type { Admission } from './admission.ts';
import type { CallHandlers, GrpcCall } from './grpc-call.ts';
import { GrpcCode, grpcStatus } from './grpc-status.ts';

/*
 *   sequences:  acknowledged │ under way │ not received yet
 *                            ▲ #acked    ▲ #received
 *   bytes:      settled      │ under way │ credit left │ not allowed
 *                                        ▲ #bytesReceived  ▲ #creditLimit
 *
 * Invariants: sequences grow; one may be missing when the agent gave that batch up. #acked only reaches a sequence when
 * it and all that came before it are durable or rejected. #bytesReceived never exceeds #creditLimit, which never goes
 * back. At most BATCHES_MAX batches are under way; then the call is not read.
 */

const BATCHES_MAX = 4096;
const HELLO_WITHIN_MS = 10_000;
/** A resource is a quarter of a batch at most. */
const HELLO_BYTES_MAX = 1024 * 1024;

/** What a session asks of the service, and tells it. */
export interface StreamHost {
  /** Bytes that this stream may have under way now. */
  window(): number;
  opened(instance: Uint8Array): void;
  closed(instance: Uint8Array | undefined): void;
  readonly log: Log;
}

export class StreamSession implements CallHandlers {
  readonly #call: GrpcCall;
  readonly #intake: Intake;
  readonly #admission: Admission;
  readonly #host: StreamHost;
  readonly #helloTimer: NodeJS.Timeout;
  #instance: Uint8Array | undefined;
  #received = 0;
  #acked = 0;
  /** Sequences in the order of arrival, beginning with one that is not settled: true when durable or rejected. */
  readonly #underWay = new Map<number, boolean>();
  #rejected: Rejected[] = [];
  #bytesReceived = 0;
  #bytesSettled = 0;
  #creditLimit = 0;
  /** What the agent was told last. */
  #told = { acked: 0, credit: -1 };
  #tellScheduled = false;
  #writable = true;
  /** The agent has sent all. */
  #ended = false;
  #finishing = false;
  #over = false;
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(call: GrpcCall, intake: Intake, admission: Admission, host: StreamHost) {
    this.#call = call;
    this.#intake = intake;
    this.#admission = admission;
    this.#host = host;
    this.#helloTimer = setTimeout(() => this.#fail(violation('no hello in time')), HELLO_WITHIN_MS);
  }

  /** Batches that are neither durable nor rejected yet, or that wait for one before them. */
  get pending(): number {
    return this.#underWay.size;
  }

  get creditLeft(): number {
    return this.#creditLimit - this.#bytesReceived;
  }

  /** Takes no more batches; resolves when those under way are settled, told, and the call has ended. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#endWhenSettled();
    await this.#done.promise;
  }

  abort(reason: string): void {
    this.#call.end({ code: GrpcCode.aborted, message: reason });
  }

  /** Tells the agent when it may send more than it was told. */
  renewCredit(): void {
    if (this.#instance === undefined || this.#over || this.#finishing) return;
    const limit = this.#bytesSettled + this.#host.window();
    if (limit > this.#creditLimit) this.#creditLimit = limit;
    if (this.#creditLimit > this.#told.credit) this.#tellSoon();
  }

  // For the call.

  /** What would overspend the credit is not even collected. */
  begins(size: number): void {
    const most = this.#instance === undefined ? HELLO_BYTES_MAX : this.creditLeft;
    if (size > most) throw violation(`${size} bytes sent on a credit of ${most}`);
  }

  message(bytes: Buffer): void {
    if (this.#over || this.#finishing) return;
    try {
      const message = decodeAgentMessage(bytes);
      if (message.kind === 'hello') this.#open(message.hello);
      else this.#take(message.batch, bytes.length);
    } catch (error) {
      this.#fail(error);
    }
  }

  end(): void {
    this.#ended = true;
    void this.finish();
  }

  drain(): void {
    this.#writable = true;
    this.#tell();
  }

  closed(): void {
    this.#over = true;
    clearTimeout(this.#helloTimer);
    this.#host.closed(this.#instance);
    this.#done.resolve();
  }

  #open(hello: Hello): void {
    if (this.#instance !== undefined) throw violation('a second hello');
    clearTimeout(this.#helloTimer);
    this.#instance = Buffer.from(hello.instanceId);
    this.#received = hello.nextSequence - 1;
    this.#acked = Number(this.#intake.durableSequence(this.#instance));
    this.#host.opened(this.#instance);
    this.#creditLimit = this.#host.window();
    this.#tell();
  }

  #take(batch: StreamBatch, messageBytes: number): void {
    const { sequence, signal, payload, encoding } = batch;
    if (this.#instance === undefined) throw violation('a batch before the hello');
    if (sequence <= this.#received) {
      throw violation(`sequence ${sequence} where ${this.#received + 1} or more was due`);
    }
    if (messageBytes > this.creditLeft) {
      throw violation(`${messageBytes} bytes sent on a credit of ${this.creditLeft}`);
    }
    this.#received = sequence;
    this.#underWay.set(sequence, false);
    this.#bytesReceived += messageBytes;
    if (this.pending >= BATCHES_MAX) this.#call.pause();
    if (encoding !== ENCODING_IDENTITY) {
      this.#settle(sequence, messageBytes, `encoding ${encoding} is not known`);
      return;
    }
    const origin = { instance: this.#instance, sequence: BigInt(sequence) };
    this.#admission.admit(signal, payload, origin).then(
      () => this.#settle(sequence, messageBytes),
      error => {
        if (error instanceof WireError || (error instanceof OfferError && !error.retryable))
          this.#settle(sequence, messageBytes, error.message);
        else this.#fail(error);
      },
    );
  }

  /** The batch is durable, or will never be taken for this reason. */
  #settle(sequence: number, messageBytes: number, reason?: string): void {
    if (this.#over) return;
    if (reason !== undefined) this.#rejected.push({ sequence, reason });
    this.#underWay.set(sequence, true);
    for (const [first, settled] of this.#underWay) {
      if (!settled) break;
      this.#underWay.delete(first);
      this.#acked = Math.max(this.#acked, first);
    }
    this.#bytesSettled += messageBytes;
    if (this.pending < BATCHES_MAX / 2) this.#call.resume();
    this.#tellSoon();
    this.renewCredit();
  }

  /** Settlements of one fsync arrive together, and are told together. */
  #tellSoon(): void {
    if (this.#tellScheduled) return;
    this.#tellScheduled = true;
    setImmediate(() => {
      this.#tellScheduled = false;
      this.#tell();
    });
  }

  #tell(): void {
    if (this.#over) return;
    const { acked, credit } = this.#told;
    const news = this.#acked > acked || this.#creditLimit > credit || this.#rejected.length > 0;
    if (news && this.#writable) {
      // A rejection is told before, or with, the acknowledgement that covers it.
      const rejected = this.#rejected;
      this.#rejected = [];
      this.#told = { acked: this.#acked, credit: this.#creditLimit };
      this.#write({ ackedSequence: this.#acked, creditLimit: this.#creditLimit, rejected });
    }
    this.#endWhenSettled();
  }

  #write(message: Parameters<typeof encodeCollectorMessage>[0]): void {
    this.#writable = this.#call.write(encodeCollectorMessage(message));
  }

  #endWhenSettled(): void {
    if (this.#over || !this.#finishing || this.pending > 0 || this.#told.acked < this.#acked) return;
    if (this.#ended) this.#call.end({ code: GrpcCode.ok, message: '' });
    else this.#call.end({ code: GrpcCode.unavailable, message: 'the collector is stopping' });
  }

  /** Ends the call with the status of the error; what is durable already stays so, and is told at the next hello. */
  #fail(error: unknown): void {
    if (this.#over) return;
    this.#host.log.warn('stream ended', { reason: error });
    this.#call.end(grpcStatus(error));
  }
}

/** A breach of the stream's rules: the call ends with INVALID_ARGUMENT. */
function violation(message: string): OfferError {
  return new OfferError(message, false);
}
