// What the queue takes: which batches, and how many bytes, on disk and, not durable yet, in memory.
import { type Batch, OfferError } from '../component.ts';
import type { FullPolicy } from './queue.ts';

/*
 *   | on disk                    | waiting | free                 | bytesMax
 *                                |· at most waitingBytesMax ·|
 *
 * Invariant: on disk + waiting ≤ bytesMax, segment heads apart; a single record may exceed `waitingBytesMax` when nothing
 * else waits. Once an offer was refused, all are, until there is more room: a small batch never overtakes a large one.
 * Where the oldest are dropped, they make room for what waits: waiting ≤ bytesMax / 2 then.
 */

const retryAfterMs = 1000;
const sequenceMax = 2n ** 64n - 1n;
/** What a waiting record counts for at least: the objects around it take memory too. */
const waitingCostMin = 1024;

export interface AdmissionLimits {
  readonly directory: string;
  readonly bytesMax: number;
  readonly waitingBytesMax: number;
  readonly whenFull: FullPolicy;
}

export class Admission {
  /** What is on disk has waited for too long: nothing is taken until it has gone. */
  overdue = false;
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
    if (this.overdue) {
      throw new OfferError(`the queue in ${directory} holds what is too old`, true, retryAfterMs);
    }
    const full = bytes > this.#room();
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
    if (this.#full || this.overdue) return 0;
    return Math.max(0, Math.min(this.#room(), this.#limits.waitingBytesMax - this.#waitingCost));
  }

  /** Bytes that the disk still takes beside what waits, or that waiting records may take from the oldest. */
  #room(): number {
    const { bytesMax, whenFull } = this.#limits;
    const most = whenFull === 'drop_oldest' ? bytesMax / 2 : bytesMax - this.#diskBytes;
    return Math.floor(most - this.#waitingBytes);
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
