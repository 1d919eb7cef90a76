// What a thread that fuzzes is told, what it finds, and the memory through which it is watched from outside.
import type { Command } from '../scenario.ts';
import { INPUT_BYTES_MAX } from './mutator.ts';

export type FindingKind = 'crashed' | 'hung' | 'grew' | 'wrong' | 'refused';

export interface Finding {
  readonly kind: FindingKind;
  /** The execution: the same seed comes to the same input there. */
  readonly point: number;
  readonly message: string;
}

export interface FuzzTask {
  readonly decoder: string;
  readonly command: Command;
  readonly runMs: number;
  /** How many executions there are at least, however long they take. */
  readonly least: number;
  readonly board: SharedArrayBuffer;
}

export interface FuzzOutcome {
  readonly executions: number;
  /** Inputs that were taken. */
  readonly read: number;
  /** Inputs that reached something new, and were changed further. */
  readonly corpus: number;
  readonly blocks: number;
  readonly knownBlocks: number;
  /** The longest that an input took, in milliseconds. */
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
}

/** 100 ms for each KiB, and never less than what a busy machine may take from a thread. */
export const limitMsOf = (input: Uint8Array): number => Math.max(500, 100 * Math.ceil(input.length / 1024));

export const growthBytesOf = (input: Uint8Array): number => 4 * 2 ** 20 + 256 * input.length;

const HEX_BYTES_MAX = 200;

export function shown(input: Uint8Array): string {
  const hex = Buffer.from(input.subarray(0, HEX_BYTES_MAX)).toString('hex');
  return `${input.length} bytes: ${hex}${input.length > HEX_BYTES_MAX ? '…' : ''}`;
}

/*
 *   | turn | point | length | input … |
 *
 * `turn` grows when an execution begins and when it ends; while it is odd, the input is being read. So a thread that never
 * comes back is seen from outside, with what it is reading.
 */
const HEAD_BYTES = 12;

export class Board {
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + INPUT_BYTES_MAX);
  }

  readonly #words: Int32Array;
  readonly #input: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, 3);
    this.#input = new Uint8Array(memory, HEAD_BYTES);
  }

  begin(point: number, input: Uint8Array): void {
    this.#words[1] = point;
    this.#words[2] = Math.min(input.length, INPUT_BYTES_MAX);
    this.#input.set(input.subarray(0, INPUT_BYTES_MAX));
    Atomics.add(this.#words, 0, 1);
  }

  end(): void {
    Atomics.add(this.#words, 0, 1);
  }

  get turn(): number {
    return Atomics.load(this.#words, 0);
  }

  get point(): number {
    return this.#words[1]!;
  }

  get input(): Uint8Array {
    return this.#input.slice(0, this.#words[2]);
  }
}
