// What a case is: one kind of input out of the list, over one way in, and what must be answered.
import type { Target } from './target.ts';

/** Ways into the collector. */
export type Way = 'grpc' | 'protobuf' | 'json' | 'stream';

/** What a receiver says, whatever its protocol calls it. */
export type Answer = 'taken' | 'malformed' | 'too large' | 'unsupported' | 'undecodable';

/** What there has to be a case of. */
export const caseItems = [
  ...['every field in every wrong wire type', 'groups', 'wire types 6 and 7', 'field 0'],
  ...[
    'varints of 11 bytes and more',
    'negative and 2 GB lengths',
    'truncation at each byte',
    'nested values',
  ],
  ...[
    'text that is no UTF-8',
    'singular fields that come twice',
    'unknown fields',
    'NaN',
    'IDs of a wrong length',
  ],
  ...['64-bit numbers as strings', 'enum names', 'deep arrays', 'duplicate keys'],
  ...['compression that is right', 'gzip bombs', 'zstd bombs', 'truncated compression', 'wrong encoding'],
  ...['trailing junk', 'sizes that lie', 'brotli'],
  ...['__proto__ as a header', 'unparsable URLs', 'slow-loris', 'too many streams', 'rapid reset'],
  ...['CONTINUATION flood', 'SETTINGS flood', 'PING flood', 'empty-frame flood'],
] as const;

export type CaseItem = (typeof caseItems)[number];

export interface InputCase {
  readonly item: CaseItem;
  /** How it comes in, and what is particular about it. */
  readonly name: string;
  /** Takes seconds by itself: for whole runs only. */
  readonly slow?: true;
  /**
   * Resolves with the number of inputs.
   * @param percent how many of them to send, where there are many of a kind
   * @throws WrongAnswer
   */
  run(target: Target, percent: number): Promise<number>;
}

/** What is sent on the smallest budget. */
const LEAST = 12;

/** So many percent of all, spread evenly. */
export function thinned<T>(all: readonly T[], percent: number): readonly T[] {
  const count = Math.min(all.length, Math.max(LEAST, Math.ceil((all.length * percent) / 100)));
  return Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)]!);
}
