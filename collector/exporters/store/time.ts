// Times of the wire as the store's columns hold them.

/** Year 2116: the sum of two such times still is a 64-bit integer. */
const NANOS_MAX = 2n ** 62n - 1n;

/** Nanoseconds since the Unix epoch, clamped to what columns hold. */
export function nanos(time: bigint): bigint {
  return time > NANOS_MAX ? NANOS_MAX : time;
}

/** Whole milliseconds since the Unix epoch. */
export function millis(time: bigint): number {
  return Number(nanos(time) / 1_000_000n);
}
