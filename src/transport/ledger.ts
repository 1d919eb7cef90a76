// The batches between the ring and their settlement, and the account of them.
import { limits } from '../limits.ts';
import { type Control, Outcome, SHARE_UNIT, SignalCounter, Word } from './control.ts';
import { type PROFILES, Signal } from './otlp/record.ts';
import { BATCH_HEAD_BYTES_MAX } from './otlp/stream-frame.ts';

/** Bytes in front of a payload: room for gRPC's prefix and the stream's batch head, in gzip or not, so that a payload never moves. */
export const HEADROOM_BYTES: number = 32 + BATCH_HEAD_BYTES_MAX;

/** One OTLP `Export…ServiceRequest`: `buffer` from {@link HEADROOM_BYTES} on. */
export interface OutgoingRequest {
  readonly signal: Signal | typeof PROFILES;
  readonly buffer: Uint8Array;
  /** Bytes of the request when what lies there is gzip of it. */
  readonly unpackedBytes?: number;
}

/** One of them on its way from the ring. */
export interface OutgoingBatch extends OutgoingRequest {
  readonly signal: Signal;
  readonly items: number;
}

/** Upper bound of the tags and lengths around one scope or one resource. */
export const ENVELOPE_BYTES = 24;

/** A buffer for any batch. What fills less than half of one gets memory of its own size. */
const SPARE_BYTES: number = HEADROOM_BYTES + limits.batch_bytes_max + ENVELOPE_BYTES;
const SPARE_BYTES_WORTH: number = SPARE_BYTES / 2;
/** What is kept free for the batches that are still gathering: one of each signal. */
const RESERVE_BYTES: number = Object.keys(Signal).length * limits.batch_bytes_max;
/** Large batches that are under way at the same time while a collector keeps up. */
const SPARES_MAX = 2;

/** When a batch was opened: as the how manieth, and by `performance.now()`. */
interface Opening {
  readonly number: number;
  readonly at: number;
}

/**
 * Knows every batch that a client holds. Each is opened once and settled once.
 *
 * Buffers of large batches are used again: to allocate half a MiB for each means page faults, and garbage outside of the
 * heap that brings about collections of all of it.
 */
export class Ledger {
  /** Bytes of all open batches. */
  bytes = 0;
  /** Number of the batch opened last, counting from 1. */
  opened = 0;
  readonly #control: Control;
  readonly #bytesMax: number;
  /** In the order of opening. */
  readonly #open = new Map<OutgoingBatch, Opening>();
  readonly #spares: Uint8Array[] = [];

  /** @param bytesMax of all open batches together; whoever opens them holds it, by {@link hasRoom} */
  constructor(control: Control, bytesMax: number) {
    this.#control = control;
    this.#bytesMax = bytesMax;
  }

  /** Whether there is room for one batch of every signal. */
  hasRoom(): boolean {
    return this.bytes + RESERVE_BYTES <= this.#bytesMax;
  }

  /** Memory for a batch of so many bytes, {@link HEADROOM_BYTES} included; what is in it is arbitrary. */
  room(bytes: number): Uint8Array {
    if (bytes < SPARE_BYTES_WORTH || bytes > SPARE_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return (this.#spares.pop() ?? Buffer.allocUnsafeSlow(SPARE_BYTES)).subarray(0, bytes);
  }

  /** Nobody reads the bytes of this settled batch any more. */
  reuse({ buffer }: OutgoingBatch): void {
    if (buffer.buffer.byteLength !== SPARE_BYTES || this.#spares.length >= SPARES_MAX) return;
    this.#spares.push(new Uint8Array(buffer.buffer));
  }

  open(batch: OutgoingBatch): void {
    this.#open.set(batch, { number: ++this.opened, at: performance.now() });
    this.#changeBytes(batch.buffer.length);
  }

  /** The batch is done with: delivered, but for `rejected` of its items. */
  settle(batch: OutgoingBatch, rejected = 0): void {
    const opening = this.#open.get(batch);
    if (opening === undefined) return;
    this.#open.delete(batch);
    this.#changeBytes(-batch.buffer.length);
    const refused = Math.min(rejected, batch.items);
    this.#control.count(SignalCounter.delivered, batch.signal, batch.items - refused);
    this.#control.count(SignalCounter.rejected, batch.signal, refused);
    const outcome = refused === 0 ? Outcome.success : Outcome.failure;
    this.#control.countDuration(batch.signal, outcome, (performance.now() - opening.at) / 1000);
  }

  #changeBytes(by: number): void {
    this.bytes += by;
    const share = this.bytes / (this.#bytesMax - RESERVE_BYTES);
    Atomics.store(this.#control.words, Word.held, Math.round(Math.min(share, 1) * SHARE_UNIT));
  }

  /** Items of a signal in all open batches. */
  items(signal: Signal): number {
    let items = 0;
    for (const batch of this.#open.keys()) if (batch.signal === signal) items += batch.items;
    return items;
  }

  /** The open batches, in the order of opening. */
  unsettled(): OutgoingBatch[] {
    return [...this.#open.keys()];
  }

  isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** Whether every batch up to the one with this number is settled. */
  isSettled(number: number): boolean {
    for (const oldest of this.#open.values()) return oldest.number > number;
    return true;
  }
}
