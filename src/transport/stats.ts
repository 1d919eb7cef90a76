// What the transport says of itself: counts of items by what became of them, and how it is at present.
import type { SignalName } from './otlp/record.ts';

/** Items of one signal since the start. `accepted = delivered + rejected + lost + pending`. */
export interface SignalStats {
  readonly accepted: number;
  readonly delivered: number;
  /** Refused by the collector for good. */
  readonly rejected: number;
  /** Held by a transport thread that died, or that was shut down before they were delivered. */
  readonly lost: number;
  readonly pending: number;
  /** Of those, what lies in the ring; the rest is with the transport thread. */
  readonly queued: number;
  /** By how much `pending` differs from what lies in the ring and with the thread: 0 whenever nothing moves. */
  readonly gap: number;
  /** Never made, for want of room or of budget: log records, and spans with all that would have been below them. Others carry the weight. */
  readonly leftOut: number;
  /** Never accepted: the ring was full, the record was over the limit of a frame, or the transport was shut down. */
  readonly dropped: { readonly full: number; readonly tooLarge: number; readonly closed: number };
}

export interface TransportStats {
  readonly signals: Readonly<Record<SignalName, SignalStats>>;
  /** Fill level of the ring, 0 to 1. */
  readonly level: number;
  /** Fill level of the buffer of batches that the collector has not acknowledged, 0 to 1. */
  readonly resendLevel: number;
  /** Bytes that the collector takes before it gives more credit; undefined where there is no stream. */
  readonly credit: number | undefined;
  /** The share of spans, and of log records below WARN, that there is room for now. */
  readonly room: number;
  /** Upper bound of the head sampling probability that the collector asks for; 1 when it asks for nothing. */
  readonly samplingProbability: number;
  readonly connected: boolean;
  readonly connections: number;
  readonly connectionFailures: number;
  readonly batchesSent: number;
  readonly batchesResent: number;
  readonly bytesSent: number;
  /** Messages of the collector that made no sense. */
  readonly nonsense: number;
  /** Log lines that were not one JSON object, or whose record was too large, and became a body as they are. */
  readonly malformedLines: number;
  /** Values of log lines that were cut to the length limit. */
  readonly truncatedLines: number;
  /** Transport threads that died; each is followed by a new one. */
  readonly deaths: number;
  /** The last thing that went wrong, for people. */
  readonly lastFailure: string | undefined;
}
