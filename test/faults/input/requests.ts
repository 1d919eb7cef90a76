// OTLP requests as inputs of the fuzzer: one byte that chooses the signal, then the protobuf of a request.
import fc from 'fast-check';
import { decodeLogs, decodeMetrics, decodeTraces, Signal } from 'tricord/otlp';
import type { Random } from '../../collector/queue/memory-disk.ts';
import { requests } from '../../transport/otlp/arbitrary-request.ts';
import * as wire from '../../transport/otlp/wire.ts';
import { chosen, type Decoder } from './decoder.ts';
import { reformed } from './proto-tree.ts';

const signals = [Signal.traces, Signal.metrics, Signal.logs] as const;

export const signalOf = (input: Uint8Array): Signal => signals[(input[0] ?? 0) % signals.length]!;
export const bodyOf = (input: Uint8Array): Uint8Array => input.subarray(1);

const choiceOf = (signal: Signal): number => signals.indexOf(signal);

/** Array and list values, in turns, so many within each other. */
function nestedValue(depth: number): Uint8Array {
  let value = wire.len(1, 'deep');
  for (let level = 1; level < depth; level++)
    value = level % 2 === 0 ? wire.len(5, wire.len(1, value)) : wire.len(6, wire.attribute(1, 'k', value));
  return value;
}

const span = wire.bytes(
  wire.ids,
  wire.len(5, 'GET /items'),
  wire.int(6, 2),
  wire.fixed64(7, 1_700_000_000_000_000_000n),
  wire.attribute(9, 'http.route', wire.len(1, '/items/é')),
  wire.attribute(9, 'list', nestedValue(3)),
  wire.len(11, wire.fixed64(1, 7n), wire.len(2, 'event')),
  wire.len(13, wire.traceId(1), wire.spanId(2)),
  wire.len(15, wire.int(3, 2)),
  wire.fixed32(16, 257),
);
const metrics = [
  wire.bytes(wire.len(1, 'gauge'), wire.len(5, wire.len(1, wire.fixed64(3, 1n), wire.double(4, 0.5)))),
  wire.bytes(
    wire.len(1, 'sum'),
    wire.len(7, wire.len(1, wire.fixed64(6, 3n)), wire.int(2, 2), wire.int(3, 1)),
  ),
  wire.bytes(
    wire.len(
      9,
      wire.len(1, wire.fixed64(4, 2n), wire.len(6, new Uint8Array(16)), wire.len(7, new Uint8Array(8))),
    ),
  ),
  wire.bytes(wire.len(10, wire.len(1, wire.int(6, 5), wire.len(8, wire.int(1, 3), wire.len(2, [1, 2, 3]))))),
  wire.bytes(wire.len(11, wire.len(1, wire.len(6, wire.double(1, 0.9), wire.double(2, 7))))),
];
const log = wire.bytes(
  wire.fixed64(1, 1n),
  wire.int(2, 9),
  wire.len(3, 'INFO'),
  wire.len(5, nestedValue(100)),
  wire.traceId(9),
);
const resource = wire.len(1, wire.len(1, wire.attribute(1, 'service.name', wire.len(1, 'shop'))));

export const requestSeeds: readonly Uint8Array[] = [
  chosen(choiceOf(Signal.traces), wire.bytes(resource, wire.request(span, span))),
  chosen(choiceOf(Signal.metrics), wire.request(...metrics)),
  chosen(choiceOf(Signal.logs), wire.request(log, wire.len(5, wire.len(7, [0xff, 0])))),
];

/** Tags, lengths and text that a reader must tell apart. */
export const requestWords: readonly Uint8Array[] = [
  ...Array.from({ length: 16 }, (_, field) => Uint8Array.from(wire.tag(field + 1, 2))),
  ...Array.from({ length: 16 }, (_, field) => Uint8Array.from(wire.tag(field + 1, 0))),
  wire.ids,
  wire.attribute(9, 'k', wire.int(3, -1)),
  wire.len(5, wire.len(1)),
  wire.len(7, wire.len(1)),
  Uint8Array.from(wire.varint(-1)),
  Uint8Array.from(wire.varint(2 ** 31)),
  Uint8Array.from(wire.varint(1, 10)),
  Uint8Array.of(0xed, 0xa0, 0x80),
];

/** Requests that pass the check. */
export const goodRequests: fc.Arbitrary<Uint8Array> = requests.map(([signal, bytes]) =>
  chosen(choiceOf(signal), bytes),
);

const nested = fc
  .integer({ min: 90, max: 110 })
  .map(depth => chosen(choiceOf(Signal.logs), wire.request(wire.len(5, nestedValue(depth)))));

const requestInputs: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: goodRequests, weight: 8 },
  { arbitrary: nested, weight: 1 },
);

function reformRequest(input: Uint8Array, random: Random): Uint8Array | undefined {
  const body = reformed(signalOf(input), bodyOf(input), random);
  return body && chosen(input[0]!, body);
}

/** Everything that the decoders hand over, and how many items it was. */
export function decodeAll(
  signal: Signal,
  bytes: Uint8Array,
): { readonly items: number; readonly all: unknown[] } {
  const all: unknown[] = [];
  let items = 0;
  const keep = (each: unknown): void => {
    all.push(each);
  };
  const groups = { resource: keep, scope: keep };
  const item = (each: unknown): void => {
    items++;
    all.push(each);
  };
  if (signal === Signal.traces) decodeTraces(bytes, { ...groups, span: item });
  else if (signal === Signal.logs) decodeLogs(bytes, { ...groups, logRecord: item });
  else
    decodeMetrics(bytes, {
      ...groups,
      metric: metric => {
        items += metric.data?.points.length ?? 0;
        all.push(metric);
      },
    });
  return { items, all };
}

/** What all decoders of requests are given. */
export const ofRequests: Pick<Decoder, 'seeds' | 'words' | 'inputs' | 'reform'> = {
  seeds: requestSeeds,
  words: requestWords,
  inputs: requestInputs,
  reform: reformRequest,
};
