// What receivers, processors and exporters are to each other: the batch that moves, and who takes it.
import type { Signal } from 'tricord/otlp';

/** One OTLP `Export…ServiceRequest`, checked, never decoded on its way. */
export interface Batch {
  readonly signal: Signal;
  /** Exactly the bytes of the request. */
  readonly payload: Uint8Array;
  /** Spans, log records or data points in it. */
  readonly items: number;
  /** Component id of the receiver that took it (`otlp`, `otlp/edge`): with the signal it decides the pipelines. */
  readonly source?: string | undefined;
  /** Set by the stream receiver: who sent it, and as which of its batches. Makes a resend recognisable. */
  readonly origin?: Origin | undefined;
}

export interface Origin {
  /** 16 bytes. */
  readonly instance: Uint8Array;
  readonly sequence: bigint;
}

/** Whether an offered batch was taken now, or is a resent one that was there already. */
export type Offered = 'new' | 'known';

/** Takes batches. `offer` resolves when the batch is durable, or rejects with an {@link OfferError}. */
export interface Consumer {
  offer(batch: Batch): Promise<Offered>;
}

/** Why a batch was not taken. `retryable` decides between UNAVAILABLE/503 and INVALID_ARGUMENT/400 in every receiver. */
export class OfferError extends Error {
  readonly retryable: boolean;
  /** When to come back, in milliseconds; set on every retryable refusal. */
  readonly retryAfterMs: number;

  constructor(message: string, retryable: boolean, retryAfterMs = 1000, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OfferError';
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Anything with a life of its own: started in dependency order, stopped in reverse. */
export interface Component {
  start(): Promise<void>;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/**
 * Changes batches between the queue and an exporter. Its work is done again when a batch is exported again, so it keeps
 * no state that depends on how often it sees one.
 */
export interface Processor {
  /** What it reads of a batch: nothing inside it; IDs, status, times and a few attributes; everything. */
  readonly needs: 'bytes' | 'shallow' | 'full';
  /** The batch to pass on, itself when unchanged; null when nothing is left of it. */
  process(batch: QueuedBatch): QueuedBatch | null;
}

/**
 * Sends what the queue holds. `export` is called with consecutive batches and resolves when they are delivered for good;
 * it rejects with a {@link OfferError}: retryable ones are tried again by the pipeline, others drop the batch, counted.
 */
export interface Exporter extends Component {
  export(batches: readonly QueuedBatch[], report?: ExportReport): Promise<void>;
  /** Present when `export` resolving does not yet mean "settled": the queue's cursor then follows this instead. */
  readonly settlement?: Settlement | undefined;
  /** Present when it has its own view of how often and when to try again. */
  readonly retry?: RetryPolicy | undefined;
  /** Payload bytes that one call of `export` is given at most, a single larger batch apart; 4 MiB unless it says. */
  readonly exportBytesMax?: number | undefined;
}

/** Why an item that was accepted is in the end not delivered. */
export const dropReasons = [
  /** A processor failed on its batch. */
  'processor',
  /** The destination refused its batch for good. */
  'rejected',
  /** Its batch was tried again for `max_elapsed_time`. */
  'gave_up',
  /** The destination took its request, and left it out. */
  'partially_rejected',
  /** The store cannot decode its batch, make rows of it, or write the rows. */
  'undecodable',
  'untranslatable',
  'unstorable',
  /** A data point of a series beyond the store's limit, or without a value. */
  'series_limit',
  'point_without_value',
  /** It was durable and cannot be read any more. */
  'damaged',
  /** Its segment was dropped at the queue's cap on size, or on age. */
  'queue_size',
  'queue_age',
  /** No pipeline takes its signal from its receiver. */
  'unrouted',
] as const;

export type DropReason = (typeof dropReasons)[number];

/** What an exporter tells of single batches of one call of `export`. */
export interface ExportReport {
  /** It is delivered for good even if the call fails, and is not given again. */
  delivered(batch: QueuedBatch): void;
  /** So many of its items are not kept and never will be; told before it is delivered. */
  lost(batch: QueuedBatch, reason: DropReason, items: number): void;
}

/** When a retryable failure is tried again: waits grow by `multiplier`, each spread by ± `randomization`. Milliseconds. */
export interface RetryPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /** 0 to 1. */
  readonly randomization: number;
  /** After so long the batches are dropped, counted; 0: never, they wait in the queue. */
  readonly giveUpAfterMs: number;
}

/**
 * How an exporter that takes batches into memory first tells what is durable. The pipeline reads `start` after
 * `start()` and seeks there when it is set; it calls `reader.done` from the listener only, never after `export`.
 */
export interface Settlement {
  /**
   * All up to and including this position was settled before; undefined: unknown, begin at the queue's own cursor.
   * The queue must never give out a position at or below it again, even when its own files are lost.
   */
  readonly start: Position | undefined;
  /** One listener, set once before the first `export`; also called during `stop()`. Positions grow. */
  onSettled(listener: (position: Position) => void): void;
}

/** Position in the queue: grows with every record, is comparable, and survives restarts. */
export type Position = bigint;

export interface QueuedBatch extends Batch {
  /** Where this record lies. */
  readonly position: Position;
  /** Wall time of its arrival, milliseconds since the Unix epoch; later than that while the clock has been set back. */
  readonly receivedAt: number;
}
