// The decoders of the three signals on bytes that nobody has checked.
import { WireError } from 'tricord/otlp';
import { type Decoder, unlessRefused } from '../decoder.ts';
import { bodyOf, decodeAll, ofRequests, signalOf } from '../requests.ts';

export const decoder: Decoder = {
  ...ofRequests,
  read: input =>
    unlessRefused(WireError, () => decodeAll(signalOf(input), bodyOf(input))) === undefined
      ? 'refused'
      : 'read',
};
