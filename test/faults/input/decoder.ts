// What a decoder is to the fuzzer: good inputs to begin with, and a reading that says whether the input was taken.
import type fc from 'fast-check';
import type { Random } from '../../collector/queue/memory-disk.ts';

export type Verdict = 'read' | 'refused';

export interface Decoder {
  /** Inputs that are read, whatever came before them. */
  readonly seeds: readonly Uint8Array[];
  /** Byte sequences that mean something to it. */
  readonly words: readonly Uint8Array[];
  /** Any input of its kind, not all of them good. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** A change that keeps more of the form than changes of bytes do; undefined when it finds no form. */
  reform?(input: Uint8Array, random: Random): Uint8Array | undefined;
  /**
   * Reads the input in every way that must agree.
   * @throws WrongAnswer; anything else that is thrown is a crash, so the declared error is caught here
   */
  read(input: Uint8Array): Verdict | Promise<Verdict>;
}

/** Two readers do not agree, or one says what cannot be. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';
}

/** @throws WrongAnswer */
export function holds(condition: boolean, message: string): asserts condition {
  if (!condition) throw new WrongAnswer(message);
}

/** The result, or undefined when it is refused with the declared error. */
export function unlessRefused<T>(declared: new (...args: never[]) => Error, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof declared) return undefined;
    throw error;
  }
}

/** Inputs whose first byte chooses: `choice`, then the bytes. */
export function chosen(choice: number, bytes: Uint8Array | string): Uint8Array {
  return Buffer.concat([Uint8Array.of(choice), Buffer.from(bytes as Uint8Array)]);
}

export function bytesOf(...texts: readonly string[]): Uint8Array[] {
  return texts.map(text => Buffer.from(text));
}
