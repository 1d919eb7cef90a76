// Attributes and the values in them, decoded.
import { type Reader, WireError } from './reader.ts';
import { ANY_VALUE_DEPTH_MAX, tagsOf } from './schema.ts';
import type { AnyValue } from './value.ts';

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

const keyValueTag = tagsOf('KeyValue');
const anyValueTag = tagsOf('AnyValue');
const arrayTag = tagsOf('ArrayValue');
const listTag = tagsOf('KeyValueList');

/** No bytes: an ID that is not there. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Reads one `KeyValue`. An empty AnyValue and an absent one are `undefined`. */
export function decodeKeyValue(reader: Reader, depth = 0): KeyValue {
  let key = '';
  let value: AnyValue;
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === keyValueTag.key) key = reader.string();
    else if (tag === keyValueTag.value) value = decodeAnyValue(reader, depth, value);
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { key, value };
}

/**
 * Reads one `AnyValue` as what {@link AnyValue} stands for: integers become numbers where they are safe and bigints
 * beyond, key-value lists become objects without a prototype (`__proto__` is a key like any other; of equal keys the last
 * one counts). Bytes are views. A value that comes in parts continues `before`, as protobuf merges.
 */
export function decodeAnyValue(reader: Reader, depth = 0, before?: AnyValue): AnyValue {
  if (depth >= ANY_VALUE_DEPTH_MAX)
    throw new WireError(`more than ${ANY_VALUE_DEPTH_MAX} nested values`, reader.pos);
  let value = before;
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === anyValueTag.string_value) value = reader.string();
    else if (tag === anyValueTag.int_value) value = reader.int64();
    else if (tag === anyValueTag.bool_value) value = reader.varint() !== 0;
    else if (tag === anyValueTag.double_value) value = reader.double();
    else if (tag === anyValueTag.array_value) value = decodeArray(reader, depth + 1, value);
    else if (tag === anyValueTag.kvlist_value) value = decodeList(reader, depth + 1, value);
    else if (tag === anyValueTag.bytes_value) value = reader.view();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return value;
}

function decodeArray(reader: Reader, depth: number, before: AnyValue): AnyValue[] {
  const values: AnyValue[] = Array.isArray(before) ? before : [];
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === arrayTag.values) values.push(decodeAnyValue(reader, depth));
    else reader.skip(tag);
  }
  reader.leave(outer);
  return values;
}

function decodeList(reader: Reader, depth: number, before: AnyValue): { [key: string]: AnyValue } {
  const entries: { [key: string]: AnyValue } = isList(before) ? before : Object.create(null);
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === listTag.values) {
      const { key, value } = decodeKeyValue(reader, depth);
      entries[key] = value;
    } else reader.skip(tag);
  }
  reader.leave(outer);
  return entries;
}

const isList = (value: AnyValue): value is { [key: string]: AnyValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
