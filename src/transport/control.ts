// The words and counters that the application thread and the transport thread share, at the front of the ring's memory.
import { Signal } from './otlp/record.ts';

/**
 * Indices of the shared 32-bit words. Each of the first three has a cache line of its own: the producer writes HEAD, the
 * consumer TAIL, and both look at CONSUMER with every frame.
 */
export const Word = {
  /** Free-running position behind the last published frame. Written by the producer. */
  head: 0,
  /** The position whose place is 0. Written by the producer, while nothing lies in the ring. */
  origin: 1,
  /** Free-running position of the first frame that is not released. Written by the consumer. */
  tail: 16,
  /** {@link ConsumerState}. The transport thread sleeps on it. */
  consumer: 32,
  /** Number of the flush asked for last. Written by the application thread. */
  flushAsked: 48,
  /** Number of the flush answered last. The application thread waits on it. */
  flushDone: 49,
  /** 1 when that flush delivered everything. */
  flushDelivered: 50,
  /** 1 while the transport thread holds anything that is not settled. Set before the frames' release, cleared after. */
  busy: 51,
  /** 1 while a collector answers. */
  connected: 52,
  /** Upper bound of the sampling probability that the collector asks for, in {@link SHARE_UNIT}. */
  sampling: 53,
  /** How full the transport thread is with batches that are not settled, in {@link SHARE_UNIT}. */
  held: 54,
  /** Where rings are offered to a transport thread that serves several: the ID of the thread that runs the loop; 0 for none. */
  owner: 55,
  /** How often the thread that fills the ring has put its metrics there because it was asked to. */
  collections: 56,
} as const;

/** In the word `owner`: no thread has this ID but the main thread, which runs nobody's loop. */
export const NOBODY = 0;

/** Shares of 0 to 1 as whole numbers. */
export const SHARE_UNIT = 1_000_000_000;

/** What the transport thread does, and so what the producer must do after publishing a frame. */
export const ConsumerState = {
  /** Runs, and looks at the ring again before it sleeps. */
  awake: 0,
  /** Waits for any frame. */
  asleep: 1,
  /** Knows that there are frames and lets them gather; woken only when the ring fills. */
  lingering: 2,
  /** Has no room for what it would drain; frames do not wake it. */
  blocked: 3,
} as const;

/** Counters by signal. One writer each, the application thread or the transport thread. All but one only grow. */
export const SignalCounter = {
  /** Items published in the ring. */
  accepted: 0,
  /** Items that found the ring full. */
  droppedFull: 1,
  /** Items of frames over the limit of one frame. */
  droppedTooLarge: 2,
  /** Items taken out of the ring. */
  drained: 3,
  /** Items that the collector acknowledged. */
  delivered: 4,
  /** Items that the collector refused for good. */
  rejected: 5,
  /** Items that a transport thread held when it died. */
  lost: 6,
  /** Items that came after the shutdown. */
  droppedClosed: 7,
  /** What was left out before it was made, for want of room. */
  leftOut: 8,
  /** Items that the transport thread holds: counted, each time, from what lies there. */
  held: 9,
} as const;

/** Counters of the transport thread as a whole. */
export const ThreadCounter = {
  batchesSent: 0,
  batchesResent: 1,
  bytesSent: 2,
  connections: 3,
  connectionFailures: 4,
  /** Messages of the collector that made no sense and were ignored, or ended the call. */
  nonsense: 5,
  /** Lines that became a body as they are, and values of lines that were cut. */
  malformedLines: 6,
  truncatedLines: 7,
  /** Bytes that may be sent on the stream before the collector gives more: noted, each time; NaN where there is no stream. */
  credit: 8,
} as const;

/** Upper bounds of the buckets that the durations of exports are counted in, in seconds. */
export const DURATION_BOUNDS_S: readonly number[] = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25],
  ...[0.5, 0.75, 1, 2.5, 5, 7.5, 10],
];

/** How long exports took that ended in the same way. */
export interface Durations {
  /** One more than the bounds, not accumulated. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** Outcomes of an export: whether the collector took all of it. */
export const Outcome = { success: 0, failure: 1 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

const SIGNALS: number = Object.keys(Signal).length;
const SIGNAL_COUNTERS: number = Object.keys(SignalCounter).length;
const THREAD_COUNTERS: number = Object.keys(ThreadCounter).length;
const COUNTERS_AT = 256;
/** Behind the counters: for each signal and outcome the buckets, then the sum. */
const DURATION_SLOTS: number = DURATION_BOUNDS_S.length + 2;
const DURATIONS_AT: number = SIGNAL_COUNTERS * SIGNALS + THREAD_COUNTERS;
const COUNTERS: number = DURATIONS_AT + SIGNALS * Object.keys(Outcome).length * DURATION_SLOTS;

/** Bytes in front of the ring, a multiple of the cache line. */
export const CONTROL_BYTES: number = COUNTERS_AT + Math.ceil((COUNTERS * 8) / 64) * 64;

/** Views of the shared words and counters. Counters are float64: exact to 2^53, and no allocation to add to one. */
export class Control {
  readonly words: Int32Array;
  readonly #counters: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, COUNTERS_AT / 4);
    this.#counters = new Float64Array(memory, COUNTERS_AT, COUNTERS);
  }

  count(counter: number, signal: Signal, items: number): void {
    this.#counters[counter * SIGNALS + signal - 1]! += items;
  }

  note(counter: number, signal: Signal, items: number): void {
    this.#counters[counter * SIGNALS + signal - 1] = items;
  }

  counted(counter: number, signal: Signal): number {
    return this.#counters[counter * SIGNALS + signal - 1]!;
  }

  countThread(counter: number, by = 1): void {
    this.#counters[SIGNAL_COUNTERS * SIGNALS + counter]! += by;
  }

  noteThread(counter: number, value: number): void {
    this.#counters[SIGNAL_COUNTERS * SIGNALS + counter] = value;
  }

  countedThread(counter: number): number {
    return this.#counters[SIGNAL_COUNTERS * SIGNALS + counter]!;
  }

  countDuration(signal: Signal, outcome: Outcome, seconds: number): void {
    const at = durationsAt(signal, outcome);
    const bucket = DURATION_BOUNDS_S.findIndex(bound => seconds <= bound);
    this.#counters[at + (bucket < 0 ? DURATION_BOUNDS_S.length : bucket)]! += 1;
    this.#counters[at + DURATION_SLOTS - 1]! += seconds;
  }

  durations(signal: Signal, outcome: Outcome): Durations {
    const at = durationsAt(signal, outcome);
    const sum = at + DURATION_SLOTS - 1;
    return { counts: [...this.#counters.subarray(at, sum)], sumSeconds: this.#counters[sum]! };
  }

  /** Wakes the transport thread, whatever it waits for. Safe from both threads. */
  wakeConsumer(): void {
    Atomics.store(this.words, Word.consumer, ConsumerState.awake);
    Atomics.notify(this.words, Word.consumer);
  }
}

const durationsAt = (signal: Signal, outcome: Outcome): number =>
  DURATIONS_AT + ((signal - 1) * Object.keys(Outcome).length + outcome) * DURATION_SLOTS;
