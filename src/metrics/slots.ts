// Flat arrays of numbers that grow.

/** A copy of `slots` with room for `size`; at least twice as large, so that growth costs little per slot. */
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
