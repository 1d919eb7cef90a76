// Numbers of OTLP/JSON: plain, in strings, and the three that JSON has no word for.

/** The grammar of RFC 8259. */
export const JSON_NUMBER: RegExp = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** 64-bit integers have at most 20 characters; more never reach BigInt, whose cost grows with the square. */
const INTEGER = /^-?\d{1,20}$/;

type Range = readonly [min: bigint, max: bigint];

export const UINT32: Range = [0n, 2n ** 32n - 1n];
export const SINT32: Range = [-(2n ** 31n), 2n ** 31n - 1n];
export const UINT64: Range = [0n, 2n ** 64n - 1n];
export const INT64: Range = [-(2n ** 63n), 2n ** 63n - 1n];

const NAMED = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** The integer that `text` says, `1e3` and `5.0` included; undefined when it is none or out of range. */
export function parseInteger(text: string, [min, max]: Range): bigint | undefined {
  let value: bigint;
  if (INTEGER.test(text)) value = BigInt(text);
  else {
    const number = JSON_NUMBER.test(text) ? Number(text) : Number.NaN;
    if (!Number.isInteger(number)) return undefined;
    value = BigInt(number);
  }
  return value >= min && value <= max ? value : undefined;
}

/** The double that `text` says; undefined when it says none. */
export function parseDouble(text: string): number | undefined {
  return JSON_NUMBER.test(text) ? Number(text) : NAMED.get(text);
}

/** A double as OTLP/JSON writes it. */
export function printDouble(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
