// Which sequences of which stream instances are durable already: a bounded horizon, written into each segment's head.
import type { Origin } from '../component.ts';

/*
 * Sequences of one instance:
 *
 *   | 1 … durable | missing, ahead, missing, ahead … | up to waiting | not offered yet
 *
 * Batches of an instance are offered in order, so `durable` alone says it, with one exception: a power loss can take
 * a batch that nobody has acknowledged and leave a later one. The later one is `ahead` until the missing one has come
 * again, or a newer one shows that it never will.
 *
 * Least recently used instances go first when there are more than `instancesMax`: a resend of theirs is not recognised.
 */

const entryBytes = 24;

interface Progress {
  durable: bigint;
  /** Highest sequence that is appended or about to be. */
  waiting: bigint;
  ahead: Set<bigint> | undefined;
}

export class Horizon {
  readonly #instancesMax: number;
  readonly #progress = new Map<string, Progress>();
  /** Instances with something on its way. */
  readonly #unsettled = new Set<Progress>();

  constructor(instancesMax: number) {
    this.#instancesMax = instancesMax;
  }

  get size(): number {
    return this.#progress.size;
  }

  durableSequence(instance: Uint8Array): bigint {
    return this.#progress.get(keyOf(instance))?.durable ?? 0n;
  }

  /** Whether a batch of this origin is durable, on its way, or new. */
  state({ instance, sequence }: Origin): 'durable' | 'waiting' | 'new' {
    const progress = this.#progress.get(keyOf(instance));
    if (progress === undefined) return 'new';
    if (sequence <= progress.durable || progress.ahead?.has(sequence)) return 'durable';
    return sequence <= progress.waiting ? 'waiting' : 'new';
  }

  /** A batch of this origin is on its way. */
  claim(origin: Origin): void {
    const progress = this.#touch(origin.instance);
    progress.waiting = origin.sequence;
    this.#unsettled.add(progress);
  }

  /** A batch of this origin is durable, and so is, or never comes, every one before it. */
  settle(origin: Origin): void {
    const progress = this.#touch(origin.instance);
    if (origin.sequence > progress.durable) progress.durable = origin.sequence;
    if (progress.ahead !== undefined) catchUp(progress, progress.ahead);
    if (progress.waiting <= progress.durable) {
      progress.waiting = progress.durable;
      this.#unsettled.delete(progress);
    }
  }

  /** A batch of this origin is durable, and batches before it may be missing. */
  settleAhead(origin: Origin): void {
    const progress = this.#touch(origin.instance);
    progress.ahead ??= new Set();
    progress.ahead.add(origin.sequence);
    catchUp(progress, progress.ahead);
  }

  /** Nothing that was on its way arrives. */
  abandon(): void {
    for (const progress of this.#unsettled) progress.waiting = progress.durable;
    this.#unsettled.clear();
  }

  /** Instances with their durable sequence, least recently used first: 16 and 8 bytes each. */
  encodeDurable(): Buffer {
    return encode([...this.#progress].map(([key, { durable }]) => [key, durable] as const));
  }

  /** Instances with each sequence that is ahead. */
  encodeAhead(): Buffer {
    return encode(
      [...this.#progress].flatMap(([key, { ahead }]) =>
        ahead === undefined ? [] : [...ahead].map(sequence => [key, sequence] as const),
      ),
    );
  }

  mergeDurable(encoded: Buffer): void {
    for (const origin of decode(encoded)) this.settle(origin);
  }

  mergeAhead(encoded: Buffer): void {
    for (const origin of decode(encoded)) this.settleAhead(origin);
  }

  #touch(instance: Uint8Array): Progress {
    const key = keyOf(instance);
    const known = this.#progress.get(key);
    const progress = known ?? { durable: 0n, waiting: 0n, ahead: undefined };
    if (known !== undefined) this.#progress.delete(key);
    this.#progress.set(key, progress);
    if (known === undefined && this.#progress.size > this.#instancesMax) this.#evict(progress);
    return progress;
  }

  /** What is on its way stays, even if that makes the horizon larger for a while. */
  #evict(newest: Progress): void {
    for (const [key, progress] of this.#progress) {
      if (progress === newest || this.#unsettled.has(progress)) continue;
      this.#progress.delete(key);
      return;
    }
  }
}

/** The largest horizon, in instances, that takes at most a quarter of a segment. */
export function instancesFor(segmentBytes: number, instancesMax: number): number {
  return Math.max(1, Math.min(instancesMax, Math.floor(segmentBytes / 4 / entryBytes)));
}

/** Moves `durable` over what was ahead and is connected now; forgets what it has passed. */
function catchUp(progress: Progress, ahead: Set<bigint>): void {
  while (ahead.has(progress.durable + 1n)) progress.durable++;
  for (const sequence of ahead) if (sequence <= progress.durable) ahead.delete(sequence);
  if (ahead.size === 0) progress.ahead = undefined;
}

function encode(entries: readonly (readonly [key: string, sequence: bigint])[]): Buffer {
  const bytes = Buffer.alloc(entries.length * entryBytes);
  let at = 0;
  for (const [key, sequence] of entries) {
    if (sequence === 0n) continue;
    bytes.write(key, at, 16, 'latin1');
    bytes.writeBigUInt64LE(sequence, at + 16);
    at += entryBytes;
  }
  return bytes.subarray(0, at);
}

function* decode(bytes: Buffer): Generator<Origin> {
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    yield { instance: bytes.subarray(at, at + 16), sequence: bytes.readBigUInt64LE(at + 16) };
  }
}

function keyOf(instance: Uint8Array): string {
  return Buffer.from(instance.buffer, instance.byteOffset, instance.length).toString('latin1');
}
