// Changes bytes by chance: bits, numbers that are at a border, words that mean something, parts of other inputs.
import type { Random } from '../../collector/queue/memory-disk.ts';

export const INPUT_BYTES_MAX = 16 * 1024;
const CHANGES_MAX = 6;
const PART_BYTES_MAX = 64;

const numbers: readonly Uint8Array[] = [
  ...[0, 1, 0x7f, 0x80, 0xff].map(byte => Uint8Array.of(byte)),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x07),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
  Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10),
  Uint8Array.of(...Array<number>(9).fill(0xff), 1),
  Uint8Array.of(...Array<number>(10).fill(0x80), 0),
  Uint8Array.of(0, 0, 0, 0x80),
  Uint8Array.of(0x7f, 0xff, 0xff, 0xff),
];

type Change = (
  input: Uint8Array,
  random: Random,
  words: readonly Uint8Array[],
  other: Uint8Array,
) => Uint8Array;

const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1));
const pick = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;

function replaced(input: Uint8Array, start: number, end: number, by: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, start), by, input.subarray(end)]);
}

function part(input: Uint8Array, random: Random): [start: number, end: number] {
  const start = upTo(random, input.length);
  return [start, Math.min(input.length, start + 1 + upTo(random, PART_BYTES_MAX))];
}

const changes: readonly Change[] = [
  (input, random) => withByte(input, random, byte => byte ^ (1 << upTo(random, 7))),
  (input, random) => withByte(input, random, () => upTo(random, 255)),
  (input, random) => withByte(input, random, byte => byte + (random() < 0.5 ? 1 : -1)),
  (input, random) => {
    const [start, end] = part(input, random);
    return replaced(input, start, end, new Uint8Array(0));
  },
  (input, random) => {
    const [start, end] = part(input, random);
    return replaced(input, start, start, input.subarray(start, end));
  },
  (input, random) => input.subarray(0, upTo(random, input.length)),
  (input, random, words) => inserted(input, random, pick(random, words)),
  (input, random, words) => overwritten(input, random, pick(random, words)),
  (input, random) => inserted(input, random, pick(random, numbers)),
  (input, random) => overwritten(input, random, pick(random, numbers)),
  (input, random) =>
    inserted(
      input,
      random,
      Uint8Array.from({ length: 1 + upTo(random, 8) }, () => upTo(random, 255)),
    ),
  (input, random, _, other) =>
    Buffer.concat([
      input.subarray(0, upTo(random, input.length)),
      other.subarray(upTo(random, other.length)),
    ]),
  (input, random, _, other) => inserted(input, random, other.subarray(...part(other, random))),
];

function withByte(input: Uint8Array, random: Random, byteOf: (byte: number) => number): Uint8Array {
  if (input.length === 0) return input;
  const at = upTo(random, input.length - 1);
  return input.with(at, byteOf(input[at]!) & 0xff);
}

function inserted(input: Uint8Array, random: Random, bytes: Uint8Array): Uint8Array {
  const at = upTo(random, input.length);
  return replaced(input, at, at, bytes);
}

function overwritten(input: Uint8Array, random: Random, bytes: Uint8Array): Uint8Array {
  const at = upTo(random, input.length);
  return replaced(input, at, Math.min(input.length, at + bytes.length), bytes);
}

/** The input with one to six changes. `other` lends parts of itself. */
export function mutated(
  input: Uint8Array,
  random: Random,
  words: readonly Uint8Array[],
  other: Uint8Array,
): Uint8Array {
  let bytes = input;
  for (let left = 1 + upTo(random, CHANGES_MAX - 1); left > 0; left--)
    bytes = pick(random, changes)(bytes, random, words, other);
  return bytes.slice(0, INPUT_BYTES_MAX);
}
