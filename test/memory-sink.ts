// A Sink that keeps every committed frame: what the tests of the three paths look into.

import type { ScopeRecord, Signal, Sink } from 'tricord/otlp';
import { FrameKind, signalOf, Writer } from 'tricord/otlp';
import { FieldLevel, type FieldRules } from '../src/transport/otlp/field-rules.ts';
import { LineReaders, recordBytesMax } from '../src/transport/otlp/line/line-reader.ts';

export interface Frame {
  readonly signal: Signal;
  readonly scope: ScopeRecord;
  readonly items: number;
  /** One element of the repeated field 2 of ScopeSpans, ScopeMetrics or ScopeLogs, tag and length included. */
  readonly bytes: Uint8Array;
}

export class MemorySink implements Sink {
  readonly frames: Frame[] = [];
  /** What {@link Sink.room} and {@link Sink.samplingProbability} say. */
  share = 1;
  bound = 1;
  /** How often {@link Sink.leaveOut} was called, by signal. */
  readonly leftOut: Record<Signal, number> = { 1: 0, 2: 0, 3: 0 };
  /** While true, `begin` has no room. */
  full = false;
  refused = 0;
  overflowed = 0;
  /** Reads lines as the transport thread does. */
  readonly lines: LineReaders;
  readonly #scopes: ScopeRecord[] = [];
  readonly #window: Uint8Array;
  readonly #writer: Writer;
  #open: { kind: FrameKind; scope: number } | undefined;

  constructor(anchorUnixNanos: bigint = 0n, frameBytes: number = 256 * 1024, fields?: FieldRules) {
    this.lines = new LineReaders(fields && FieldLevel.of(fields));
    this.#window = new Uint8Array(frameBytes);
    this.#writer = new Writer(this.#window, anchorUnixNanos);
  }

  scope(scope: ScopeRecord): number {
    const known = this.#scopes.findIndex(each => JSON.stringify(each) === JSON.stringify(scope));
    return known >= 0 ? known : this.#scopes.push(scope) - 1;
  }

  begin(kind: FrameKind, scope: number, _vital = false): Writer | null {
    if (this.#open !== undefined) throw new Error('a frame is open already');
    if (this.full) {
      this.refused++;
      return null;
    }
    this.#open = { kind, scope };
    this.#writer.reset(this.#window, 0, this.#window.length);
    return this.#writer;
  }

  commit(items: number): boolean {
    if (this.#open === undefined) throw new Error('no frame is open');
    const { kind, scope } = this.#open;
    this.#open = undefined;
    if (this.#writer.overflowed) {
      this.overflowed++;
      return false;
    }
    const written = this.#window.slice(0, this.#writer.pos);
    const bytes = kind === FrameKind.line ? this.#read(written) : written;
    this.frames.push({ signal: signalOf(kind), scope: this.#scopes[scope]!, items, bytes });
    return true;
  }

  #read(frame: Uint8Array): Uint8Array {
    const writer = new Writer(new Uint8Array(recordBytesMax(frame.length)));
    this.lines.read(Buffer.from(frame), 0, frame.length, writer);
    return writer.bytes.subarray(0, writer.pos);
  }

  room(): number {
    return this.share;
  }

  samplingProbability(): number {
    return this.bound;
  }

  leaveOut(signal: Signal): void {
    this.leftOut[signal]++;
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
