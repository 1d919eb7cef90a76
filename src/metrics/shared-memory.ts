// Slots of a stream that the thread which measures writes, and the main thread reads.
import type { CleanValue } from '../context/attributes.ts';
import type { Clock } from '../context/clock.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import { seriesKey } from './series-key.ts';
import type { SlotMemory } from './slots.ts';
import { type StreamNews, tell } from './thread-news.ts';

const READS_MAX = 1000;

/**
 *     │ slots of series 0 │ slots of series 1 │ … │ version 0 │ version 1 │ …
 *       float64 × width                             int32
 *
 * Invariant: only one thread writes slots. The version of a series is odd while its slots are being written, and is another
 * one whenever they have been; 0: never yet. So a reader that finds the same even version before and behind has read the slots
 * of one moment, and nobody waits for anybody.
 */
export class SharedSlots {
  readonly memory: SharedArrayBuffer;
  /** Of all series that there is room for. */
  readonly slots: Float64Array;
  readonly versions: Int32Array;
  readonly #width: number;

  constructor(memory: SharedArrayBuffer, width: number) {
    const capacity = memory.byteLength / bytesOf(width);
    this.memory = memory;
    this.#width = width;
    this.slots = new Float64Array(memory, 0, capacity * width);
    this.versions = new Int32Array(memory, capacity * width * Float64Array.BYTES_PER_ELEMENT, capacity);
  }

  static allocate(series: number, width: number): SharedSlots {
    return new SharedSlots(new SharedArrayBuffer(series * bytesOf(width)), width);
  }

  /**
   * Copies the slots of a series, and returns their version; undefined when they were being written all the time.
   *
   * @param isOver whether nobody writes any more: then they are copied as they are
   */
  read(series: number, target: Float64Array, isOver: boolean): number | undefined {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const version = Atomics.load(this.versions, series);
      this.#copy(series, target);
      // An addition, as a load would let the reads before it come after it.
      const isSame = Atomics.add(this.versions, series, 0) === version;
      if (isOver || (isSame && version % 2 === 0)) return version;
    }
    return undefined;
  }

  #copy(series: number, target: Float64Array): void {
    const first = series * this.#width;
    for (let i = 0; i < this.#width; i++) target[i] = this.slots[first + i]!;
  }
}

/** As much for the version as for a slot, for the sake of alignment. */
const bytesOf = (width: number): number => (width + 1) * Float64Array.BYTES_PER_ELEMENT;

/** How a stream presents itself to the main thread. */
export type StreamPresence = Omit<StreamNews, 'kind' | 'stream' | 'width'>;

let streams = 0;

/** The memory of one stream of this thread. The main thread is told of it as soon as there is a series, and of every series. */
export class SharedMemory implements SlotMemory {
  /** Of each series; see {@link SharedSlots}. */
  versions: Int32Array = new Int32Array(0);
  readonly #presence: StreamPresence;
  readonly #clock: Clock;
  #width = 0;
  #stream = '';
  #untold: SharedArrayBuffer | undefined;

  constructor(presence: StreamPresence, clock: Clock) {
    this.#presence = presence;
    this.#clock = clock;
  }

  /** What the main thread calls the stream; empty while it has no series. */
  get stream(): string {
    return this.#stream;
  }

  grown(slots: Float64Array, size: number, width: number): Float64Array {
    this.#width = width;
    const shared = SharedSlots.allocate(Math.max(size, slots.length * 2) / width, width);
    shared.slots.set(slots);
    shared.versions.set(this.versions);
    this.versions = shared.versions;
    this.#untold = shared.memory;
    return shared.slots;
  }

  begins(attributes: AttributeList): void {
    if (this.#stream === '') {
      this.#stream = `${this.#presence.thread}/${streams++}`;
      tell({ kind: 'stream', stream: this.#stream, width: this.#width, ...this.#presence });
    }
    if (this.#untold !== undefined) tell({ kind: 'memory', stream: this.#stream, memory: this.#untold });
    this.#untold = undefined;
    const name = seriesKey(attributes.keys, attributes.values as CleanValue[]);
    const startUnixMs = this.#clock.toUnixMillis(this.#clock.now());
    tell({ kind: 'series', stream: this.#stream, name, attributes, startUnixMs });
  }

  /** Leaves to the main thread what there is; what begins next does so in another stream. */
  renew(): void {
    if (this.#stream !== '') tell({ kind: 'closed', stream: this.#stream });
    this.#stream = '';
    this.versions = new Int32Array(0);
  }
}
