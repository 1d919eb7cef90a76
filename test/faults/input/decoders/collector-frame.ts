// What the agent reads of a stream: acknowledgements, credit, rejections, directives, the same again when they are written and read.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeCollectorMessage, encodeCollectorMessage, WireError } from 'tricord/otlp';
import { type Decoder, holds, unlessRefused } from '../decoder.ts';
import { requestWords } from '../requests.ts';

const sequence = fc.maxSafeNat();
const rejected = fc.record({ sequence, reason: fc.string() });

export const decoder: Decoder = {
  seeds: [
    { ackedSequence: 7, creditLimit: 2 ** 40 },
    {
      rejected: [{ sequence: 3, reason: 'field number 0' }],
      sampling: { probability: 0.25, validMs: 60_000 },
    },
  ].map(encodeCollectorMessage),
  words: requestWords,
  inputs: fc
    .record({
      ackedSequence: fc.option(sequence, { nil: undefined }),
      creditLimit: fc.option(sequence, { nil: undefined }),
      rejected: fc.array(rejected, { maxLength: 3 }),
      sampling: fc.option(fc.record({ probability: fc.double(), validMs: fc.nat() }), { nil: undefined }),
    })
    .map(encodeCollectorMessage),
  read(input) {
    const message = unlessRefused(WireError, () => decodeCollectorMessage(input));
    if (message === undefined) return 'refused';
    const { ackedSequence = 0, creditLimit = 0, rejected: reasons = [] } = message;
    for (const value of [ackedSequence, creditLimit, ...reasons.map(each => each.sequence)])
      holds(Number.isSafeInteger(value) && value >= 0, `a number of ${value}`);
    const again = decodeCollectorMessage(encodeCollectorMessage(message));
    holds(isDeepStrictEqual(again, message), 'another message the second time');
    return 'read';
  },
};
