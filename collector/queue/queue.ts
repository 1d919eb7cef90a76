// The queue's whole contract: offer, read, done. `wal.ts` keeps it on disk.
import type { Batch, Consumer, Position, QueuedBatch } from '../component.ts';

/** What lies between receivers and exporters. Every offered batch is durable before `offer` resolves. */
export interface Queue extends Consumer {
  /**
   * Appends a batch; resolves after the fsync that covers it. A batch whose origin is known already resolves
   * without being appended again, and is counted as a duplicate. Rejects with a retryable OfferError when the
   * queue is full or the disk refuses.
   */
  offer(batch: Batch): Promise<void>;
  /** The reader of this name; its cursor is kept on disk under the name. */
  reader(name: string): Reader;
  /** Highest sequence of a stream instance that is durable; 0n when the instance is unknown. */
  durableSequence(instance: Uint8Array): bigint;
  /** Bytes that may still be offered before the queue is full. */
  bytesFree(): number;
  stats(): QueueStats;
  close(): Promise<void>;
}

/** One exporter's way through the queue. */
export interface Reader {
  /**
   * The next batches after the last ones read, up to `bytesMax` payload bytes (at least one). Waits until there is one;
   * resolves with an empty list when the signal aborts.
   */
  read(bytesMax: number, signal: AbortSignal): Promise<QueuedBatch[]>;
  /** All up to and including this position is settled: the cursor moves, and segments behind all cursors are deleted. */
  done(position: Position): void;
  /** Reading starts again behind this position: for an exporter that knows better than the cursor what it has. */
  seek(position: Position): void;
}

export interface QueueStats {
  readonly segments: number;
  readonly bytes: number;
  readonly records: number;
  readonly appended: bigint;
  readonly duplicates: bigint;
  readonly fsyncs: bigint;
  readonly recovered: bigint;
  readonly damaged: bigint;
  readonly tornBytes: bigint;
  readonly refused: bigint;
}
