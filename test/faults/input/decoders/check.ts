// The structural check: a count of items, or a WireError whose place lies within the request.
import { checkRequest, WireError } from 'tricord/otlp';
import { type Decoder, holds } from '../decoder.ts';
import { bodyOf, ofRequests, signalOf } from '../requests.ts';

export const decoder: Decoder = {
  ...ofRequests,
  read(input) {
    const bytes = bodyOf(input);
    try {
      const items = checkRequest(signalOf(input), bytes);
      holds(Number.isInteger(items) && items >= 0 && items <= bytes.length, `${items} items`);
      return 'read';
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      holds(
        error.offset >= -1 && error.offset <= bytes.length,
        `a fault at ${error.offset} of ${bytes.length}`,
      );
      return 'refused';
    }
  },
};
