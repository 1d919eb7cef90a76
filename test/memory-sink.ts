// A Sink that keeps every committed frame: what the tests of the three paths look into.

import type { ScopeRecord, Signal, Sink } from 'tricord/otlp';
import { Writer } from 'tricord/otlp';

export interface Frame {
  readonly signal: Signal;
  readonly scope: ScopeRecord;
  readonly items: number;
  /** One element of the repeated field 2 of ScopeSpans, ScopeMetrics or ScopeLogs, tag and length included. */
  readonly bytes: Uint8Array;
}

export class MemorySink implements Sink {
  readonly frames: Frame[] = [];
  /** What {@link Sink.level} says. */
  fill = 0;
  /** While true, `begin` has no room. */
  full = false;
  refused = 0;
  overflowed = 0;
  readonly #scopes: ScopeRecord[] = [];
  readonly #window: Uint8Array;
  readonly #writer: Writer;
  #open: { signal: Signal; scope: number } | undefined;

  constructor(anchorUnixNanos: bigint = 0n, frameBytes: number = 256 * 1024) {
    this.#window = new Uint8Array(frameBytes);
    this.#writer = new Writer(this.#window, anchorUnixNanos);
  }

  scope(scope: ScopeRecord): number {
    const known = this.#scopes.findIndex(each => JSON.stringify(each) === JSON.stringify(scope));
    return known >= 0 ? known : this.#scopes.push(scope) - 1;
  }

  begin(signal: Signal, scope: number): Writer | null {
    if (this.#open !== undefined) throw new Error('a frame is open already');
    if (this.full) {
      this.refused++;
      return null;
    }
    this.#open = { signal, scope };
    this.#writer.reset(this.#window, 0, this.#window.length);
    return this.#writer;
  }

  commit(items: number): boolean {
    if (this.#open === undefined) throw new Error('no frame is open');
    const { signal, scope } = this.#open;
    this.#open = undefined;
    if (this.#writer.overflowed) {
      this.overflowed++;
      return false;
    }
    const bytes = this.#window.slice(0, this.#writer.pos);
    this.frames.push({ signal, scope: this.#scopes[scope]!, items, bytes });
    return true;
  }

  level(): number {
    return this.fill;
  }

  /** The frames of one signal as the bytes of one request with a single scope: `…Request{resource_…=1{scope_…=2{frames}}}`. */
  request(signal: Signal): Uint8Array {
    const frames = this.frames.filter(frame => frame.signal === signal);
    const size = frames.reduce((sum, frame) => sum + frame.bytes.length, 64);
    const writer = new Writer(new Uint8Array(size));
    const resource = writer.message(1);
    const scope = writer.message(2);
    for (const frame of frames) writer.raw(frame.bytes);
    writer.close(scope);
    writer.close(resource);
    return writer.bytes.subarray(0, writer.pos);
  }
}
