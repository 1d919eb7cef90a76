// The queue's whole contract: open, offer, read, done. `wal.ts` keeps it on disk.
import type { Batch, Consumer, DropReason, Offered, Position, QueuedBatch } from '../component.ts';
import type { Disk } from './disk.ts';
import type { Tally } from './tally.ts';

export interface QueueOptions {
  /** Belongs to the queue alone; made when it is not there. */
  readonly directory: string;
  /** Names of all readers: a segment is deleted when each of them is done with it. */
  readonly readers: readonly string[];
  /** Bytes of one segment file; at most a quarter of `bytesMax`. Default 64 MiB, or that quarter. */
  readonly segmentBytes?: number | undefined;
  /** Bytes of all segments together; `whenFull` says what happens beyond. Default 4 GiB. */
  readonly bytesMax?: number | undefined;
  /**
   * How long batches may wait for their readers, in milliseconds of which the process was up, and of wall time before;
   * `whenFull` says what happens then. It is held by whole segments: when the newest batch of one is older. Default: for ever.
   */
  readonly ageMaxMs?: number | undefined;
  /**
   * What happens at `bytesMax` and `ageMaxMs`. `refuse` (default): offers are refused until readers have made room, and
   * nothing that was acknowledged is lost. `drop_oldest`: the oldest segment is deleted, and what some reader had not settled
   * of it is counted as dropped.
   */
  readonly whenFull?: FullPolicy | undefined;
  /** Bytes offered and not yet durable, which are held in memory; beyond it offers are refused. Default 64 MiB. */
  readonly waitingBytesMax?: number | undefined;
  /** Bytes of the newest records kept in memory for readers that keep up. Default 32 MiB. */
  readonly hotBytesMax?: number | undefined;
  /**
   * When an offer resolves. `always` (default): after an fsync, nothing acknowledged can be lost. `interval`: after the
   * write; a crash of the machine, not of the process, loses up to `fsyncIntervalMs` and one fsync's time. `never`: after the
   * write; such a crash loses what the kernel had not written yet, with Linux's defaults some 30 seconds.
   */
  readonly fsync?: FsyncMode | undefined;
  /** Milliseconds between two fsyncs in mode `interval`. Default 200. */
  readonly fsyncIntervalMs?: number | undefined;
  /** Told of everything that an operator should know: damage found, disk failures and their end. */
  readonly onEvent?: ((event: QueueEvent) => void) | undefined;
  /** The file system; another one injects faults. */
  readonly disk?: Disk | undefined;
}

export type FullPolicy = 'refuse' | 'drop_oldest';

/** The cap that a dropped batch had met. */
export type CapReason = 'size' | 'age';

/** Why a reader did not get what was durable. */
export type Loss = Extract<DropReason, 'damaged' | 'queue_size' | 'queue_age'>;

export type FsyncMode = 'always' | 'interval' | 'never';

export interface QueueEvent {
  readonly level: 'info' | 'warn' | 'error';
  /** One line that names what happened and the file. */
  readonly message: string;
  readonly error?: unknown;
}

/** What lies between receivers and exporters. Every offered batch is durable before `offer` resolves. */
export interface Queue extends Consumer {
  /**
   * Appends a batch; resolves after the fsync that covers it. A batch whose origin is known already resolves
   * without being appended again, and is counted as a duplicate. Rejects with a retryable OfferError when the
   * queue is full or the disk refuses, with one that is not retryable when the batch could never be taken.
   *
   * The payload belongs to the queue from here on: it must not be written to again. The sequences of an instance start at 1
   * and are offered in order; when one is refused retryably, it is the next of its instance to be offered.
   */
  offer(batch: Batch): Promise<Offered>;
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
   * The next batches after the last ones read, up to `bytesMax` payload bytes (at least one). Waits until there is one.
   * When the signal has aborted it does not wait: what there is, and an empty list when there is nothing, or the queue is
   * closed.
   */
  read(bytesMax: number, signal: AbortSignal): Promise<QueuedBatch[]>;
  /** Whether everything that is durable now was read: what a shutdown waits for. */
  idle(): boolean;
  /** All up to and including this position is settled: the cursor moves, and segments behind all cursors are deleted. */
  done(position: Position): void;
  /** Reading starts again behind this position: for an exporter that knows better than the cursor what it has. */
  seek(position: Position): void;
  counts(): ReaderCounts;
}

/** One reader's items, by source and signal. They are counted apart from what is made of what was read. */
export interface ReaderCounts {
  /** Found at the start, and not settled before. Nothing until the first read. */
  readonly found: Tally;
  /** Not read yet. */
  readonly waiting: Tally;
  /** Were durable, and are not readable any more. */
  readonly lost: ReadonlyMap<Loss, Tally>;
}

export interface QueueStats {
  readonly segments: number;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Batches in the segments, those that readers are done with included. */
  readonly records: number;
  readonly appended: bigint;
  readonly duplicates: bigint;
  readonly fsyncs: bigint;
  /** Batches found at the start. */
  readonly recovered: bigint;
  /** Records, headers, cursors and whole segments that were damaged or missing. */
  readonly damaged: bigint;
  /** Bytes that a crash left behind the last whole record: never acknowledged. */
  readonly tornBytes: bigint;
  /** Batches that were deleted before every reader had settled them; some may have been on their way. */
  readonly dropped: Readonly<Record<CapReason, bigint>>;
  /** Offers refused, for whichever reason. */
  readonly refused: bigint;
  /** Failed operations of the disk. */
  readonly diskErrors: bigint;
  /** Segments given up after a failed fsync, or a failed write that could not be undone. */
  readonly retired: bigint;
}
