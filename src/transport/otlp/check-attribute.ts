// The check of an attribute in the form that nearly all have, in one go: a key, and one scalar value.
import type { Reader } from './reader.ts';
import { tagsOf } from './schema.ts';
import { isUtf8 } from './utf8.ts';

const KEY = tagsOf('KeyValue').key;
const VALUE = tagsOf('KeyValue').value;
const { string_value: STRING, bool_value: BOOL, int_value: INT, double_value: DOUBLE } = tagsOf('AnyValue');

/*
 *   | KEY | length | key … | VALUE | length | STRING | length | characters … |
 *                                           | BOOL, INT | varint |
 *                                           | DOUBLE | eight bytes |
 *   pos                                                                      end
 */

/**
 * True when `[pos, end)` is just that, with lengths of one byte, and well-formed: most of the fields of a request lie in such
 * messages. False says nothing: the walk looks then, which knows every other form and names the fault.
 */
export function isPlainAttribute({ bytes, data }: Reader, pos: number, end: number): boolean {
  if (end - pos < 6 || bytes[pos] !== KEY) return false;
  const key = pos + 2;
  const keyEnd = key + bytes[pos + 1]!;
  const value = keyEnd + 2;
  if (keyEnd - key > 0x7f || value + 2 > end) return false;
  if (bytes[keyEnd] !== VALUE || bytes[keyEnd + 1] !== end - value || end - value > 0x7f) return false;
  return isUtf8(bytes, data, key, keyEnd) && isScalar(bytes, data, value, end);
}

function isScalar(bytes: Uint8Array, data: DataView, pos: number, end: number): boolean {
  switch (bytes[pos]) {
    case STRING:
      return bytes[pos + 1] === end - pos - 2 && isUtf8(bytes, data, pos + 2, end);
    case BOOL:
    case INT:
      return isVarint(bytes, pos + 1, end);
    case DOUBLE:
      return end - pos === 9;
    default:
      return false;
  }
}

/** Whether a varint ends with the stretch, which is shorter than one that could exceed 64 bits. */
function isVarint(bytes: Uint8Array, pos: number, end: number): boolean {
  const last = end - 1;
  if (last - pos > 8 || bytes[last]! > 0x7f) return false;
  for (let at = pos; at < last; at++) if (bytes[at]! < 0x80) return false;
  return true;
}
