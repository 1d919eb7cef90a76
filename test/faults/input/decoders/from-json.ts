// OTLP/JSON to protobuf, beside JSON.parse: what is taken is JSON, and becomes protobuf that can be read.
import { requestFromJson, toJson, WireError } from 'tricord/otlp';
import { bytesOf, chosen, type Decoder, holds, unlessRefused } from '../decoder.ts';
import { bodyOf, goodRequests, requestSeeds, signalOf } from '../requests.ts';

const BYTES_MAX = 64 * 1024;

const jsonOf = (input: Uint8Array): Uint8Array => chosen(input[0]!, toJson(signalOf(input), bodyOf(input)));

export const decoder: Decoder = {
  seeds: requestSeeds.map(jsonOf),
  words: [
    ...bytesOf(
      '"',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '\\',
      '\\u0000',
      '\\ud800',
      'null',
      'true',
      'false',
      '1e999',
      '-0',
    ),
    ...bytesOf(
      '"NaN"',
      '"18446744073709551616"',
      '-9223372036854775808',
      '9007199254740993',
      '"__proto__":1,',
    ),
    ...bytesOf(
      '"name":null,',
      '"explicitBounds":[1],',
      '"kind":"SPAN_KIND_SERVER",',
      '"arrayValue":{"values":[',
    ),
  ],
  inputs: goodRequests.map(jsonOf),
  read(input) {
    const text = bodyOf(input);
    const bytes = unlessRefused(WireError, () => requestFromJson(signalOf(input), text, BYTES_MAX));
    if (bytes === undefined) return 'refused';
    JSON.parse(Buffer.from(text).toString());
    holds(bytes.length <= BYTES_MAX, `${bytes.length} bytes of ${BYTES_MAX}`);
    toJson(signalOf(input), bytes);
    return 'read';
  },
};
