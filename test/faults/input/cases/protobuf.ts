// Malformed and odd protobuf, item by item, over each receiver that takes protobuf.
import { Signal } from 'tricord/otlp';
import {
  type Home,
  harmless,
  homes,
  isPackable,
  nestedArrays,
  notUtf8,
} from '../../../transport/otlp/malformed.ts';
import * as wire from '../../../transport/otlp/wire.ts';
import { type Answer, type CaseItem, type InputCase, thinned, type Way } from './input-case.ts';

interface Message {
  readonly signal: Signal;
  readonly bytes: Uint8Array;
  readonly answer: Answer;
  /** Of one that is taken. */
  readonly items?: number;
}

const signals = [Signal.traces, Signal.metrics, Signal.logs] as const;

/** What is never to be seen in the store carries this name. */
export const MALFORMED = 'malformed';
const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

const span = (...fields: Uint8Array[]): Uint8Array => {
  const times = [wire.fixed64(7, now()), wire.fixed64(8, now())];
  return wire.request(wire.bytes(wire.ids, ...times, wire.len(5, MALFORMED), ...fields));
};
const log = (...fields: Uint8Array[]): Uint8Array =>
  wire.request(wire.bytes(wire.fixed64(1, now()), wire.len(5, wire.len(1, MALFORMED)), ...fields));
const gauge = (...fields: Uint8Array[]): Uint8Array =>
  wire.request(
    wire.bytes(wire.len(1, MALFORMED), wire.len(5, wire.len(1, wire.fixed64(3, now()), ...fields))),
  );

/** The fields in one item of each signal. */
const everywhere = (answer: Answer, ...fields: Uint8Array[]): Message[] => {
  const items = answer === 'taken' ? 1 : 0;
  return [
    { signal: Signal.traces, bytes: span(...fields), answer, items },
    { signal: Signal.metrics, bytes: gauge(...fields), answer, items },
    { signal: Signal.logs, bytes: log(...fields), answer, items },
  ];
};

function* wrongTypes(): Generator<Message> {
  const inEach = (signal: Signal): Home[] => homes(signal);
  for (const signal of signals)
    for (const { type, wrap } of inEach(signal))
      for (const field of type.fields)
        for (const wireType of [0, 1, 2, 5])
          if (wireType !== (field.tag & 7) && !(wireType === 2 && isPackable(field)))
            yield { signal, bytes: wrap(harmless(field.number, wireType)), answer: 'malformed' };
}

function* cut(): Generator<Message> {
  for (const whole of everywhere('malformed', wire.attribute(9, 'key', wire.int(3, 300))))
    for (let size = 1; size < whole.bytes.length; size++)
      yield { ...whole, bytes: whole.bytes.subarray(0, size) };
}

const wrongIds = [0, 7, 9, 15, 17, 32].flatMap((length): Message[] => {
  const id = new Uint8Array(length);
  const exemplar = wire.len(5, wire.len(5, id));
  const wrong: Message[] = [];
  if (length !== 0) wrong.push({ signal: Signal.metrics, bytes: gauge(exemplar), answer: 'malformed' });
  if (length !== 0) wrong.push({ signal: Signal.logs, bytes: log(wire.len(9, id)), answer: 'malformed' });
  return [...wrong, { signal: Signal.traces, bytes: span(wire.len(1, id)), answer: 'malformed' }];
});

const nested = (depth: number, answer: Answer): Message => {
  const body = wire.len(5, nestedArrays(depth - 1));
  return { signal: Signal.logs, bytes: wire.request(body), answer, items: 1 };
};

const nestedValues: readonly Message[] = [
  nested(100, 'taken'),
  ...[101, 1000, 10_000, 100_000].map(depth => nested(depth, 'malformed')),
];

/** The messages of each item of the list, made when they are needed. */
const items: Readonly<Partial<Record<CaseItem, () => Iterable<Message>>>> = {
  'every field in every wrong wire type': wrongTypes,
  groups: () =>
    [1, 5, 20, 40].flatMap(field =>
      [3, 4].flatMap(type => everywhere('malformed', wire.bytes(wire.tag(field, type)))),
    ),
  'wire types 6 and 7': () =>
    [5, 40].flatMap(field =>
      [6, 7].flatMap(type => everywhere('malformed', wire.bytes(wire.tag(field, type)))),
    ),
  'field 0': () => [0, 1, 2, 5].flatMap(type => everywhere('malformed', harmless(0, type))),
  'varints of 11 bytes and more': () =>
    [10, 11, 40].flatMap(padding =>
      everywhere('malformed', wire.bytes(wire.tag(31, 0), wire.varint(1, padding))),
    ),
  'negative and 2 GB lengths': () =>
    [-1, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n].flatMap(length =>
      everywhere('malformed', wire.bytes(wire.tag(31, 2), wire.varint(length), 'abc')),
    ),
  'truncation at each byte': cut,
  'nested values': () => nestedValues,
  'text that is no UTF-8': () =>
    notUtf8.flatMap((hex): Message[] => {
      const bytes = Buffer.from(hex, 'hex');
      return [
        { signal: Signal.traces, bytes: span(wire.len(5, bytes)), answer: 'malformed' },
        { signal: Signal.logs, bytes: log(wire.len(3, bytes)), answer: 'malformed' },
        { signal: Signal.metrics, bytes: wire.request(wire.len(1, bytes)), answer: 'malformed' },
      ];
    }),
  'singular fields that come twice': () => [
    {
      signal: Signal.traces,
      bytes: wire.request(wire.bytes(wire.ids, wire.ids, wire.len(15), wire.len(15))),
      answer: 'taken',
      items: 1,
    },
    {
      signal: Signal.metrics,
      bytes: wire.request(wire.bytes(wire.len(5, wire.len(1)), wire.len(7, wire.len(1)))),
      answer: 'taken',
      items: 1,
    },
    {
      signal: Signal.logs,
      bytes: wire.request(wire.bytes(wire.len(3, 'a'), wire.len(3, 'b'))),
      answer: 'taken',
      items: 1,
    },
  ],
  'unknown fields': () =>
    [21, 31, 2047, 2 ** 29 - 1].flatMap(field =>
      [0, 1, 2, 5].flatMap((type): Message[] => {
        const unknown = harmless(field, type);
        return [
          {
            signal: Signal.traces,
            bytes: wire.request(wire.bytes(wire.ids, unknown)),
            answer: 'taken',
            items: 1,
          },
          { signal: Signal.logs, bytes: wire.request(unknown), answer: 'taken', items: 1 },
        ];
      }),
    ),
  NaN: () =>
    [Number.NaN, Number.NEGATIVE_INFINITY].flatMap((value): Message[] => [
      {
        signal: Signal.metrics,
        bytes: wire.request(wire.len(5, wire.len(1, wire.double(4, value)))),
        answer: 'taken',
        items: 1,
      },
      {
        signal: Signal.traces,
        bytes: wire.request(wire.bytes(wire.ids, wire.attribute(9, 'k', wire.double(4, value)))),
        answer: 'taken',
        items: 1,
      },
    ]),
  'IDs of a wrong length': () => wrongIds,
};

const ways: readonly Way[] = ['grpc', 'protobuf', 'stream'];

export const protobufCases: readonly InputCase[] = (
  Object.entries(items) as [CaseItem, () => Iterable<Message>][]
).flatMap(([item, messages]) =>
  ways.map(way => ({
    item,
    name: way,
    async run(target, percent) {
      const all = thinned([...messages()], percent);
      for (const { signal, bytes, answer, items: number } of all)
        await target.expect(way, signal, bytes, answer, number);
      return all.length;
    },
  })),
);
