// The agent's side of the stream: sends within credit, keeps each batch until it is acknowledged, and resends after a reconnect.
import { Backoff } from './backoff.ts';
import type { Client, ClientEvents, Held } from './client.ts';
import { type Control, ThreadCounter } from './control.ts';
import {
  GRPC_PREFIX_BYTES,
  type GrpcCall,
  GrpcConnection,
  type GrpcOptions,
  GZIP_HEADERS,
  prefixMessage,
} from './grpc.ts';
import { GrpcCode, type GrpcStatus } from './grpc-status.ts';
import { HEADROOM_BYTES, type Ledger, type OutgoingBatch } from './ledger.ts';
import { Signal } from './otlp/record.ts';
import {
  type CollectorMessage,
  decodeCollectorMessage,
  ENCODING_IDENTITY,
  encodeBatchHead,
  encodeHello,
  STREAM_PATH,
} from './otlp/stream-frame.ts';
import { stored } from './packing.ts';

/** Calls that end with INVALID_ARGUMENT at the same oldest batch before that batch is given up. */
const POISON_CALLS = 3;
/** A call that lasted so long ended for a new reason: the back-off begins anew. */
const STEADY_MS = 30_000;

export interface StreamClientOptions extends GrpcOptions {
  /** 16 bytes, never used by another client: sequences count within it. */
  readonly instanceId: Uint8Array;
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
}

/** A batch in its place among the unacknowledged ones. */
interface Entry {
  readonly batch: OutgoingBatch;
  /** The gRPC message with its prefix; the same bytes each time it is sent. */
  readonly framed: Uint8Array;
  /** What sending it costs of the credit: the bytes of the message when it is unpacked. */
  readonly cost: number;
  /** True when it was rejected or given up, and only keeps its place. */
  settled: boolean;
  /** Writes of it, on whatever call, that the socket is not done with. */
  writing: number;
}

/** Keeps the place of a sequence that was settled before this client began. */
const GAP: Entry = {
  batch: { signal: Signal.traces, items: 0, buffer: new Uint8Array(0) },
  framed: new Uint8Array(0),
  cost: 0,
  settled: true,
  writing: 0,
};

/*
 *   #base                    #base + #sent            #base + #entries.length
 *     ▼                            ▼                            ▼
 *   ┌──────────────────────────────┬────────────────────────────┐
 *   │ sent on this call, not acked │ waits for credit           │
 *   └──────────────────────────────┴────────────────────────────┘
 *
 * #entries[i] has sequence #base + i. Invariant: the first entry is not settled; an acknowledgement counts only within
 * [#base, #highestSent]. A new call starts with #sent = 0: everything unacknowledged is sent again.
 */
export class StreamClient implements Client {
  readonly #options: StreamClientOptions;
  readonly #ledger: Ledger;
  readonly #control: Control;
  readonly #events: ClientEvents;
  readonly #unimplemented: (batches: readonly OutgoingBatch[]) => void;
  readonly #backoff = new Backoff();
  #entries: Entry[] = [];
  #base = 1;
  /** Entries sent on this call. */
  #sent = 0;
  /** Highest sequence ever sent, on any call. */
  #highestSent = 0;
  #connection: GrpcConnection | undefined;
  #call: GrpcCall | undefined;
  /** When the collector first answered on this call. */
  #answeredAt: number | undefined;
  #writable = true;
  /** Bytes of batch messages that may be sent on this call, and that were. */
  #credit = 0;
  #spent = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #poison = { base: 0, calls: 0 };

  /**
   * @param held what another client of this instance has left behind, open in the ledger
   * @param unimplemented called when the peer does not know the stream: the open batches go back, and this client is done
   */
  constructor(
    options: StreamClientOptions,
    ledger: Ledger,
    control: Control,
    events: ClientEvents,
    held: Held | undefined,
    unimplemented: (batches: readonly OutgoingBatch[]) => void,
  ) {
    this.#unimplemented = unimplemented;
    this.#options = options;
    this.#ledger = ledger;
    this.#control = control;
    this.#events = events;
    if (held !== undefined) this.#resume(held);
    this.#connect();
  }

  send(batch: OutgoingBatch): void {
    const sequence = this.#base + this.#entries.length;
    this.#entries.push(entryOf(batch, sequence));
    this.#pump();
  }

  isBlocked(): boolean {
    return this.#answeredAt !== undefined && this.#sent < this.#entries.length;
  }

  isReady(): boolean {
    return this.#answeredAt !== undefined && this.#sent === this.#entries.length;
  }

  hurry(): void {
    this.#backoff.hurry();
    if (this.#retry !== undefined) this.#connect();
  }

  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#call?.finish();
    await this.#connection?.close(withinMs);
  }

  destroy(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.destroy();
  }

  held(): Held {
    const batches = this.#entries
      .map(({ batch, settled }, i) => ({ sequence: this.#base + i, batch, settled }))
      .filter(({ settled }) => !settled);
    return { batches, nextSequence: this.#base + this.#entries.length, highestSent: this.#highestSent };
  }

  #resume({ batches, nextSequence, highestSent }: Held): void {
    this.#base = batches[0]?.sequence ?? nextSequence;
    this.#highestSent = highestSent;
    this.#entries = new Array(nextSequence - this.#base).fill(GAP);
    for (const { sequence, batch } of batches)
      this.#entries[sequence - this.#base] = entryOf(batch, sequence);
  }

  #connect(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#closed) return;
    this.#answeredAt = undefined;
    this.#writable = true;
    this.#credit = 0;
    this.#spent = 0;
    this.#sent = 0;
    const connection = new GrpcConnection(this.#options, status => this.#call?.fail(status));
    this.#connection = connection;
    this.#call = connection.call(
      STREAM_PATH,
      {
        message: bytes => this.#receive(bytes),
        drain: () => {
          this.#writable = true;
          this.#pump();
          this.#events.progress();
        },
        end: status => this.#ended(status),
      },
      GZIP_HEADERS,
    );
    const { instanceId, resource } = this.#options;
    const hello = encodeHello({ instanceId, resource, nextSequence: this.#base });
    const framed = new Uint8Array(GRPC_PREFIX_BYTES + hello.length);
    framed.set(hello, GRPC_PREFIX_BYTES);
    prefixMessage(framed, GRPC_PREFIX_BYTES);
    this.#call.write(framed);
  }

  /** Sends what credit and socket allow, in order. */
  #pump(): void {
    while (this.#writable && this.#call !== undefined && this.#sent < this.#entries.length) {
      const entry = this.#entries[this.#sent]!;
      const { framed, cost } = entry;
      if (!entry.settled) {
        if (this.#spent + cost > this.#credit) return;
        this.#spent += cost;
        this.#noteCredit();
        const sequence = this.#base + this.#sent;
        this.#control.countThread(ThreadCounter.batchesSent);
        this.#control.countThread(ThreadCounter.bytesSent, framed.length);
        if (sequence <= this.#highestSent) this.#control.countThread(ThreadCounter.batchesResent);
        else this.#highestSent = sequence;
        entry.writing++;
        this.#writable = this.#call.write(framed, () => entry.writing--);
      }
      this.#sent++;
    }
  }

  #receive(bytes: Uint8Array): void {
    let message: CollectorMessage;
    try {
      message = decodeCollectorMessage(bytes);
    } catch (error) {
      return this.#refuse(`a message that cannot be read: ${(error as Error).message}`);
    }
    if (message.creditLimit !== undefined) this.#credit = Math.max(this.#credit, message.creditLimit);
    this.#noteCredit(); // Before anybody is told that there is a stream.
    if (this.#answeredAt === undefined) {
      this.#answeredAt = performance.now();
      this.#events.connected();
    }
    for (const { sequence, reason } of message.rejected ?? []) this.#reject(sequence, reason);
    if (message.ackedSequence !== undefined && !this.#acknowledge(message.ackedSequence)) return;
    if (message.sampling !== undefined) this.#events.sampling(message.sampling);
    this.#pump();
    this.#events.progress();
  }

  #noteCredit(): void {
    this.#control.noteThread(ThreadCounter.credit, this.#credit - this.#spent);
  }

  /** Frees everything up to the sequence. False when nothing like it was ever sent: the call ends then. */
  #acknowledge(sequence: number): boolean {
    if (sequence > this.#highestSent) {
      this.#refuse(`an acknowledgement of ${sequence}, where ${this.#highestSent} was the last one sent`);
      return false;
    }
    const count = sequence - this.#base + 1;
    if (count <= 0) return true;
    for (const { batch, settled, writing } of this.#entries.slice(0, count)) {
      if (!settled) this.#ledger.settle(batch);
      // A collector that acknowledges what it has not read must not read something else in its place.
      if (writing === 0) this.#ledger.reuse(batch);
    }
    this.#drop(count);
    this.#backoff.reset();
    return true;
  }

  #reject(sequence: number, reason: string): void {
    const entry = this.#entries[sequence - this.#base];
    if (entry === undefined || entry.settled || sequence > this.#highestSent) {
      if (sequence >= this.#base) this.#events.nonsense(`a rejection of ${sequence}, which was not sent`);
      return;
    }
    this.#giveUp(entry, reason);
  }

  #giveUp(entry: Entry, reason: string): void {
    entry.settled = true;
    this.#ledger.settle(entry.batch, entry.batch.items);
    this.#events.rejected(reason);
    this.#drop(0);
  }

  /** Takes the first entries away, and those behind them that are settled already. */
  #drop(settled: number): void {
    let count = settled;
    while (this.#entries[count]?.settled === true) count++;
    this.#entries = this.#entries.slice(count);
    this.#base += count;
    this.#sent = Math.max(0, this.#sent - count);
  }

  /** The collector does what no collector does: this call ends, and a new one may go better. */
  #refuse(what: string): void {
    this.#events.nonsense(what);
    this.#call?.fail({ code: GrpcCode.invalidArgument, message: what });
  }

  #ended(status: GrpcStatus): void {
    if (performance.now() - (this.#answeredAt ?? Number.POSITIVE_INFINITY) > STEADY_MS) this.#backoff.reset();
    this.#call = undefined;
    this.#answeredAt = undefined;
    this.#control.noteThread(ThreadCounter.credit, Number.NaN);
    this.#connection?.destroy();
    this.#connection = undefined;
    if (this.#closed) return;
    if (status.code === GrpcCode.unimplemented) return this.#handOver();
    if (status.code === GrpcCode.invalidArgument) this.#suspectPoison(status.message);
    const { code, message } = status;
    this.#retry = setTimeout(() => this.#connect(), this.#backoff.nextMs()).unref();
    this.#events.failed(`the stream ended with status ${code}: ${message}`);
  }

  /** Gives up the oldest batch when call after call ends with INVALID_ARGUMENT and nothing gets past it. */
  #suspectPoison(reason: string): void {
    const { base, calls } = this.#poison;
    this.#poison = { base: this.#base, calls: base === this.#base ? calls + 1 : 1 };
    const oldest = this.#entries[0];
    if (this.#poison.calls < POISON_CALLS || oldest === undefined || this.#base > this.#highestSent) return;
    this.#poison.calls = 0;
    this.#giveUp(oldest, `given up after ${POISON_CALLS} calls: ${reason}`);
  }

  #handOver(): void {
    this.#closed = true;
    this.#unimplemented(this.#entries.filter(({ settled }) => !settled).map(({ batch }) => batch));
  }
}

/** Writes prefix and head into the room before the payload; both are one message, packed or not. */
function entryOf(batch: OutgoingBatch, sequence: number): Entry {
  const { buffer, signal, items, unpackedBytes } = batch;
  const payloadBytes = unpackedBytes ?? buffer.length - HEADROOM_BYTES;
  const head = encodeBatchHead(
    { sequence, signal, itemCount: items, encoding: ENCODING_IDENTITY },
    payloadBytes,
  );
  const isGzip = unpackedBytes !== undefined;
  const front = isGzip ? stored(head) : head;
  const start = HEADROOM_BYTES - front.length;
  buffer.set(front, start);
  const framed = buffer.subarray(prefixMessage(buffer, start, isGzip));
  return { batch, framed, cost: head.length + payloadBytes, settled: false, writing: 0 };
}
