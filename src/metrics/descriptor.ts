// What identifies an instrument, and which names, units and boundaries it may have.
import {
  type Counter,
  diag,
  type Gauge,
  type MetricOptions,
  type Observable,
  ValueType,
} from '@opentelemetry/api';
import { limits } from '../limits.ts';
import { defaultBounds } from './explicit-histogram.ts';
import type { NumberDescriptor } from './number-aggregation.ts';

export type InstrumentKind =
  | 'counter'
  | 'up-down counter'
  | 'gauge'
  | 'histogram'
  | 'observable counter'
  | 'observable up-down counter'
  | 'observable gauge';

/** Metrics API specification, "Instrument name syntax". The bound in the pattern would make it slow to compile. */
const validName = /^[a-zA-Z][a-zA-Z0-9_.\-/]*$/;
const NAME_LENGTH_MAX = 255;

export const isValidName = (name: unknown): name is string =>
  typeof name === 'string' && name.length <= NAME_LENGTH_MAX && validName.test(name);

export class InstrumentDescriptor implements NumberDescriptor {
  readonly kind: InstrumentKind;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly integer: boolean;
  #warned = false;

  constructor(kind: InstrumentKind, name: string, options: MetricOptions | undefined) {
    this.kind = kind;
    this.name = name;
    this.description = typeof options?.description === 'string' ? options.description : '';
    this.unit = typeof options?.unit === 'string' ? options.unit : '';
    this.integer = options?.valueType === ValueType.INT;
  }

  /** Of instruments with the same name: whether they are one and the same. */
  equals(other: InstrumentDescriptor): boolean {
    return this.kind === other.kind && this.unit === other.unit && this.integer === other.integer;
  }

  /** Warns, once, when another description of the name says something else. */
  meets(other: InstrumentDescriptor): void {
    if (this.#warned || (this.equals(other) && this.description === other.description)) return;
    this.#warned = true;
    diag.warn(`The metric ${other} is in conflict with ${this}.`);
  }

  toString(): string {
    const { name, kind, unit, integer, description } = this;
    return `"${name}" (${kind}, unit "${unit}", ${integer ? 'integer' : 'double'}, "${description}")`;
  }
}

/** The advised boundaries where they can be used, the default ones otherwise. */
export function boundsFor(name: string, options: MetricOptions | undefined): readonly number[] {
  const advised: unknown = options?.advice?.explicitBucketBoundaries;
  if (advised === undefined) return defaultBounds;
  const usable =
    Array.isArray(advised) &&
    advised.length < limits.histogram_buckets_max &&
    advised.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > advised[i - 1]));
  if (usable) return advised;
  const most = limits.histogram_buckets_max - 1;
  diag.warn(
    `The boundaries advised for "${name}" are not used: they take up to ${most} finite, ascending numbers.`,
  );
  return defaultBounds;
}

/** Takes everything and keeps nothing: what a refused instrument is. */
export const noInstrument: Counter & Gauge & Observable = {
  add() {},
  record() {},
  addCallback() {},
  removeCallback() {},
};
