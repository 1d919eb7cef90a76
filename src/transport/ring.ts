// The single-producer single-consumer byte ring between the application thread and the transport thread.
import { limits } from '../limits.ts';
import { CONTROL_BYTES, ConsumerState, Control, SHARE_UNIT, SignalCounter, Word } from './control.ts';
import { type FrameKind, type ScopeRecord, type Signal, type Sink, signalOf } from './otlp/record.ts';
import { Writer } from './otlp/writer.ts';
import { RING_FROM, roomOf } from './room.ts';
import { ScopeDefinitions } from './scope-definition.ts';

/*
 *            tail                     head
 *             ▼                        ▼
 *  ┌─────────┬────────┬───────┬───────┬──────────────────┐ ─ ─ ─ ─ ─ ─ ─ ─ ┐
 *  │  free   │ frame  │ frame │ frame │  free            │   overhang
 *  └─────────┴────────┴───────┴───────┴──────────────────┘ ─ ─ ─ ─ ─ ─ ─ ─ ┘
 *  0                                                  capacity      + one frame at its largest
 *
 * A frame lies in one piece: one that starts before `capacity` may end in the overhang, and the next one then starts at 0.
 *
 *   frame = payload bytes (u32) │ kind (4 bits), scope (28 bits) │ items (u32) │ payload │ zero to three bytes of padding
 *
 * Kind 0 marks the definition of a scope. `head` and `tail` are free-running 32-bit positions; a position's place is
 * `(position - origin) & (capacity - 1)`. Whoever finds the ring empty makes the head the origin: a ring that is emptied
 * in time uses only the first part of its memory, which stays small and near the processor.
 *
 * Invariant: 0 ≤ head − tail ≤ capacity (modulo 2^32), and [tail, head) is a whole number of frames. The overhang is
 * written only when tail has passed the start of the lap, so that it never holds two frames. The origin changes only where
 * tail = head, and is stored before the head: who sees a frame knows its origin.
 */
const FRAME_HEAD_BYTES = 12;
const FRAME_BYTES_MAX: number = FRAME_HEAD_BYTES + limits.frame_bytes_max;
/** An empty ring that is filled less far goes on where it is. */
const REWIND_FROM = 64 * 1024;
/** What must be free to begin a frame at all; less than this is full. */
const FRAME_ROOM_MIN = 128;
/** The part of the ring that only what is vital may fill. */
const VITAL_SHARE = 1 / 16;
const SCOPE_DEFINITION = 0;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/** Positions that a frame of `bytes` at `place` takes: to the lap's end when it reaches into the overhang. */
const advance = (place: number, bytes: number, capacity: number): number =>
  Math.min(padded(bytes), capacity - place);

/**
 * Memory for a ring of at least `bytes`, within the limits and rounded up to a power of two.
 * @param position where both positions start
 */
export function allocateRing(bytes: number, position = 0): SharedArrayBuffer {
  const wanted = Math.min(Math.max(bytes, limits.ring_bytes_min), limits.ring_bytes_max);
  const capacity = 2 ** Math.ceil(Math.log2(wanted));
  const memory = new SharedArrayBuffer(CONTROL_BYTES + capacity + FRAME_BYTES_MAX);
  const { words } = new Control(memory);
  words[Word.head] = position;
  words[Word.tail] = position;
  words[Word.sampling] = SHARE_UNIT;
  return memory;
}

const capacityOf = (memory: SharedArrayBuffer): number => memory.byteLength - CONTROL_BYTES - FRAME_BYTES_MAX;

/** The application's end: a {@link Sink} whose writer writes straight into the ring. */
export class RingProducer implements Sink {
  readonly #control: Control;
  readonly #capacity: number;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #writer: Writer;
  readonly #scopes = new ScopeDefinitions();
  readonly #onScope: () => void;
  /** Whether the definition of a scope lies in the ring, by its number. */
  readonly #defined: boolean[] = [];
  /** Bytes that what is not vital may fill. */
  readonly #ordinaryMax: number;
  /** Bytes up to which nobody asks how full it is. */
  readonly #roomyMax: number;
  #head: number;
  #origin: number;
  /** The tail as it was seen last: never ahead of the real one. */
  #tail: number;
  #closed = false;
  /** The open frame: its place, what it is, and whether only the limit of one frame bounds it. */
  #place = 0;
  #signal: Signal = 1;
  #label = 0;
  #roomy = false;

  /** @param onScope called when a scope's first frame is about to follow */
  constructor(memory: SharedArrayBuffer, anchorUnixNanos: bigint, onScope: () => void = () => {}) {
    this.#onScope = onScope;
    this.#control = new Control(memory);
    this.#capacity = capacityOf(memory);
    this.#ordinaryMax = this.#capacity * (1 - VITAL_SHARE);
    this.#roomyMax = this.#capacity * RING_FROM;
    this.#bytes = new Uint8Array(memory, CONTROL_BYTES);
    this.#words = new Int32Array(memory, CONTROL_BYTES, this.#bytes.length >> 2);
    this.#writer = new Writer(this.#bytes, anchorUnixNanos);
    this.#head = this.#control.words[Word.head]!;
    this.#origin = this.#control.words[Word.origin]!;
    this.#tail = this.#control.words[Word.tail]!;
  }

  scope(scope: ScopeRecord): number {
    return this.#scopes.number(scope);
  }

  /** Definitions of all scopes so far, by number: what a second consumer needs to know of frames already in the ring. */
  definitions(): readonly Uint8Array[] {
    return this.#scopes.all();
  }

  begin(kind: FrameKind, scope: number, vital: boolean): Writer | null {
    const signal = signalOf(kind);
    this.#signal = signal;
    if (this.#closed) {
      this.#control.count(SignalCounter.droppedClosed, signal, 1);
      return null;
    }
    const admitted = vital || this.#used() <= this.#ordinaryMax || this.#usedNow() <= this.#ordinaryMax;
    if (admitted && (this.#defined[scope] === true || this.#define(scope)) && this.#open()) {
      this.#label = (scope << 4) | kind;
      return this.#writer;
    }
    this.#control.count(SignalCounter.droppedFull, signal, 1);
    return null;
  }

  commit(items: number): boolean {
    if (this.#writer.overflowed) {
      const reason = this.#roomy ? SignalCounter.droppedTooLarge : SignalCounter.droppedFull;
      this.#control.count(reason, this.#signal, items);
      return false;
    }
    this.#publish(items);
    this.#control.count(SignalCounter.accepted, this.#signal, items);
    return true;
  }

  room(): number {
    const held = this.#hint(Word.held);
    const isRoomy = this.#used() <= this.#roomyMax;
    return held === 0 && isRoomy ? 1 : roomOf(held / SHARE_UNIT, isRoomy ? 0 : this.level());
  }

  samplingProbability(): number {
    return this.#hint(Word.sampling) / SHARE_UNIT;
  }

  /** As it was a moment ago: every span that begins asks, and an atomic load is a call. */
  #hint(word: number): number {
    return this.#control.words[word]!;
  }

  leaveOut(signal: Signal): void {
    this.#control.count(SignalCounter.leftOut, signal, 1);
  }

  /** Fill level, 0 to 1. */
  level(): number {
    return this.#usedNow() / this.#capacity;
  }

  /** From now on every frame is refused and counted. */
  close(): void {
    this.#closed = true;
  }

  #used(): number {
    return (this.#head - this.#tail) | 0;
  }

  #usedNow(): number {
    this.#tail = Atomics.load(this.#control.words, Word.tail);
    return this.#used();
  }

  /** Points the writer at the free bytes behind head; false when there are too few. */
  #open(): boolean {
    let place = (this.#head - this.#origin) & (this.#capacity - 1);
    if (place >= REWIND_FROM && this.#usedNow() === 0) {
      this.#rewind();
      place = 0;
    }
    const roomy = this.#isRoomy(place) || this.#isRoomyNow(place);
    const room = roomy ? FRAME_BYTES_MAX : this.#capacity - this.#used();
    if (room < FRAME_ROOM_MIN) return false;
    this.#place = place;
    this.#roomy = roomy;
    this.#writer.reset(this.#bytes, place + FRAME_HEAD_BYTES, place + room);
    return true;
  }

  #rewind(): void {
    this.#origin = this.#head;
    Atomics.store(this.#control.words, Word.origin, this.#origin);
  }

  /** Whether a frame of any size fits: up to the limit before the tail, or all of the lap and the overhang are free. */
  #isRoomy(place: number): boolean {
    const free = this.#capacity - this.#used();
    return free >= FRAME_BYTES_MAX || free >= this.#capacity - place;
  }

  #isRoomyNow(place: number): boolean {
    this.#tail = Atomics.load(this.#control.words, Word.tail);
    return this.#isRoomy(place);
  }

  #publish(items: number): void {
    const place = this.#place;
    const payload = this.#writer.pos - place - FRAME_HEAD_BYTES;
    const word = place >> 2;
    this.#words[word] = payload;
    this.#words[word + 1] = this.#label;
    this.#words[word + 2] = items;
    this.#head = (this.#head + advance(place, FRAME_HEAD_BYTES + payload, this.#capacity)) | 0;
    const { words } = this.#control;
    Atomics.store(words, Word.head, this.#head);
    const consumer = Atomics.load(words, Word.consumer);
    if (consumer === ConsumerState.asleep) this.#control.wakeConsumer();
    else if (consumer === ConsumerState.lingering && this.#isFilling()) this.#control.wakeConsumer();
  }

  /** Whether a quarter of the ring waits: reason to end a linger early. */
  #isFilling(): boolean {
    const quarter = this.#capacity / 4;
    return this.#used() > quarter && this.level() > 0.25;
  }

  /** Puts the definition of a scope into the ring; tried again before the scope's next frame when there is no room. */
  #define(scope: number): boolean {
    if (!this.#open()) return false;
    this.#label = (scope << 4) | SCOPE_DEFINITION;
    this.#writer.raw(this.#scopes.all()[scope]!);
    if (this.#writer.overflowed) return false;
    this.#publish(0);
    this.#defined[scope] = true;
    this.#onScope();
    return true;
  }
}

/** The transport thread's end. `while (ring.next()) use(ring.bytes, ring.start, ring.end); ring.release()`. */
export class RingConsumer {
  /**
   * The ring's memory; `[start, end)` is the payload of the current frame, valid until {@link release}. A `Buffer`, whose
   * `copy` makes no view: that is half the time of `set(subarray(…))`.
   */
  readonly bytes: Buffer;
  start = 0;
  end = 0;
  /** Undefined for the definition of a scope. */
  kind: FrameKind | undefined;
  scope = 0;
  items = 0;
  readonly #control: Control;
  readonly #words: Int32Array;
  readonly #capacity: number;
  #position: number;
  /** The head as it was seen last: never ahead of the real one. */
  #head: number;
  /** That of all frames before that head. */
  #origin = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Control(memory);
    this.#capacity = capacityOf(memory);
    this.bytes = Buffer.from(memory, CONTROL_BYTES);
    this.#words = new Int32Array(memory, CONTROL_BYTES, this.bytes.length >> 2);
    this.#position = this.#control.words[Word.tail]!;
    this.#head = this.#position;
  }

  /** Free-running position of the frame that {@link next} would step to. */
  get position(): number {
    return this.#position;
  }

  /** Position behind everything published so far. */
  get head(): number {
    return Atomics.load(this.#control.words, Word.head);
  }

  isEmpty(): boolean {
    return this.head === this.#position;
  }

  /** Steps to the next frame; false when there is none. */
  next(): boolean {
    if (this.#position === this.#head) {
      this.#head = this.head;
      if (this.#position === this.#head) return false;
      this.#origin = Atomics.load(this.#control.words, Word.origin);
    }
    const place = (this.#position - this.#origin) & (this.#capacity - 1);
    const word = place >> 2;
    const payload = this.#words[word]!;
    const label = this.#words[word + 1]!;
    this.items = this.#words[word + 2]!;
    this.kind = (label & 15) === SCOPE_DEFINITION ? undefined : ((label & 15) as FrameKind);
    this.scope = label >>> 4;
    this.start = place + FRAME_HEAD_BYTES;
    this.end = this.start + payload;
    this.#position = (this.#position + advance(place, FRAME_HEAD_BYTES + payload, this.#capacity)) | 0;
    return true;
  }

  /** Gives the bytes of all frames stepped over back to the producer. */
  release(): void {
    Atomics.store(this.#control.words, Word.tail, this.#position);
  }
}
