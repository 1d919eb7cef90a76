// The decoders of the three signals on bytes that nobody has checked.
import { WireError } from 'tricord/otlp';
import { type Decoder, unlessRefused } from '../decoder.ts';
import {
  bodyOf,
  decodeAll,
  reformRequest,
  requestInputs,
  requestSeeds,
  requestWords,
  signalOf,
} from '../requests.ts';

export const decoder: Decoder = {
  seeds: requestSeeds,
  words: requestWords,
  inputs: requestInputs,
  reform: reformRequest,
  read: input =>
    unlessRefused(WireError, () => decodeAll(signalOf(input), bodyOf(input))) === undefined
      ? 'refused'
      : 'read',
};
