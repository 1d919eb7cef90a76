// What the transport's tests share: options with short lingers, and records that say which one they are.
import { randomBytes } from 'node:crypto';
import { limits } from '../../src/limits.ts';
import { Reader } from '../../src/transport/otlp/reader.ts';
import { Signal, type Sink } from '../../src/transport/otlp/record.ts';
import type { TransportOptions } from '../../src/transport/transport.ts';

/** `Resource { attributes: 1 KeyValue { key: "a" } }`. */
export const resource: Uint8Array = Uint8Array.of(0x0a, 3, 0x0a, 1, 0x61);

/** Where the loop between ring and collector runs. */
export const places: readonly { readonly place: string; readonly thread: boolean }[] = [
  { place: 'in a thread of its own', thread: true },
  { place: 'on the event loop', thread: false },
];

export function transportOptions(
  endpoint: string,
  changes: Partial<TransportOptions> = {},
): TransportOptions {
  return {
    endpoint,
    protocol: 'grpc',
    headers: {},
    timeoutMs: 5000,
    instanceId: randomBytes(16),
    resource,
    anchorUnixNanos: 0n,
    ringBytes: 1 << 20,
    resendBytes: limits.resend_bytes_min,
    tracesLingerMs: 5,
    logsLingerMs: 5,
    thread: true,
    flushTimeoutMs: 5000,
    ...changes,
  };
}

/** Writes a record that holds `id` and `size` bytes of filling: element 2 of its scope, `{ 1: id, 2: bytes }`. */
export function put(
  sink: Sink,
  id: number,
  size = 0,
  signal: Signal = Signal.traces,
  scope = 'test',
): boolean {
  return putBytes(sink, id, new Uint8Array(size).fill(id), signal, scope);
}

/** The same with filling of one's own. */
export function putBytes(
  sink: Sink,
  id: number,
  filling: Uint8Array,
  signal: Signal = Signal.traces,
  scope = 'test',
): boolean {
  const writer = sink.begin(signal, sink.scope({ name: scope }), true);
  if (writer === null) return false;
  const mark = writer.message(2);
  writer.uint(1, id);
  writer.blob(2, filling);
  writer.close(mark);
  return sink.commit(1);
}

/** The ids of the records in an export request, in order, by scope name. */
export function idsByScope(payload: Uint8Array): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const resourceSpans of values(payload, 1)) {
    for (const scopeSpans of values(resourceSpans, 2)) {
      const name = Buffer.from(values(values(scopeSpans, 1)[0]!, 1)[0]!).toString();
      const ids = values(scopeSpans, 2).map(record => {
        const reader = new Reader(record);
        reader.tag();
        return reader.varint();
      });
      found.set(name, [...(found.get(name) ?? []), ...ids]);
    }
  }
  return found;
}

export function idsOf(payloads: readonly Uint8Array[]): number[] {
  return payloads.flatMap(payload => [...idsByScope(payload).values()].flat());
}

/** The contents of a message's length-delimited fields with this number. */
export function values(message: Uint8Array, field: number): Uint8Array[] {
  const reader = new Reader(message);
  const found: Uint8Array[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === field * 8 + 2) found.push(reader.view());
    else reader.skip(tag);
  }
  return found;
}
