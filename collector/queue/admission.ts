// What the queue takes: which batches, and how many bytes, on disk and, not durable yet, in memory.
import { type Batch, OfferError } from '../component.ts';

/*
 *   | on disk                    | waiting | free                 | bytesMax
 *                                |· at most waitingBytesMax ·|
 *
 * Invariant: on disk + waiting ≤ bytesMax, segment heads apart; a single record may exceed `waitingBytesMax` when nothing
 * else waits. Once an offer was refused, all are, until there is more room: a small batch never overtakes a large one.
 */

const retryAfterMs = 1000;
const sequenceMax = 2n ** 64n - 1n;
/** What a waiting record counts for at least: the objects around it take memory too. */
const waitingCostMin = 1024;

export interface AdmissionLimits {
  readonly directory: string;
  readonly bytesMax: number;
  readonly waitingBytesMax: number;
}

export class Admission {
  readonly #limits: AdmissionLimits;
  #diskBytes = 0;
  #waitingBytes = 0;
  /** Memory, where a small record counts for more than its bytes. */
  #waitingCost = 0;
  #full = false;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** The record waits from now on. @throws OfferError when it cannot be taken now, or never. */
  admit(bytes: number): void {
    const { directory, bytesMax, waitingBytesMax } = this.#limits;
    if (bytes > bytesMax / 2) {
      throw new OfferError(`a record of ${bytes} bytes is more than half of the queue (${bytesMax})`, false);
    }
    const full = this.#diskBytes + this.#waitingBytes + bytes > bytesMax;
    const cost = this.#waitingCost + costOf(bytes);
    if (full || (this.#waitingCost > 0 && cost > waitingBytesMax)) this.#full = true;
    if (this.#full) throw new OfferError(`the queue in ${directory} is full`, true, retryAfterMs);
    this.#waitingBytes += bytes;
    this.#waitingCost = cost;
  }

  /** A record of so many bytes waits no more: it is on disk, or refused. */
  release(bytes: number): void {
    this.#waitingBytes -= bytes;
    this.#waitingCost -= costOf(bytes);
    this.#full = false;
  }

  /** What lies on disk now. */
  measure(diskBytes: number): void {
    if (diskBytes < this.#diskBytes) this.#full = false;
    this.#diskBytes = diskBytes;
  }

  free(): number {
    if (this.#full) return 0;
    const { bytesMax, waitingBytesMax } = this.#limits;
    const onDisk = bytesMax - this.#diskBytes - this.#waitingBytes;
    return Math.max(0, Math.min(onDisk, waitingBytesMax - this.#waitingCost));
  }
}

function costOf(bytes: number): number {
  return Math.max(bytes, waitingCostMin);
}

/** @throws OfferError for what no retry would change. */
export function checkBatch({ items, source, origin }: Batch): void {
  if (!Number.isInteger(items) || items < 0 || items > 0xffff_ffff) {
    throw new OfferError(`a batch of ${items} items`, false);
  }
  if (source !== undefined && Buffer.byteLength(source) > 255) {
    throw new OfferError('the source of a batch is longer than 255 bytes', false);
  }
  if (origin === undefined) return;
  if (origin.instance.length !== 16 || origin.sequence < 1n || origin.sequence > sequenceMax) {
    throw new OfferError('an origin is an instance of 16 bytes and a sequence from 1 on', false);
  }
}
