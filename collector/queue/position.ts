// Positions in the queue: the segment's number in the upper 32 bits, the record's offset in the lower.
import type { Position } from '../component.ts';

/** Before every record. */
export const origin: Position = 0n;

export function positionOf(segment: number, offset: number): Position {
  return (BigInt(segment) << 32n) | BigInt(offset);
}

export function segmentOf(position: Position): number {
  return Number(position >> 32n);
}

export function offsetOf(position: Position): number {
  return Number(position & 0xffff_ffffn);
}
