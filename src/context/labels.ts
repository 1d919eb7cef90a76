// Labels: the few facts of a context that every span, log record and metric point made under it carries.
import { limits } from '../limits.ts';

/** What a label may be set to. */
export type LabelValue = string | number | boolean;

/**
 * An immutable set of labels in insertion order, in the slots of an `AttributeList`. Sets are shared: a context that
 * adds none has its parent's very object.
 */
export class Labels {
  static readonly empty: Labels = new Labels([], []);

  readonly keys: readonly string[];
  readonly values: readonly LabelValue[];
  readonly count: number;

  private constructor(keys: readonly string[], values: readonly LabelValue[]) {
    this.keys = keys;
    this.values = values;
    this.count = keys.length;
  }

  get(key: string): LabelValue | undefined {
    const index = this.keys.indexOf(key);
    return index < 0 ? undefined : this.values[index];
  }

  /**
   * This set and `entries` over it: a key that is there already takes the new value, `undefined` and `null` remove it.
   * Values other than strings, numbers and booleans, empty keys, and new keys beyond the limit of 32 are ignored.
   */
  with(entries: Readonly<Record<string, LabelValue | null | undefined>>): Labels {
    const keys = [...this.keys];
    const values = [...this.values];
    for (const key of Object.keys(entries)) {
      const value = entries[key];
      const index = keys.indexOf(key);
      if (value === undefined || value === null) {
        if (index >= 0) {
          keys.splice(index, 1);
          values.splice(index, 1);
        }
      } else if (key !== '' && isLabelValue(value)) {
        if (index >= 0) values[index] = bounded(value);
        else if (keys.length < limits.labels_max) {
          keys.push(key);
          values.push(bounded(value));
        }
      }
    }
    return keys.length === 0 ? Labels.empty : new Labels(keys, values);
  }
}

function isLabelValue(value: unknown): value is LabelValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function bounded(value: LabelValue): LabelValue {
  return typeof value === 'string' ? value.slice(0, limits.label_value_length_max) : value;
}
