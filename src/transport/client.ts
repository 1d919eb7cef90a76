// What the transport thread and its clients ask of each other.
import type { OutgoingBatch } from './ledger.ts';
import type { SamplingDirective } from './otlp/stream-frame.ts';

/** Delivers batches: keeps each until it is settled in the ledger, over as many connections as that takes. */
export interface Client {
  send(batch: OutgoingBatch): void;
  /** The collector holds back more than it takes: nothing new should be drained. */
  isBlocked(): boolean;
  /** Somebody waits for the batches: connect now, and follow failures with the next attempt quickly. */
  hurry(): void;
  /** Ends the connection in order. Batches that are not settled stay so. */
  close(): void;
}

export interface ClientEvents {
  /** A batch was settled, or there is room again. */
  progress(): void;
  connected(): void;
  /** An attempt to connect or a connection failed; the client tries again by itself. */
  failed(reason: string): void;
  /** A message of the collector made no sense: it was ignored, or ended the call. */
  nonsense(what: string): void;
  /** Items that the collector refused for good, with its reason. */
  rejected(reason: string): void;
  sampling(directive: SamplingDirective): void;
}
