// The messages of `ring`, and what its two threads tell each other beside them.

/*
 *   message = sequence (int32) │ written at (int32, tenths of a microsecond) │ filling │ sum of the words before (int32)
 */
export const MESSAGE_WORDS = 32;

/** A message that is filled again and again. */
export class Message {
  readonly bytes: Uint8Array = new Uint8Array(MESSAGE_WORDS * 4);
  readonly #words: Int32Array = new Int32Array(this.bytes.buffer);
  readonly #fillingSum: number;

  constructor() {
    for (let i = 2; i < MESSAGE_WORDS - 1; i++) this.#words[i] = i * 0x01010101;
    this.#fillingSum = this.#words.reduce((sum, word) => (sum + word) | 0, 0);
  }

  fill(sequence: number, tenths: number): void {
    this.#words[0] = sequence;
    this.#words[1] = tenths;
    this.#words[MESSAGE_WORDS - 1] = this.#fillingSum + sequence + tenths;
  }
}

export interface ConsumerOrder {
  /** The ring; without it messages come by postMessage. */
  readonly memory: SharedArrayBuffer | undefined;
  /** Whether messages carry the time when they were written. */
  readonly timed: boolean;
  /** Messages before the measurement begins, and in it. */
  readonly warmUp: number;
  readonly count: number;
  /** Of the times in the messages; see `tenthsSince`. */
  readonly originNanos: bigint;
  /** After so many posted messages, one is sent back. */
  readonly acknowledgeEvery: number;
}

export interface ConsumerReport {
  /** Messages that came in the measurement, in order and unharmed. */
  readonly received: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** Garbage collections of the thread while messages passed. */
  readonly collections: number;
  /** When the last message had been read; tenths of a microsecond since the origin. */
  readonly endedTenths: number;
}
