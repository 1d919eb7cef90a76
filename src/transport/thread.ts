// The transport thread: takes frames out of the ring, gathers them by signal and scope, and hands batches to the client.
import { limits } from '../limits.ts';
import type { Client, Held } from './client.ts';
import { ConsumerState, type Control, SignalCounter, ThreadCounter, Word } from './control.ts';
import { ENVELOPE_BYTES, HEADROOM_BYTES, Ledger, type OutgoingBatch } from './ledger.ts';
import { FieldLevel, type FieldRules } from './otlp/field-rules.ts';
import { LineReaders, recordBytesMax } from './otlp/line/line-reader.ts';
import { FrameKind, Signal, signalOf } from './otlp/record.ts';
import { varintBytes, WireType, Writer } from './otlp/writer.ts';
import { packed } from './packing.ts';
import { RingConsumer } from './ring.ts';

/** How long frames gather in the ring before they are drained, whatever the lingers. */
const DRAIN_INTERVAL_MS = 100;
/** A line as a body is a little larger than its frame. */
const LINE_RECORD_BYTES_MAX: number = limits.frame_bytes_max + 256;
/** After so many failed connections within one flush, whoever waits is let go: the collector is down. */
const FLUSH_FAILURES_MAX = 2;

/** Delivers what other loops beside this one hold; true when all of it is. */
export type FlushOthers = () => Promise<boolean>;

/**
 * Opens a client over the ledger; it may later be replaced by another one, which takes over the open batches.
 * @param held what it begins with
 */
type Connect = (ledger: Ledger, held: Held | undefined, replace: (client: Client) => void) => Client;

/** Which batches are packed: those that have to wait only where that is no work for the application's thread. */
export type Packs = 'never' | 'waiting' | 'always';

export interface ThreadOptions {
  readonly memory: SharedArrayBuffer;
  /** Scopes that were defined before this thread began, by number. */
  readonly definitions: readonly Uint8Array[];
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
  readonly tracesLingerMs: number;
  readonly logsLingerMs: number;
  /** Bound of the batches that are not settled, those that gather included. */
  readonly resendBytes: number;
  /** What is sent of the attributes of lines; by default all. */
  readonly fields?: FieldRules | undefined;
  readonly packs: Packs;
  /** What a loop before this one has left behind, out of the same ring and under the same instance ID. */
  readonly held?: Held | undefined;
}

/**
 * The loop between ring and client. It drains only what the client has room for: what is left in the ring raises its
 * level, which is the back-pressure that the application sees.
 */
export class TransportThread {
  readonly ledger: Ledger;
  #client: Client;
  readonly #control: Control;
  readonly #ring: RingConsumer;
  readonly #definitions: Uint8Array[];
  readonly #lines: LineReaders;
  readonly #builders: Readonly<Record<Signal, BatchBuilder>>;
  readonly #lingerMs: Readonly<Record<Signal, number>>;
  readonly #drainIntervalMs: number;
  readonly #packs: Packs;
  readonly #flushOthers: FlushOthers | undefined;
  /** No frame that is still in the ring was published before this. */
  #since = 0;
  #flush: Flush | undefined;
  #running = true;

  /** @param flushOthers what a flush of this loop covers too */
  constructor(options: ThreadOptions, control: Control, connect: Connect, flushOthers?: FlushOthers) {
    this.#control = control;
    this.#flushOthers = flushOthers;
    this.ledger = new Ledger(control, options.resendBytes);
    for (const { batch } of options.held?.batches ?? []) this.ledger.open(batch);
    this.#client = connect(this.ledger, options.held, client => this.#replace(client));
    this.#ring = new RingConsumer(options.memory);
    this.#definitions = [...options.definitions];
    const { resource } = options;
    this.#builders = {
      [Signal.traces]: new BatchBuilder(Signal.traces, resource),
      [Signal.metrics]: new BatchBuilder(Signal.metrics, resource),
      [Signal.logs]: new BatchBuilder(Signal.logs, resource),
    };
    this.#lingerMs = {
      [Signal.traces]: options.tracesLingerMs,
      [Signal.metrics]: 0,
      [Signal.logs]: options.logsLingerMs,
    };
    this.#lines = new LineReaders(options.fields && FieldLevel.of(options.fields));
    this.#packs = options.packs;
    this.#drainIntervalMs = Math.min(DRAIN_INTERVAL_MS, options.tracesLingerMs, options.logsLingerMs);
  }

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    while (this.#running) {
      this.#drain();
      this.#sendDue();
      this.#answerFlush();
      this.#noteHeld();
      await this.#pause();
    }
  }

  /** Something changed that the loop should look at. */
  wake(): void {
    this.#control.wakeConsumer();
  }

  /** A connection failed. */
  failed(): void {
    if (this.#flush !== undefined) this.#flush.failures++;
    this.wake();
  }

  /** Ends the loop, and the connection in order, within the time. What is not delivered stays so. */
  stop(withinMs: number): Promise<void> {
    this.#running = false;
    this.wake();
    return this.#client.close(withinMs);
  }

  /** Ends the loop and the connection now. */
  abandon(): void {
    this.#running = false;
    this.#client.destroy();
    this.wake();
  }

  /** What another loop needs to go on in the place of this one: all that is neither settled nor in the ring. */
  held(): Held {
    for (const builder of Object.values(this.#builders)) if (!builder.isEmpty()) this.#send(builder);
    return this.#client.held();
  }

  #replace(client: Client): void {
    this.#client = client;
    if (this.#flush !== undefined) client.hurry();
    this.wake();
  }

  /** Room beside what is open for all that gathers. */
  #hasRoom(): boolean {
    return this.ledger.hasRoom() && !this.#client.isBlocked();
  }

  #drain(): void {
    if (!this.#ring.isEmpty() && this.#hasRoom()) {
      Atomics.store(this.#control.words, Word.busy, 1);
      const { head } = this.#ring;
      while (this.#ring.position !== head && this.#ring.next()) {
        if (!this.#take()) continue;
        // Only a batch that goes changes what there is room for; what it holds need not lie in the ring any longer.
        this.#ring.release();
        if (!this.#hasRoom()) break;
      }
      this.#ring.release();
      this.#countLines();
    }
    this.#since = performance.now();
  }

  /** Copies the current frame out of the ring; true when a batch went to the client to make room for it. */
  #take(): boolean {
    const ring = this.#ring;
    const { kind, scope } = ring;
    if (kind === undefined) {
      this.#definitions[scope] = new Uint8Array(ring.bytes.subarray(ring.start, ring.end));
      return false;
    }
    const definition = this.#definitions[scope]!;
    const signal = signalOf(kind);
    const builder = this.#builders[signal];
    const bytes = ring.end - ring.start;
    const room = kind === FrameKind.line ? Math.min(recordBytesMax(bytes), LINE_RECORD_BYTES_MAX) : bytes;
    const full = builder.bytesWith(room, definition) > limits.batch_bytes_max;
    const sends = full && !builder.isEmpty();
    if (sends) this.#send(builder);
    if (builder.isEmpty()) builder.since = this.#since;
    if (kind === FrameKind.line) builder.addLine(ring, definition, this.#lines, room);
    else builder.add(ring, definition);
    this.#control.count(SignalCounter.drained, signal, ring.items);
    return sends;
  }

  #countLines(): void {
    const { counters } = this.#lines;
    this.#control.countThread(ThreadCounter.malformedLines, counters.malformed);
    this.#control.countThread(ThreadCounter.truncatedLines, counters.truncated);
    counters.malformed = 0;
    counters.truncated = 0;
  }

  #send(builder: BatchBuilder): void {
    const built = builder.build(this.ledger);
    const waits = this.#packs === 'waiting' && this.#flush === undefined && !this.#client.isReady();
    const batch = waits || this.#packs === 'always' ? packed(built) : built;
    if (batch !== built) this.ledger.reuse(built);
    this.ledger.open(batch);
    this.#client.send(batch);
  }

  /** Milliseconds until the batch that is due first; infinite when none gathers, or none could go. */
  #dueInMs(): number {
    if (!this.#client.isReady()) return Number.POSITIVE_INFINITY;
    let due = Number.POSITIVE_INFINITY;
    for (const builder of Object.values(this.#builders)) {
      if (!builder.isEmpty()) due = Math.min(due, builder.since + this.#lingerMs[builder.signal]);
    }
    return due - performance.now();
  }

  #sendDue(): void {
    const now = performance.now();
    for (const builder of Object.values(this.#builders)) {
      const due = this.#client.isReady() && builder.since + this.#lingerMs[builder.signal] - now <= 1;
      if (!builder.isEmpty() && (due || this.#flush !== undefined)) this.#send(builder);
    }
  }

  /** Starts, watches and answers the flush that was asked for last; it covers the earlier ones. */
  #answerFlush(): void {
    const { words } = this.#control;
    const asked = Atomics.load(words, Word.flushAsked);
    if (asked === Atomics.load(words, Word.flushDone)) return;
    if (this.#flush?.number !== asked) {
      this.#flush = this.#beginFlush(asked);
      this.#client.hurry();
      this.#drain();
      this.#sendDue();
    }
    const flush = this.#flush;
    if (flush.last === undefined && ((this.#ring.position - flush.target) | 0) >= 0)
      flush.last = this.ledger.opened;
    const settled = flush.last !== undefined && this.ledger.isSettled(flush.last);
    const waits = !settled || flush.others === undefined;
    if (waits && flush.failures < FLUSH_FAILURES_MAX) return;
    this.#flush = undefined;
    this.#noteHeld();
    Atomics.store(words, Word.flushDelivered, settled && flush.others === true ? 1 : 0);
    Atomics.store(words, Word.flushDone, asked);
    Atomics.notify(words, Word.flushDone);
  }

  #beginFlush(number: number): Flush {
    const flush: Flush = { number, target: this.#ring.head, last: undefined, failures: 0, others: undefined };
    if (this.#flushOthers === undefined) flush.others = true;
    else {
      void this.#flushOthers().then(delivered => {
        flush.others = delivered;
        this.wake();
      });
    }
    return flush;
  }

  /** Counts what is drained and not settled; clears the busy word when that is nothing. */
  #noteHeld(): void {
    let all = 0;
    for (const builder of Object.values(this.#builders)) {
      const items = builder.items + this.ledger.items(builder.signal);
      this.#control.note(SignalCounter.held, builder.signal, items);
      all += items;
    }
    if (all === 0) Atomics.store(this.#control.words, Word.busy, 0);
  }

  /** Waits for frames, for them to gather, for room, or for the next batch to be due. */
  async #pause(): Promise<void> {
    if (!this.#hasRoom()) return this.#wait(ConsumerState.blocked, this.#dueInMs());
    if (this.#ring.isEmpty()) {
      await this.#wait(ConsumerState.asleep, this.#dueInMs());
      this.#since = performance.now();
      if (this.#ring.isEmpty()) return;
    }
    if (this.#flush !== undefined) return;
    await this.#wait(ConsumerState.lingering, Math.min(this.#drainIntervalMs, this.#dueInMs()));
  }

  /**
   * Sleeps in a state until somebody sets it to awake, or the time is over. The state is stored before the conditions are
   * looked at again: whoever changes one of them afterwards sees the state and wakes us.
   */
  async #wait(state: number, timeoutMs: number): Promise<void> {
    const { words } = this.#control;
    Atomics.store(words, Word.consumer, state);
    const flushAsked =
      Atomics.load(words, Word.flushAsked) !== (this.#flush?.number ?? Atomics.load(words, Word.flushDone));
    const moved = state === ConsumerState.asleep && !this.#ring.isEmpty();
    if (!flushAsked && !moved && timeoutMs > 0 && this.#running) {
      await Atomics.waitAsync(words, Word.consumer, state, timeoutMs).value;
      // The word may belong to another loop by now.
      if (!this.#running) return;
    }
    Atomics.store(words, Word.consumer, ConsumerState.awake);
  }
}

interface Flush {
  readonly number: number;
  /** Position of the ring's head when the flush began. */
  readonly target: number;
  /** Number of the last batch that belongs to it, once everything up to the target is in batches. */
  last: number | undefined;
  failures: number;
  /** Whether what other loops hold is delivered, once they have answered. */
  others: boolean | undefined;
}

const SCOPE_BYTES_FIRST = 4096;
/** Field numbers that requests, resources and scopes of all three signals share. */
const Field = { resources: 1, resource: 1, scopes: 2 } as const;

/** Bytes of a length-delimited field with a one-byte tag. */
const fieldBytes = (content: number): number => 1 + varintBytes(content) + content;

interface ScopeFrames {
  readonly definition: Uint8Array;
  bytes: Buffer;
  length: number;
}

/**
 * Gathers the frames of one signal by scope, and wraps them once:
 * `Export…ServiceRequest { resource_*: 1 { resource: 1, scope_*: 2 { scope: 1, schema_url: 3, items: 2… } } }`.
 * A frame already holds its tag and length, a definition holds `scope` and `schema_url`, so that wrapping is copying.
 */
class BatchBuilder {
  readonly signal: Signal;
  /** No frame gathered was published before this; milliseconds of `performance.now()`. */
  since = 0;
  readonly #resource: Uint8Array;
  readonly #scopes = new Map<number, ScopeFrames>();
  readonly #writer = new Writer(new Uint8Array(0));
  /** How many it gathers. */
  items = 0;
  #bytes = 0;

  constructor(signal: Signal, resource: Uint8Array) {
    this.signal = signal;
    this.#resource = resource;
  }

  isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Upper bound of the request's bytes with one more frame. */
  bytesWith(frameBytes: number, definition: Uint8Array): number {
    return this.#bytes + frameBytes + definition.length + this.#resource.length + 2 * ENVELOPE_BYTES;
  }

  /** Copies the ring's current frame. */
  add(ring: RingConsumer, definition: Uint8Array): void {
    const { start, end } = ring;
    const frames = this.#roomFor(end - start, ring.scope, definition);
    ring.bytes.copy(frames.bytes, frames.length, start, end);
    this.#added(frames, frames.length + end - start, ring.items);
  }

  /** Reads the ring's current frame, a line, into a record that takes up to `room` bytes. */
  addLine(ring: RingConsumer, definition: Uint8Array, lines: LineReaders, room: number): void {
    const frames = this.#roomFor(room, ring.scope, definition);
    const writer = this.#writer;
    writer.reset(frames.bytes, frames.length, frames.length + room);
    lines.read(ring.bytes, ring.start, ring.end, writer);
    this.#added(frames, writer.pos, ring.items);
  }

  #roomFor(bytes: number, scope: number, definition: Uint8Array): ScopeFrames {
    let frames = this.#scopes.get(scope);
    if (frames === undefined) {
      frames = { definition, bytes: Buffer.allocUnsafeSlow(SCOPE_BYTES_FIRST), length: 0 };
      this.#scopes.set(scope, frames);
    }
    if (frames.length === 0) this.#bytes += definition.length + ENVELOPE_BYTES;
    const length = frames.length + bytes;
    if (length > frames.bytes.length) frames.bytes = grown(frames, length);
    return frames;
  }

  #added(frames: ScopeFrames, length: number, items: number): void {
    this.#bytes += length - frames.length;
    this.items += items;
    frames.length = length;
  }

  /** The request over everything gathered, which is then forgotten. */
  build(ledger: Ledger): OutgoingBatch {
    const scopes = [...this.#scopes.values()].filter(frames => frames.length > 0);
    const resourceBytes = scopes.reduce(
      (sum, frames) => sum + fieldBytes(frames.definition.length + frames.length),
      fieldBytes(this.#resource.length),
    );
    const writer = new Writer(ledger.room(HEADROOM_BYTES + fieldBytes(resourceBytes) + ENVELOPE_BYTES));
    writer.pos = HEADROOM_BYTES;
    writer.tag(Field.resources, WireType.len);
    writer.varint(resourceBytes);
    writer.blob(Field.resource, this.#resource);
    for (const { definition, bytes, length } of scopes) {
      writer.tag(Field.scopes, WireType.len);
      writer.varint(definition.length + length);
      writer.raw(definition);
      writer.raw(bytes.subarray(0, length));
    }
    const batch = { signal: this.signal, items: this.items, buffer: writer.bytes.subarray(0, writer.pos) };
    this.#clear();
    return batch;
  }

  /** Keeps the memory of the scopes that were in use, for the next batch. */
  #clear(): void {
    for (const [scope, frames] of this.#scopes) {
      if (frames.length === 0) this.#scopes.delete(scope);
      frames.length = 0;
    }
    this.items = 0;
    this.#bytes = 0;
  }
}

function grown(frames: ScopeFrames, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.max(length, frames.bytes.length * 2));
  frames.bytes.copy(bytes, 0, 0, frames.length);
  return bytes;
}
