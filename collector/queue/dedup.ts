// Which sequences of which stream instances are durable already: a bounded horizon, written into each segment's head.
import type { Origin } from '../component.ts';

/*
 * Per instance: 1 … durable | durable + 1 … waiting | not offered yet. Least recently used instances go first when there
 * are more than `instancesMax`: a resend of theirs is not recognised any more.
 */

const entryBytes = 24;

interface Progress {
  durable: bigint;
  /** Highest sequence that is appended or about to be. */
  waiting: bigint;
}

export class Horizon {
  readonly #instancesMax: number;
  readonly #progress = new Map<string, Progress>();
  /** Instances with `waiting` above `durable`. */
  readonly #unsettled = new Set<Progress>();

  constructor(instancesMax: number) {
    this.#instancesMax = instancesMax;
  }

  durableSequence(instance: Uint8Array): bigint {
    return this.#progress.get(keyOf(instance))?.durable ?? 0n;
  }

  /** Whether a batch of this origin is durable, on its way, or new. */
  state(origin: Origin): 'durable' | 'waiting' | 'new' {
    const progress = this.#progress.get(keyOf(origin.instance));
    if (progress === undefined || origin.sequence > progress.waiting) return 'new';
    return origin.sequence <= progress.durable ? 'durable' : 'waiting';
  }

  /** A batch of this origin is on its way. */
  claim(origin: Origin): void {
    const progress = this.#touch(origin.instance);
    progress.waiting = origin.sequence;
    this.#unsettled.add(progress);
  }

  settle(origin: Origin): void {
    const progress = this.#touch(origin.instance);
    if (origin.sequence > progress.durable) progress.durable = origin.sequence;
    if (progress.waiting <= progress.durable) {
      progress.waiting = progress.durable;
      this.#unsettled.delete(progress);
    }
  }

  /** Nothing that was on its way arrives. */
  abandon(): void {
    for (const progress of this.#unsettled) progress.waiting = progress.durable;
    this.#unsettled.clear();
  }

  get size(): number {
    return this.#progress.size;
  }

  /** Instances with their durable sequence, least recently used first: 16 and 8 bytes each. */
  encode(): Buffer {
    const bytes = Buffer.alloc(this.#progress.size * entryBytes);
    let at = 0;
    for (const [key, { durable }] of this.#progress) {
      if (durable === 0n) continue;
      bytes.write(key, at, 16, 'latin1');
      bytes.writeBigUInt64LE(durable, at + 16);
      at += entryBytes;
    }
    return bytes.subarray(0, at);
  }

  merge(encoded: Buffer): void {
    for (let at = 0; at + entryBytes <= encoded.length; at += entryBytes) {
      this.settle({ instance: encoded.subarray(at, at + 16), sequence: encoded.readBigUInt64LE(at + 16) });
    }
  }

  #touch(instance: Uint8Array): Progress {
    const key = keyOf(instance);
    const known = this.#progress.get(key);
    const progress = known ?? { durable: 0n, waiting: 0n };
    if (known !== undefined) this.#progress.delete(key);
    this.#progress.set(key, progress);
    if (known === undefined && this.#progress.size > this.#instancesMax) this.#evict();
    return progress;
  }

  #evict(): void {
    for (const [key, progress] of this.#progress) {
      if (this.#unsettled.has(progress)) continue;
      this.#progress.delete(key);
      return;
    }
  }
}

/** The largest horizon, in instances, that takes at most a quarter of a segment. */
export function instancesFor(segmentBytes: number, instancesMax: number): number {
  return Math.max(1, Math.min(instancesMax, Math.floor(segmentBytes / 4 / entryBytes)));
}

function keyOf(instance: Uint8Array): string {
  return Buffer.from(instance.buffer, instance.byteOffset, instance.length).toString('latin1');
}
