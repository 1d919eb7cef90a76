// From an attribute set to the number of its series, without sorting or joining for a set that was seen before.
import type { Attributes } from '@opentelemetry/api';
import { type CleanValue, cleanValue } from '../context/attributes.ts';
import type { Labels } from '../context/labels.ts';
import { limits } from '../limits.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import type { MetricCounters } from './metric-counters.ts';
import { seriesKey } from './series-key.ts';

/** Longest text, in UTF-16 units, that the path cache keeps alive as a key. */
const CACHED_TEXT_MAX = 256;
/** Steps in the path cache per series allowed: room for several orders of the same keys. */
const STEPS_PER_SERIES = 16;

type Primitive = string | number | boolean;

/** Where a path of keys and values has led so far; `series` is -1 where no path ends. */
class Step {
  series = -1;
  /** The key that came first at this place, for most call sites the only one, and its values. */
  key: string | undefined;
  readonly values: Map<Primitive, Step> = new Map();
  /** Other keys at this place: the same attributes in another order, or other attributes. */
  others: Map<string, Map<Primitive, Step>> | undefined;

  next(key: string, value: unknown): Step | undefined {
    const values = this.key === key ? this.values : this.others?.get(key);
    return values?.get(value as Primitive);
  }

  extend(key: string, value: Primitive): Step {
    const step = new Step();
    this.#valuesOf(key).set(value, step);
    return step;
  }

  #valuesOf(key: string): Map<Primitive, Step> {
    this.key ??= key;
    if (this.key === key) return this.values;
    this.others ??= new Map();
    let values = this.others.get(key);
    if (values === undefined) {
      values = new Map();
      this.others.set(key, values);
    }
    return values;
  }
}

/** The set that stands for all sets beyond the limit (metrics SDK specification, "Overflow attribute"). */
const overflow: AttributeList = { keys: ['otel.metric.overflow'], values: [true], count: 1 };
const overflowName = seriesKey(overflow.keys, overflow.values as CleanValue[]);

/** What an index is bounded by. */
export interface SeriesBounds {
  /** Series of one stream; the overflow series comes on top. */
  readonly cardinalityLimit: number;
  /** Labels of the context that become attributes, unless the measurement has an attribute of that key. */
  readonly labels: readonly string[];
  readonly counters: MetricCounters;
}

/** Whose series they are. */
export interface SeriesOwner {
  /** A series begins; returns its start time. */
  begins(series: number): number;
  /** Called once, when a set has found no place among those that there are. */
  overflows(sets: readonly AttributeList[]): void;
}

/**
 * Series are numbered from 0 in the order of their first measurement.
 *
 *     labels and attributes as they come ──▶ path cache (a trie of Maps) ──▶ number
 *                                               │ miss
 *                                               └──▶ sorted, encoded ──▶ table of all sets ──▶ number, or overflow
 *
 * Invariant: a path in the cache ends at the very series that the table has for its set; so the cache may be emptied at
 * any time, and it is, when it has outgrown its bound.
 */
export class SeriesIndex {
  /** The attributes of each series, by number, and when it began, in nanoseconds since the anchor. */
  readonly attributes: AttributeList[] = [];
  readonly startTimes: number[] = [];
  /** The number of the overflow series; -1 while there is none. */
  overflow = -1;
  readonly #numbers = new Map<string, number>();
  readonly #bounds: SeriesBounds;
  readonly #owner: SeriesOwner;
  #root = new Step();
  #steps = 0;
  #hasOverflowed = false;

  constructor(bounds: SeriesBounds, owner: SeriesOwner) {
    this.#bounds = bounds;
    this.#owner = owner;
  }

  get count(): number {
    return this.attributes.length;
  }

  /** What identifies each series, by number. */
  names(): string[] {
    return [...this.#numbers.keys()];
  }

  /** Forgets the first `count` series; those behind them are numbered from 0 again. */
  forget(count: number): void {
    const names = this.names().slice(count);
    this.attributes.splice(0, count);
    this.startTimes.splice(0, count);
    this.#numbers.clear();
    for (const [number, name] of names.entries()) this.#numbers.set(name, number);
    this.overflow = Math.max(this.overflow - count, -1);
    this.#root = new Step();
    this.#steps = 0;
  }

  /** The number of the series; the overflow series' when there are too many. May throw what a getter throws. */
  find(attributes: Attributes | undefined, labels: Labels): number {
    const series = this.known(attributes, labels);
    return series >= 0 ? series : this.#resolve(this.#pathOf(attributes, labels));
  }

  /** The number of a series that is in the path cache; -1 for one that is not, and for what the overflow series takes. */
  known(attributes: Attributes | undefined, labels: Labels): number {
    let step: Step | undefined = this.#root;
    const allowed = this.#bounds.labels;
    if (labels.count > 0 && allowed.length > 0) {
      for (let i = 0; i < allowed.length; i++) {
        const value = labels.get(allowed[i]!);
        if (value !== undefined) step = step?.next(allowed[i]!, value);
      }
    }
    for (const key in attributes) {
      const value: unknown = attributes[key];
      if (value === undefined || value === null) continue;
      step = step?.next(key, value);
      if (step === undefined) return -1;
    }
    return step === undefined ? -1 : step.series;
  }

  /** Every key and value in the order in which {@link find} meets them, read once: a getter may not answer twice alike. */
  #pathOf(attributes: Attributes | undefined, labels: Labels): [string, unknown][] {
    const path: [string, unknown][] = [];
    for (const key of this.#bounds.labels) {
      const value = labels.get(key);
      if (value !== undefined) path.push([key, value]);
    }
    for (const key in attributes) {
      const value: unknown = attributes[key];
      if (value !== undefined && value !== null) path.push([key, value]);
    }
    return path;
  }

  /** The number of the series that is identified so. */
  numberOf(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** The number of a series that another index has, by what identifies it there. */
  findNamed(name: string, set: AttributeList): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (name === overflowName) return this.#addOverflow();
    return this.#isFull() ? this.#overflowSeries() : this.#add(name, set);
  }

  /** The slow path: by the set itself. */
  #resolve(path: readonly [string, unknown][]): number {
    const set = this.#setOf(path);
    const name = seriesKey(set.keys, set.values);
    const known = this.#numbers.get(name);
    if (known === undefined && this.#isFull()) return this.#overflowSeries();
    const series = known ?? this.#add(name, set);
    this.#remember(path, series);
    return series;
  }

  #isFull(): boolean {
    const others = this.overflow < 0 ? this.count : this.count - 1;
    return others >= this.#bounds.cardinalityLimit;
  }

  /** The attributes sorted by key, cleaned and bounded; those of the measurement win over labels. */
  #setOf(path: readonly [string, unknown][]): AttributeList & { readonly values: readonly CleanValue[] } {
    const { counters } = this.#bounds;
    const set = new Map<string, CleanValue>();
    for (const [key, value] of path) {
      const clean = cleanValue(value, limits.attribute_value_length_max, counters);
      if (clean !== undefined && key !== '') set.set(key, clean);
    }
    const keys = [...set.keys()].sort();
    if (keys.length > limits.attributes_max) {
      counters.truncated++;
      keys.length = limits.attributes_max;
    }
    return { keys, values: keys.map(key => set.get(key)), count: keys.length };
  }

  #add(name: string, attributes: AttributeList): number {
    const series = this.attributes.push(attributes) - 1;
    this.startTimes.push(this.#owner.begins(series));
    this.#numbers.set(name, series);
    return series;
  }

  #overflowSeries(): number {
    this.#bounds.counters.overflowed++;
    if (!this.#hasOverflowed) {
      this.#hasOverflowed = true;
      this.#owner.overflows(this.attributes);
    }
    return this.overflow < 0 ? this.#addOverflow() : this.overflow;
  }

  #addOverflow(): number {
    this.overflow = this.#numbers.get(overflowName) ?? this.#add(overflowName, overflow);
    return this.overflow;
  }

  /** Lays the path of a set that was resolved; those with structured, very long or very many values keep to the slow path. */
  #remember(path: readonly [string, unknown][], series: number): void {
    if (path.length > limits.attributes_max || !path.every(([, value]) => isCacheable(value))) return;
    if (
      this.#steps + path.length >
      this.#bounds.cardinalityLimit * STEPS_PER_SERIES + limits.attributes_max
    ) {
      this.#root = new Step();
      this.#steps = 0;
    }
    let step = this.#root;
    for (const [key, value] of path) {
      const next = step.next(key, value);
      if (next === undefined) this.#steps++;
      step = next ?? step.extend(key, value as Primitive);
    }
    step.series = series;
  }
}

function isCacheable(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= CACHED_TEXT_MAX;
  return typeof value === 'number' || typeof value === 'boolean';
}
