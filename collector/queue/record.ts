// One record of the write-ahead log as bytes: a fixed header with its own checksum, then the payload.
import { crc32 } from 'node:zlib';
import type { Signal } from 'tricord/otlp';
import type { Origin } from '../component.ts';

/*
 * A record; integers are little-endian.
 *
 *   0        4        8        12       16   20      24         32         48         56      60
 *   | marker | header | length | body   | ·  | items | received | instance | sequence | group | body: source, payload …
 *   |        | crc32  |        | crc32  | ·  |       | at (f64) | 16 bytes | u64      | u32   | `length` bytes
 *                     '--- covered by the header's CRC --------------------------------'
 *   16 kind, 17 signal, 18 flags, 19 bytes of the source
 *
 * Invariant: a header is believed only when its marker is the segment's and its CRC, which starts from the record's own
 * offset, fits. So zeros, records of other segments, records at a wrong place, and payloads that look like records
 * are no records; and a length is believed only together with the header around it.
 */

export const recordHeaderBytes = 60;

export const RecordKind = { batch: 1, horizon: 2, ahead: 3, reused: 4 } as const;

const flagOrigin = 1;

export interface RecordHeader {
  readonly kind: number;
  /** Of a batch; 0 in other kinds. */
  readonly signal: Signal | 0;
  readonly items: number;
  /** Milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  readonly origin: Origin | undefined;
  /** Offset of the first record that the same fsync covers: all before it were durable when this one was written. */
  readonly group: number;
  /** Bytes of the receiver's component id, which stand before the payload. */
  readonly sourceLength: number;
  /** Bytes of the body: source and payload. */
  readonly length: number;
  readonly bodyCrc: number;
}

/** Writes the header of a record that will lie at `offset` of the segment with this marker. */
export function encodeRecordHeader(
  target: Buffer,
  at: number,
  header: RecordHeader,
  marker: number,
  offset: number,
): void {
  target.writeUInt32LE(marker, at);
  target.writeUInt32LE(header.length, at + 8);
  target.writeUInt32LE(header.bodyCrc, at + 12);
  target[at + 16] = header.kind;
  target[at + 17] = header.signal;
  target[at + 18] = header.origin === undefined ? 0 : flagOrigin;
  target[at + 19] = header.sourceLength;
  target.writeUInt32LE(header.items, at + 20);
  target.writeDoubleLE(header.receivedAt, at + 24);
  if (header.origin === undefined) {
    target.fill(0, at + 32, at + 56);
  } else {
    target.set(header.origin.instance, at + 32);
    target.writeBigUInt64LE(header.origin.sequence, at + 48);
  }
  target.writeUInt32LE(header.group, at + 56);
  target.writeUInt32LE(headerCrc(target, at, offset), at + 4);
}

/** The header at `at`, or undefined when what lies there is none of this segment and offset. */
export function decodeRecordHeader(
  source: Buffer,
  at: number,
  marker: number,
  offset: number,
): RecordHeader | undefined {
  if (source.readUInt32LE(at) !== marker) return undefined;
  if (source.readUInt32LE(at + 4) !== headerCrc(source, at, offset)) return undefined;
  return {
    kind: source[at + 16]!,
    signal: source[at + 17]! as Signal | 0,
    items: source.readUInt32LE(at + 20),
    receivedAt: source.readDoubleLE(at + 24),
    origin: (source[at + 18]! & flagOrigin) === 0 ? undefined : decodeOrigin(source, at),
    sourceLength: source[at + 19]!,
    group: source.readUInt32LE(at + 56),
    length: source.readUInt32LE(at + 8),
    bodyCrc: source.readUInt32LE(at + 12),
  };
}

/**
 * Whether a record with this marker and offset, of which not everything is right, begins with these bytes: its marker or its
 * CRC fits. What an older segment has left in the file does neither.
 */
export function resemblesRecord(bytes: Buffer, marker: number, offset: number): boolean {
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32LE(marker);
  const known = Math.min(wanted.length, bytes.length);
  if (bytes.subarray(0, known).equals(wanted.subarray(0, known))) return known > 0;
  return bytes.length >= recordHeaderBytes && bytes.readUInt32LE(4) === headerCrc(bytes, 0, offset);
}

/** The body of kind `reused`: empty for 0. */
export function encodeReused(length: number): Buffer {
  const body = Buffer.alloc(length === 0 ? 0 : 4);
  if (length > 0) body.writeUInt32LE(length);
  return body;
}

export function decodeReused(body: Buffer): number {
  return body.length === 4 ? body.readUInt32LE() : 0;
}

/** A copy: the buffer that the header came in may be used again. */
function decodeOrigin(source: Buffer, at: number): Origin {
  return {
    instance: new Uint8Array(source.subarray(at + 32, at + 48)),
    sequence: source.readBigUInt64LE(at + 48),
  };
}

function headerCrc(bytes: Buffer, at: number, offset: number): number {
  return crc32(bytes.subarray(at + 8, at + recordHeaderBytes), offset);
}
