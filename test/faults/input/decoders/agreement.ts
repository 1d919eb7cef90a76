// What passes the check is read by all alike: the decoders, and JSON in both directions.
import { isDeepStrictEqual } from 'node:util';
import { checkRequest, requestFromJson, type Signal, toJson, WireError } from 'tricord/otlp';
import { type Decoder, holds, unlessRefused, WrongAnswer } from '../decoder.ts';
import { bodyOf, decodeAll, ofRequests, signalOf } from '../requests.ts';

export const decoder: Decoder = {
  ...ofRequests,
  read(input) {
    const [signal, bytes] = [signalOf(input), bodyOf(input)];
    const items = unlessRefused(WireError, () => checkRequest(signal, bytes));
    if (items === undefined) return 'refused';
    const decoded = agreed('the decoder', () => decodeAll(signal, bytes));
    holds(decoded.items === items, `${items} items for the check, ${decoded.items} for the decoder`);
    const json = agreed('the writer of JSON', () => toJson(signal, bytes));
    const again = agreed('the reader of JSON', () => requestFromJson(signal, json));
    const after = agreed('the check, after JSON', () => checkRequest(signal, again));
    holds(after === items, `${items} items for the check, ${after} after JSON`);
    holds(toJson(signal, again) === json, 'another JSON after a round through JSON');
    holds(isDeepStrictEqual(contents(signal, again), contents(signal, bytes)), 'other contents after JSON');
    return 'read';
  },
};

function agreed<T>(who: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof WireError)
      throw new WrongAnswer(`${who} refuses what the check took: ${error.message}`);
    throw error;
  }
}

/** What the decoders say, but for the bytes of whole messages, which unknown fields are a part of. JSON has no -0. */
function contents(signal: Signal, bytes: Uint8Array): unknown {
  return plain(decodeAll(signal, bytes).all);
}

function plain(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).flatMap(([key, inner]) => (key === 'bytes' ? [] : [[key, plain(inner)]]));
}
