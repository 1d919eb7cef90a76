// The compact binary form of a context, for carriers that are not text (message headers, shared memory, job queues).
import type { Baggage } from '@opentelemetry/api';
import { limits } from '../limits.ts';
import { parseBaggage, serializeBaggage } from './baggage.ts';
import { FLAG_RANDOM, FLAG_SAMPLED, SpanIdentity } from './identity.ts';
import type { LabelValue } from './labels.ts';
import { Labels } from './labels.ts';
import { TraceState } from './tracestate.ts';

/*
 * Version 1. Numbers are big-endian, texts UTF-8 behind a 16-bit length in bytes:
 *
 *   offset  0        1      2          18        26           then          then
 *         ┌────────┬──────┬──────────┬─────────┬────────────┬─────────────┬───────┬ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┐
 *         │version │flags │ trace ID │ span ID │ tracestate │   baggage   │ count │ key, type, value; per label
 *         │  = 1   │      │ 16 bytes │ 8 bytes │    text    │    text     │ 1 byte│                              │
 *         └────────┴──────┴──────────┴─────────┴────────────┴─────────────┴───────┴ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┘
 *
 * Flags are the trace flags of W3C. Both IDs zero: no identity. Type 0 false, 1 true (no value), 2 a float64, 3 a text.
 * Invariant: what is read is exactly as long as its lengths say; a byte missing or left over refuses the whole.
 */
const VERSION = 1;
const HEADER_BYTES = 26;
const TypeOf = { false: 0, true: 1, number: 2, text: 3 } as const;

/** What of a context crosses a process boundary. */
export interface ContextParts {
  readonly identity: SpanIdentity | undefined;
  readonly baggage: Baggage | undefined;
  readonly labels: Labels;
}

/** At most about 45 KB: tracestate, baggage and labels are bounded each. */
export function encodeContext(parts: ContextParts): Uint8Array {
  const { identity, labels } = parts;
  const chunks: Uint8Array[] = [
    Uint8Array.of(VERSION, identity?.traceFlags ?? 0),
    identity?.toBytes() ?? new Uint8Array(HEADER_BYTES - 2),
    textChunk(identity?.traceState?.serialize() ?? ''),
    textChunk((parts.baggage && serializeBaggage(parts.baggage)) ?? ''),
    Uint8Array.of(labels.count),
  ];
  for (let i = 0; i < labels.count; i++)
    chunks.push(textChunk(labels.keys[i]!), valueChunk(labels.values[i]!));
  return Buffer.concat(chunks);
}

function textChunk(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function valueChunk(value: LabelValue): Uint8Array {
  if (typeof value === 'boolean') return Uint8Array.of(value ? TypeOf.true : TypeOf.false);
  if (typeof value === 'string') return Buffer.concat([Uint8Array.of(TypeOf.text), textChunk(value)]);
  const bytes = Buffer.alloc(9);
  bytes[0] = TypeOf.number;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

/** Reads {@link encodeContext}; undefined for anything that is not exactly that. Never throws. */
export function decodeContext(bytes: Uint8Array): ContextParts | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return undefined;
  const cursor = new Cursor(bytes, HEADER_BYTES);
  const traceState = TraceState.parse(cursor.text());
  const baggage = parseBaggage(cursor.text());
  const labels = readLabels(cursor);
  if (!cursor.complete) return undefined;
  const flags = bytes[1]! & (FLAG_SAMPLED | FLAG_RANDOM);
  return { identity: SpanIdentity.fromBytes(bytes, 2, flags, traceState, true), baggage, labels };
}

function readLabels(cursor: Cursor): Labels {
  const count = cursor.byte();
  if (count > limits.labels_max) cursor.fail();
  const entries: Record<string, LabelValue> = Object.create(null);
  for (let i = 0; i < count && cursor.intact; i++) {
    const key = cursor.text();
    entries[key] = readValue(cursor);
  }
  return Labels.empty.with(entries);
}

function readValue(cursor: Cursor): LabelValue {
  const type = cursor.byte();
  if (type === TypeOf.text) return cursor.text();
  if (type === TypeOf.number) return cursor.double();
  if (type > TypeOf.text) cursor.fail();
  return type === TypeOf.true;
}

/** Reads forward; a read past the end yields zero values and marks the whole as broken. */
class Cursor {
  readonly #bytes: Buffer;
  #pos: number;
  intact = true;

  constructor(bytes: Uint8Array, pos: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#pos = pos;
  }

  /** Everything was there, and nothing is left. */
  get complete(): boolean {
    return this.intact && this.#pos === this.#bytes.length;
  }

  fail(): void {
    this.intact = false;
  }

  /** Where `size` bytes lie, past which the cursor then stands; -1 when they are not there. */
  #take(size: number): number {
    const at = this.#pos;
    if (!this.intact || at + size > this.#bytes.length) {
      this.intact = false;
      return -1;
    }
    this.#pos = at + size;
    return at;
  }

  byte(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes[at]!;
  }

  double(): number {
    const at = this.#take(8);
    return at < 0 ? 0 : this.#bytes.readDoubleBE(at);
  }

  text(): string {
    const lengthAt = this.#take(2);
    if (lengthAt < 0) return '';
    const length = this.#bytes.readUInt16BE(lengthAt);
    const at = this.#take(length);
    return at < 0 ? '' : this.#bytes.toString('utf8', at, at + length);
  }
}
