// Flat arrays of numbers that grow.
import type { AttributeList } from '../transport/otlp/record.ts';

/** Where the slots of a stream lie. */
export interface SlotMemory {
  /** A copy of `slots`, of which a series has `width`, with room for `size`. */
  grown(slots: Float64Array, size: number, width: number): Float64Array;
  /** The next series begins: its slots are there, and hold what they do before the first measurement. */
  begins(attributes: AttributeList): void;
}

/** Memory that only this thread sees. */
export const ownMemory: SlotMemory = { grown, begins() {} };

/** At least twice as large, so that growth costs little per slot. */
export function grown(slots: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(size, slots.length * 2));
  larger.set(slots);
  return larger;
}

/** Moves the slots of the series from `first` to `count` to the front; those behind them become 0. Returns where these begin. */
export function moveToFront(slots: Float64Array, width: number, first: number, count: number): number {
  slots.copyWithin(0, first * width, count * width);
  const end = (count - first) * width;
  slots.fill(0, end);
  return end;
}

/** Undefined for what is not a number. */
export const known = (slot: number): number | undefined => (Number.isNaN(slot) ? undefined : slot);
