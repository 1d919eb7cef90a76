// What may be kept of a value that an application hands over: a bounded copy that no getter can disturb.
import { limits } from '../limits.ts';
import type { Labels } from './labels.ts';

/** A value that the wire can carry; the same shape as `AnyValue` of the wire codec. */
export type CleanValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly CleanValue[]
  | { readonly [key: string]: CleanValue };

/** Depth and number of values of one structured attribute; what lies beyond is left out. */
const DEPTH_MAX = 8;
const NODES_MAX = 1024;

/** Counts of what the bounds took away, over the life of a provider. */
export interface ValueCounters {
  /** Values cut to the length limit. */
  truncated: number;
  /** Values that cannot be carried (functions, symbols) or threw while they were read. */
  rejected: number;
}

/** Keys that a cleared list keeps at the most. */
const FOLLOWED_MAX = 32;

/** Values that the structure being copied may still have. A getter may begin another copy: see `cleanValue`. */
let nodesLeft = 0;

/**
 * The value as it can be kept, or undefined when there is nothing to keep. Strings are cut to `lengthMax` UTF-16 units,
 * arrays and objects are copied (depth 8, 1024 values). Never throws.
 */
export function cleanValue(value: unknown, lengthMax: number, counters: ValueCounters): CleanValue {
  if (typeof value === 'string') return bounded(value, lengthMax, counters);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === null || value === undefined) return undefined;
  const outer = nodesLeft;
  nodesLeft = NODES_MAX;
  try {
    return copy(value, lengthMax, counters, 0);
  } catch {
    counters.rejected++;
    return undefined;
  } finally {
    nodesLeft = outer;
  }
}

/** The text within `lengthMax` UTF-16 units, never half a character; what is cut away is counted. */
function bounded(value: string, lengthMax: number, counters: ValueCounters): string {
  if (value.length <= lengthMax) return value;
  counters.truncated++;
  const cut = value.slice(0, lengthMax);
  return isHighSurrogate(cut.charCodeAt(lengthMax - 1)) ? cut.slice(0, -1) : cut;
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;

function copy(value: unknown, lengthMax: number, counters: ValueCounters, depth: number): CleanValue {
  nodesLeft--;
  switch (typeof value) {
    case 'string':
      return bounded(value, lengthMax, counters);
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return copyBigint(value, lengthMax, counters);
    case 'object':
      return value === null ? null : copyObject(value, lengthMax, counters, depth);
    case 'undefined':
      return null;
    default:
      counters.rejected++;
      return undefined;
  }
}

/** A bigint that int64 holds; a larger one as text, whose length is bounded before it is built. */
function copyBigint(value: bigint, lengthMax: number, counters: ValueCounters): CleanValue {
  if (BigInt.asIntN(64, value) === value) return value;
  if (BigInt.asIntN(4096, value) === value) return bounded(value.toString(), lengthMax, counters);
  counters.rejected++;
  return undefined;
}

function copyObject(value: object, lengthMax: number, counters: ValueCounters, depth: number): CleanValue {
  if (value instanceof Uint8Array) {
    if (value.length > lengthMax) counters.truncated++;
    return value.slice(0, lengthMax);
  }
  if (value instanceof Date) return bounded(value.toISOString(), lengthMax, counters);
  if (value instanceof Error) return bounded(String(value.message), lengthMax, counters);
  if (depth >= DEPTH_MAX) {
    counters.truncated++;
    return null;
  }
  if (Array.isArray(value)) return copyArray(value, lengthMax, counters, depth + 1);
  const result: Record<string, CleanValue> = Object.create(null);
  for (const key of Object.keys(value)) {
    if (nodesLeft <= 0) {
      counters.truncated++;
      break;
    }
    // The limit is for values: what a short one left of two keys might be the same.
    result[bounded(key, limits.attribute_value_length_max, counters)] = copy(
      (value as Record<string, unknown>)[key],
      lengthMax,
      counters,
      depth + 1,
    );
  }
  return result;
}

function copyArray(
  value: readonly unknown[],
  lengthMax: number,
  counters: ValueCounters,
  depth: number,
): CleanValue {
  const result: CleanValue[] = [];
  for (let i = 0; i < value.length; i++) {
    if (nodesLeft <= 0) {
      counters.truncated++;
      break;
    }
    result.push(copy(value[i], lengthMax, counters, depth));
  }
  return result;
}

/** Undefined where nothing can be kept: an empty value is kept (common, "AnyValue"). */
const attributeValue = (value: unknown, lengthMax: number, counters: ValueCounters): CleanValue =>
  value === null ? null : cleanValue(value, lengthMax, counters);

/** Called on the object: in a loop over its keys the optimizing compiler then leaves the check out. */
const { hasOwnProperty: hasOwn } = Object.prototype;

/** Limits of one attribute list, as `OTEL_*_ATTRIBUTE_COUNT_LIMIT` and `…_VALUE_LENGTH_LIMIT` set them. */
export interface AttributeLimits {
  /** Attributes. */
  readonly attributes: number;
  /** UTF-16 units of one value. */
  readonly valueLength: number;
}

export const attributeLimits = (attributes: number, valueLength: number): AttributeLimits => ({
  attributes,
  valueLength,
});

export const defaultAttributeLimits: AttributeLimits = attributeLimits(
  limits.attributes_max,
  limits.attribute_value_length_max,
);

/**
 * A reusable attribute list: parallel slots that are filled, encoded and cleared.
 *
 *     keys     'a'  'b'  'c' │ 'd'  'e'        what the life before had is kept: the next one most likely has the same keys
 *     values    1    2    3  │                 in the same order, and then none is looked for among those before it
 *                          count
 *
 * Invariant: for i < count, keys[i] are distinct and values[i] is clean; values from count on are undefined, so that a
 * pooled list keeps no value of the application alive. keys[0] to keys[followed - 1] are distinct, too; followed is 0
 * from the first key on that differs from the life before.
 */
export class AttributeSlots {
  readonly keys: string[] = [];
  readonly values: CleanValue[] = [];
  count = 0;
  /** Attributes that the count limit, an unusable key or an unusable value cost. */
  dropped = 0;
  #followed = 0;

  /** Sets one attribute; the last value of a key wins. Undefined sets nothing; null is an empty value. */
  set(key: string, value: unknown, bounds: AttributeLimits, counters: ValueCounters): void {
    if (value === undefined) return;
    const place = this.#placeOf(key, bounds);
    const clean = place < 0 ? undefined : attributeValue(value, bounds.valueLength, counters);
    if (clean === undefined) {
      this.dropped++;
      return;
    }
    if (place === this.count) this.#append(key);
    this.values[place] = clean;
  }

  /** Where the key stands, or would stand; -1 when it is none, or one too many. */
  #placeOf(key: string, bounds: AttributeLimits): number {
    const { keys, count } = this;
    if (count < this.#followed && keys[count] === key && count < bounds.attributes) return count;
    for (let i = 0; i < count; i++) if (keys[i] === key) return i;
    return typeof key !== 'string' || key === '' || count >= bounds.attributes ? -1 : count;
  }

  #append(key: string): void {
    const { keys, count } = this;
    if (keys[count] !== key) {
      keys[count] = key;
      this.#followed = 0;
    }
    this.count = count + 1;
  }

  /**
   * Sets the own enumerable properties of `attributes`. A property that throws costs itself only, and one that has no place is
   * not even read.
   */
  setAll(attributes: object, bounds: AttributeLimits, counters: ValueCounters): void {
    try {
      for (const key in attributes) {
        if (!hasOwn.call(attributes, key)) continue;
        if (this.count >= bounds.attributes && this.#placeOf(key, bounds) < 0) {
          this.dropped++;
          continue;
        }
        let value: unknown;
        try {
          value = (attributes as Record<string, unknown>)[key];
        } catch {
          counters.rejected++;
          this.dropped++;
          continue;
        }
        this.set(key, value, bounds, counters);
      }
    } catch {
      counters.rejected++;
    }
  }

  /** Fills an empty list with a context's labels. */
  setLabels(labels: Labels, bounds: AttributeLimits): void {
    const count = Math.min(labels.count, bounds.attributes);
    for (let i = 0; i < count; i++) {
      this.#append(labels.keys[i]!);
      this.values[i] = labels.values[i];
    }
    this.dropped = labels.count - count;
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.values[i] = undefined;
    this.#followed = Math.min(Math.max(this.#followed, this.count), FOLLOWED_MAX);
    if (this.keys.length > FOLLOWED_MAX) this.keys.length = FOLLOWED_MAX;
    this.count = 0;
    this.dropped = 0;
  }
}

/** Any value as text of at most `lengthMax` UTF-16 units: names and messages that ought to be strings. Never throws. */
export function cleanText(value: unknown, lengthMax: number, counters: ValueCounters): string {
  if (typeof value === 'string') return bounded(value, lengthMax, counters);
  if (value === undefined || value === null) return '';
  try {
    return bounded(String(value), lengthMax, counters);
  } catch {
    counters.rejected++;
    return '';
  }
}

/**
 * Sets `exception.type`, `exception.message` and `exception.stacktrace` from whatever was thrown: an error, a string,
 * or an object with some of `name`, `code`, `message` and `stack`. Never throws.
 */
export function setException(
  slots: AttributeSlots,
  exception: unknown,
  bounds: AttributeLimits,
  counters: ValueCounters,
): void {
  if (typeof exception !== 'object' || exception === null) {
    slots.set('exception.message', cleanText(exception, bounds.valueLength, counters), bounds, counters);
    return;
  }
  const code = property(exception, 'code', counters);
  const type =
    code !== undefined && code !== null && code !== '' && code !== 0
      ? code
      : property(exception, 'name', counters);
  slots.set('exception.type', textOrNothing(type, bounds, counters), bounds, counters);
  const message = textOrNothing(property(exception, 'message', counters), bounds, counters);
  slots.set('exception.message', message, bounds, counters);
  const stack = textOrNothing(property(exception, 'stack', counters), bounds, counters);
  slots.set('exception.stacktrace', stack, bounds, counters);
}

function property(from: object, key: string, counters: ValueCounters): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    counters.rejected++;
    return undefined;
  }
}

function textOrNothing(value: unknown, bounds: AttributeLimits, counters: ValueCounters): string | undefined {
  return value === undefined || value === null ? undefined : cleanText(value, bounds.valueLength, counters);
}
