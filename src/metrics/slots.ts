// Flat arrays of numbers that grow.

/** A copy of `slots` with room for `size`; at least twice as large, so that growth costs little per slot. */
export function grown(slots: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(size, slots.length * 2));
  larger.set(slots);
  return larger;
}
