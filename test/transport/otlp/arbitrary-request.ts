// Any OTLP request: a generator of well-formed ones, led by the table of messages.
import fc from 'fast-check';
import { Signal } from '../../../src/transport/otlp/index.ts';
import { type Field, type MessageType, requestTypes } from '../../../src/transport/otlp/schema.ts';
import * as wire from './wire.ts';

export const int64: fc.Arbitrary<bigint> = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
export const uint64: fc.Arbitrary<bigint> = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('__proto__', 'constructor', ''),
);

/** Fields of a scalar kind, as protobuf by hand. */
function scalar({ number, kind, names }: Field): fc.Arbitrary<Uint8Array> {
  switch (kind) {
    case 'string':
      return text.map(value => wire.len(number, value));
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 }).map(value => wire.len(number, value));
    case 'traceId':
    case 'traceIdOrNone':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(id => wire.len(number, id));
    case 'spanId':
    case 'spanIdOrNone':
      return fc.uint8Array({ minLength: 8, maxLength: 8 }).map(id => wire.len(number, id));
    case 'bool':
      return fc.nat(1).map(value => wire.int(number, value));
    case 'enum':
      return fc.nat(names!.size - 1).map(value => wire.int(number, value));
    case 'uint32':
    case 'sint32':
      return fc.nat(2 ** 32 - 1).map(value => wire.int(number, value));
    case 'int64':
      return int64.map(value => wire.int(number, value));
    case 'uint64':
      return uint64.map(value => wire.int(number, value));
    case 'fixed32':
      return fc.nat(2 ** 32 - 1).map(value => wire.fixed32(number, value));
    case 'double':
      return fc.double().map(value => wire.double(number, value));
    default:
      return uint64.map(value => wire.fixed64(number, value));
  }
}

/** Messages of a type: some of its fields, in any order, each field once unless repeated, of a oneof one or, seldom, several. */
function message(type: MessageType, depth = 0): fc.Arbitrary<Uint8Array> {
  const deep = depth > 12;
  const fields = type.fields.filter(field => !(deep && field.message));
  const parts = fields.map(field => {
    const one: fc.Arbitrary<Uint8Array> = field.message
      ? fc
          .constant(field.message)
          .chain(inner => message(inner, depth + 1))
          .map(content => wire.len(field.number, content))
      : scalar(field);
    if (field.repeated)
      return fc.array(one, { minLength: depth < 3 ? 1 : 0, maxLength: 2 }).map(all => wire.bytes(...all));
    return field.kind === 'traceId' || field.kind === 'spanId'
      ? one
      : fc.option(one, { nil: wire.bytes(), freq: 2 });
  });
  const singles = fields.flatMap((field, i) => (field.oneof ? [] : [parts[i]!]));
  const choices = fields.flatMap((field, i) => (field.oneof ? [parts[i]!] : []));
  const oneof = choices.length > 0 ? [oneOrSeveral(choices)] : [];
  return fc
    .tuple(fc.tuple(...singles, ...oneof), fc.infiniteStream(fc.nat()))
    .map(([all, order]) => wire.bytes(...shuffled(all, order)));
}

function oneOrSeveral(choices: readonly fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Uint8Array> {
  const one = fc.oneof(...choices);
  const several = fc.array(one, { minLength: 2, maxLength: 3 }).map(all => wire.bytes(...all));
  return fc.oneof({ arbitrary: one, weight: 9 }, { arbitrary: several, weight: 1 });
}

function shuffled<T>(all: readonly T[], order: Iterator<number>): T[] {
  const keyed = all.map(each => [order.next().value as number, each] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, each]) => each);
}

export const signals: fc.Arbitrary<Signal> = fc.constantFrom(...Object.values(Signal));
export const requests: fc.Arbitrary<[Signal, Uint8Array]> = signals.chain(signal =>
  fc.tuple(fc.constant(signal), message(requestTypes[signal])),
);
