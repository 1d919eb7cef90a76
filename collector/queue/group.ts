// A group of batches as the bytes of one write, and what stands at a segment's head.
import { crc32 } from 'node:zlib';
import type { Batch, QueuedBatch } from '../component.ts';
import type { Horizon } from './dedup.ts';
import { positionOf } from './position.ts';
import { encodeRecordHeader, encodeReused, RecordKind, recordHeaderBytes } from './record.ts';
import { type SegmentHeader, type SegmentWriter, segmentHeaderBytes } from './segment.ts';

/** A batch on its way into the log. */
export interface Entry {
  readonly batch: Batch;
  readonly receivedAt: number;
  /** The receiver's id as it stands before the payload. */
  readonly source: Buffer;
  readonly bodyCrc: number;
  /** Bytes of the record. */
  readonly bytes: number;
}

/** Bytes of the record that this batch becomes. */
export function recordBytes({ source, payload }: Batch): number {
  return recordHeaderBytes + (source === undefined ? 0 : Buffer.byteLength(source)) + payload.length;
}

export function entryOf(batch: Batch, receivedAt: number): Entry {
  const source = batch.source === undefined ? noSource : Buffer.from(batch.source);
  const bodyCrc = crc32(batch.payload, crc32(source));
  return { batch, receivedAt, source, bodyCrc, bytes: recordBytes(batch) };
}

const noSource = Buffer.alloc(0);

/** Headers and bodies of the entries, as they will lie behind what the writer has; and what readers will see. */
export function layOut(
  entries: readonly Entry[],
  writer: SegmentWriter,
): { readonly buffers: Uint8Array[]; readonly batches: QueuedBatch[] } {
  const { number, marker } = writer.segment;
  const headers = Buffer.allocUnsafe(entries.length * recordHeaderBytes);
  const buffers: Uint8Array[] = [];
  const batches: QueuedBatch[] = [];
  let offset = writer.length;
  for (const [index, { batch, receivedAt, source, bodyCrc, bytes }] of entries.entries()) {
    const at = index * recordHeaderBytes;
    const { signal, items, origin, payload } = batch;
    const header = {
      kind: RecordKind.batch,
      signal,
      items,
      receivedAt,
      origin,
      group: writer.length,
      sourceLength: source.length,
      length: bytes - recordHeaderBytes,
      bodyCrc,
    };
    encodeRecordHeader(headers, at, header, marker, offset);
    buffers.push(headers.subarray(at, at + recordHeaderBytes));
    if (source.length > 0) buffers.push(source);
    if (payload.length > 0) buffers.push(payload);
    batches.push({ ...batch, position: positionOf(number, offset), receivedAt });
    offset += bytes;
  }
  return { buffers, batches };
}

/**
 * What stands behind a segment's header: how long its file was when it came from an older segment, else 0; and the horizon,
 * so that older segments may go.
 */
export function headRecords(
  { marker, createdAt }: SegmentHeader,
  reusedLength: number,
  horizon: Horizon,
): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let offset = segmentHeaderBytes;
  for (const [kind, body] of [
    [RecordKind.reused, encodeReused(reusedLength)],
    [RecordKind.horizon, horizon.encodeDurable()],
    [RecordKind.ahead, horizon.encodeAhead()],
  ] as const) {
    if (body.length === 0) continue;
    const header = {
      kind,
      signal: 0,
      items: 0,
      receivedAt: createdAt,
      origin: undefined,
      group: segmentHeaderBytes,
      sourceLength: 0,
      length: body.length,
      bodyCrc: crc32(body),
    } as const;
    const bytes = Buffer.alloc(recordHeaderBytes);
    encodeRecordHeader(bytes, 0, header, marker, offset);
    buffers.push(bytes, body);
    offset += recordHeaderBytes + body.length;
  }
  return buffers;
}
