// Protobuf to JSON on bytes that nobody has checked: what comes out is JSON.
import { toJson, WireError } from 'tricord/otlp';
import { type Decoder, holds, unlessRefused } from '../decoder.ts';
import { bodyOf, ofRequests, signalOf } from '../requests.ts';

export const decoder: Decoder = {
  ...ofRequests,
  read(input) {
    const json = unlessRefused(WireError, () => toJson(signalOf(input), bodyOf(input)));
    if (json === undefined) return 'refused';
    holds(typeof JSON.parse(json) === 'object', 'JSON of something else');
    return 'read';
  },
};
