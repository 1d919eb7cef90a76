// The batches between the ring and their settlement, and the account of them.
import { type Control, SignalCounter } from './control.ts';
import type { Signal } from './otlp/record.ts';
import { BATCH_HEAD_BYTES_MAX } from './otlp/stream-frame.ts';

/** Bytes in front of a payload: room for gRPC's prefix and the stream's batch head, so that a payload never moves. */
export const HEADROOM_BYTES: number = 8 + BATCH_HEAD_BYTES_MAX;

/** One OTLP `Export…ServiceRequest` on its way: `buffer` from {@link HEADROOM_BYTES} on. */
export interface OutgoingBatch {
  readonly signal: Signal;
  readonly items: number;
  readonly buffer: Uint8Array;
}

/** Knows every batch that a client holds. Each is opened once and settled once. */
export class Ledger {
  /** Bytes of all open batches. */
  bytes = 0;
  /** Number of the batch opened last, counting from 1. */
  opened = 0;
  readonly #control: Control;
  /** In the order of opening. */
  readonly #open = new Map<OutgoingBatch, number>();

  constructor(control: Control) {
    this.#control = control;
  }

  open(batch: OutgoingBatch): void {
    this.bytes += batch.buffer.length;
    this.#open.set(batch, ++this.opened);
  }

  /** The batch is done with: delivered, but for `rejected` of its items. */
  settle(batch: OutgoingBatch, rejected = 0): void {
    if (!this.#open.delete(batch)) return;
    this.bytes -= batch.buffer.length;
    const refused = Math.min(rejected, batch.items);
    this.#control.count(SignalCounter.delivered, batch.signal, batch.items - refused);
    this.#control.count(SignalCounter.rejected, batch.signal, refused);
  }

  isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** Whether every batch up to the one with this number is settled. */
  isSettled(number: number): boolean {
    for (const oldest of this.#open.values()) return oldest > number;
    return true;
  }
}
