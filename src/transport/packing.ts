// Packs batches that have to wait, so that the same memory holds several times as many.
import { HEADROOM_BYTES, type OutgoingBatch } from './ledger.ts';

/** The fastest level: what waits was made in a hurry, too. */
const LEVEL = 1;
/** What does not get this much smaller stays as it is. */
const WORTH = 3 / 4;

/** Loaded when a collector is away for the first time. */
const zlib = (): typeof import('node:zlib') => process.getBuiltinModule('node:zlib');

/** The batch with its payload as gzip, which every receiver of OTLP takes; the batch itself where that gains little. */
export function packed(batch: OutgoingBatch): OutgoingBatch {
  const payload = batch.buffer.subarray(HEADROOM_BYTES);
  const bytes = zlib().gzipSync(payload, { level: LEVEL });
  if (bytes.length > payload.length * WORTH) return batch;
  const buffer = Buffer.allocUnsafeSlow(HEADROOM_BYTES + bytes.length);
  bytes.copy(buffer, HEADROOM_BYTES);
  return { ...batch, buffer, unpackedBytes: payload.length };
}

/** What stands before a packed payload as gzip of its own, 23 bytes larger: two in a row unpack as one. */
export function stored(head: Uint8Array): Uint8Array {
  return zlib().gzipSync(head, { level: zlib().constants.Z_NO_COMPRESSION });
}
