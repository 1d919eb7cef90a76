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
import type { NumberDescriptor } from './number-aggregation.ts';

export const instrumentKinds = [
  'counter',
  'up_down_counter',
  'gauge',
  'histogram',
  'observable_counter',
  'observable_up_down_counter',
  'observable_gauge',
] as const;
export type InstrumentKind = (typeof instrumentKinds)[number];

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
  /** Boundaries that a histogram's author advises; undefined when there are none, or none that can be used. */
  readonly advisedBounds: readonly number[] | undefined;

  constructor(kind: InstrumentKind, name: string, options: MetricOptions | undefined) {
    this.kind = kind;
    this.name = name;
    this.description = typeof options?.description === 'string' ? options.description : '';
    this.unit = typeof options?.unit === 'string' ? options.unit : '';
    this.integer = options?.valueType === ValueType.INT;
    this.advisedBounds = kind === 'histogram' ? advisedBounds(name, options) : undefined;
  }

  /** Of instruments with the same name: whether they are one and the same. */
  equals(other: Pick<InstrumentDescriptor, 'kind' | 'unit' | 'integer'>): boolean {
    return this.kind === other.kind && this.unit === other.unit && this.integer === other.integer;
  }

  toString(): string {
    const { name, kind, unit, integer, description } = this;
    return `"${name}" (${kind}, unit "${unit}", ${integer ? 'integer' : 'double'}, "${description}")`;
  }
}

/** Whether a histogram can have these boundaries. */
export function areBounds(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length < limits.histogram_buckets_max &&
    value.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > value[i - 1]))
  );
}

export const boundsShape: string = `up to ${limits.histogram_buckets_max - 1} finite, ascending numbers`;

function advisedBounds(name: string, options: MetricOptions | undefined): readonly number[] | undefined {
  const advised: unknown = options?.advice?.explicitBucketBoundaries;
  if (advised === undefined) return undefined;
  if (areBounds(advised)) return [...advised];
  diag.warn(`The boundaries advised for "${name}" are not used: they take ${boundsShape}.`);
  return undefined;
}

/** Takes everything and keeps nothing: what a refused instrument is. */
export const noInstrument: Counter & Gauge & Observable = {
  add() {},
  record() {},
  addCallback() {},
  removeCallback() {},
};
