// Protobuf by hand, for tests: an encoder that shares nothing with the codec under test.
export type Part = Uint8Array | readonly number[] | string;

/** The parts, one after the other; strings as UTF-8. */
export const bytes = (...parts: Part[]): Uint8Array =>
  Uint8Array.from(parts.flatMap(part => [...(typeof part === 'string' ? Buffer.from(part) : part)]));

/** A varint; with `padding`, as many bytes longer than it need be. */
export function varint(value: number | bigint, padding = 0): number[] {
  const groups: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    groups.push(Number(rest & 0x7fn));
    rest >>= 7n;
  } while (rest > 0n);
  for (let i = 0; i < padding; i++) groups.push(0);
  return groups.map((group, i) => (i < groups.length - 1 ? group | 0x80 : group));
}

export const tag = (field: number, wireType: number): number[] => varint(field * 8 + wireType);

export const int = (field: number, value: number | bigint): Uint8Array => bytes(tag(field, 0), varint(value));

export function fixed64(field: number, value: bigint): Uint8Array {
  const word = Buffer.alloc(8);
  word.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes(tag(field, 1), word);
}

export function double(field: number, value: number): Uint8Array {
  const word = Buffer.alloc(8);
  word.writeDoubleLE(value);
  return bytes(tag(field, 1), word);
}

export function fixed32(field: number, value: number): Uint8Array {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(value);
  return bytes(tag(field, 5), word);
}

/** A length-delimited field: string, bytes, message or packed. */
export function len(field: number, ...parts: Part[]): Uint8Array {
  const content = bytes(...parts);
  return bytes(tag(field, 2), varint(content.length), content);
}

export const traceId = (field: number): Uint8Array => len(field, new Uint8Array(16).fill(1));
export const spanId = (field: number): Uint8Array => len(field, new Uint8Array(8).fill(2));

/** The two IDs without which a span is none. */
export const ids: Uint8Array = bytes(traceId(1), spanId(2));

/** A request of one resource and one scope that holds these items (`spans`, `log_records`, `metrics`). */
export const request = (...items: Uint8Array[]): Uint8Array =>
  len(1, len(2, ...items.map(item => len(2, item))));

/** A `KeyValue` whose AnyValue consists of these fields. */
export const attribute = (field: number, key: string, ...value: Uint8Array[]): Uint8Array =>
  len(field, len(1, key), len(2, ...value));
