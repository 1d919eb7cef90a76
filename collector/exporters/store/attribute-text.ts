// Attributes as text: JSON objects for search, label names and label values for Prometheus and Loki.
import { type AnyValue, type KeyValue, labelName } from 'tricord/otlp';

/** A JSON value: what {@link plain} makes of an attribute. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * The attributes as the text of one JSON object; of equal keys the last one counts. Bytes become base64 and numbers that
 * JSON does not have their names, as in OTLP/JSON; integers beyond 2^53 become the nearest number.
 */
export function attributesJson(attributes: readonly KeyValue[]): string {
  const object: { [key: string]: Json } = Object.create(null);
  for (const { key, value } of attributes) object[key] = plain(value);
  return JSON.stringify(object);
}

function plain(value: AnyValue): Json {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === undefined || value === null) return null;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return (value as readonly AnyValue[]).map(plain);
  const object: { [key: string]: Json } = Object.create(null);
  for (const [key, member] of Object.entries(value)) object[key] = plain(member);
  return object;
}

/** A value as a label or a log line shows it: text as it is, nothing as '', everything structured as JSON. */
export function valueText(value: AnyValue): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  if (typeof value === 'bigint') return value.toString();
  const json = plain(value);
  return typeof json === 'string' ? json : JSON.stringify(json);
}

/** Adds attributes as labels. Keys that become the same name are joined with `;`, in order of the keys. */
export function addLabels(labels: Map<string, string>, attributes: readonly KeyValue[]): void {
  const keys = new Map<string, string>();
  const byKey = attributes.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for (const { key, value } of byKey) {
    const name = labelName(key);
    const text = valueText(value);
    const owner = keys.get(name);
    if (text === '') continue;
    if (owner === undefined || owner === key) labels.set(name, text);
    else labels.set(name, `${labels.get(name)};${text}`);
    keys.set(name, key);
  }
}

/** The text of one attribute, '' when it is not there. */
export function attributeText(attributes: readonly KeyValue[], key: string): string {
  return valueText(attributes.findLast(attribute => attribute.key === key)?.value);
}

/** Lower-case hexadecimal. */
export function hexText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex');
}

/** Lower-case hexadecimal; '' for an ID that is not there or all zero. */
export function idText(id: Uint8Array): string {
  const text = hexText(id);
  return /[^0]/.test(text) ? text : '';
}
