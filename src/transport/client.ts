// What the transport thread and its clients ask of each other.
import type { OutgoingBatch } from './ledger.ts';
import type { SamplingDirective } from './otlp/stream-frame.ts';

/** Delivers batches: keeps each until it is settled in the ledger, over as many connections as that takes. */
export interface Client {
  send(batch: OutgoingBatch): void;
  /** The collector holds back more than it takes: nothing new should be drained. */
  isBlocked(): boolean;
  /** What is sent now goes out at once. Else it may as well go on gathering: fewer batches, and fewer bytes around them. */
  isReady(): boolean;
  /** Somebody waits for the batches: connect now, and follow failures with the next attempt quickly. */
  hurry(): void;
  /** Ends the connection in order, within the time. Batches that are not settled stay so. */
  close(withinMs: number): Promise<void>;
  /** Ends everything now. */
  destroy(): void;
  /** What another client of the same instance must know to go on in the place of this one. */
  held(): Held;
}

/** The batches that a client holds, and where it is in its sequences. */
export interface Held {
  /** In order, under the sequences that they have; where one is missing it is settled. */
  readonly batches: readonly { readonly sequence: number; readonly batch: OutgoingBatch }[];
  /** The sequence of the batch that comes next. */
  readonly nextSequence: number;
  readonly highestSent: number;
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
