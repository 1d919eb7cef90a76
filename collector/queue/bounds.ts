// How large a queue and its segments may be, and what they are when nobody says.
const KIB = 1024;
const MIB = 1024 * KIB;

export const queueBounds = {
  segment_bytes_min: 4 * KIB,
  segment_bytes_max: 1024 * MIB,
  /** A queue frees its space segment by segment. */
  segments_min: 4,
  bytes_default: 4096 * MIB,
} as const;

const SEGMENT_BYTES_DEFAULT = 64 * MIB;

/** The segments of a queue of so many bytes, unless they are given. */
export function segmentBytesFor(bytesMax: number): number {
  return Math.min(SEGMENT_BYTES_DEFAULT, Math.floor(bytesMax / queueBounds.segments_min));
}
