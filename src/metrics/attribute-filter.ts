// Which attributes of a measurement a view keeps; what it leaves out may still be told by an exemplar.
import type { Attributes } from '@opentelemetry/api';
import { cleanValue, type ValueCounters } from '../context/attributes.ts';
import { limits } from '../limits.ts';
import type { AnyValue, AttributeList } from '../transport/otlp/record.ts';

export class AttributeFilter {
  readonly #included: ReadonlySet<string> | undefined;
  readonly #excluded: ReadonlySet<string>;

  /** @param included the only keys that are kept; undefined for all but those that are excluded */
  constructor(included: readonly string[] | undefined, excluded: readonly string[] = []) {
    this.#included = included && new Set(included);
    this.#excluded = new Set(excluded);
  }

  keeps(key: string): boolean {
    return !this.#excluded.has(key) && (this.#included === undefined || this.#included.has(key));
  }

  /** Those that are kept. May throw what a getter throws. */
  kept(attributes: Attributes | undefined): Attributes {
    const result: Attributes = Object.create(null);
    for (const key in attributes) if (this.keeps(key)) result[key] = attributes[key];
    return result;
  }

  /** Those that are not kept, as copies within the bounds of an attribute list. */
  rest(attributes: Attributes, counters: ValueCounters): AttributeList {
    const keys: string[] = [];
    const values: AnyValue[] = [];
    for (const key in attributes) {
      if (this.keeps(key) || key === '' || keys.length >= limits.attributes_max) continue;
      const value = cleanValue(attributes[key], limits.attribute_value_length_max, counters);
      if (value === undefined) continue;
      keys.push(key);
      values.push(value);
    }
    return { keys, values, count: keys.length };
  }
}
