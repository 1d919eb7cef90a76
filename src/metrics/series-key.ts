// The text that stands for an attribute set: equal for equal sets, different for different ones.
import type { CleanValue } from '../context/attributes.ts';

/**
 * An injective encoding of attributes that are sorted by key: every part carries its kind and length, so that no
 * separator inside a key or value can imitate another set.
 */
export function seriesKey(keys: readonly string[], values: readonly CleanValue[]): string {
  let result = '';
  for (let i = 0; i < keys.length; i++) result += sized('k', keys[i]!) + valueKey(values[i]);
  return result;
}

export function valueKey(value: CleanValue): string {
  switch (typeof value) {
    case 'string':
      return sized('s', value);
    case 'number':
      return sized('n', String(value));
    case 'boolean':
      return value ? 't' : 'f';
    case 'bigint':
      return sized('i', value.toString());
    case 'object':
      return value === null ? 'u' : structureKey(value);
    default:
      return 'u';
  }
}

function structureKey(value: Extract<CleanValue, object>): string {
  if (value instanceof Uint8Array) return sized('b', Buffer.from(value).toString('latin1'));
  if (Array.isArray(value)) {
    return sized('a', (value as readonly CleanValue[]).map(valueKey).join(''));
  }
  const entries = value as { readonly [key: string]: CleanValue };
  const keys = Object.keys(entries).sort();
  const values = keys.map(key => entries[key]);
  return sized('m', seriesKey(keys, values));
}

const sized = (kind: string, text: string): string => `${kind}${text.length}:${text}`;
