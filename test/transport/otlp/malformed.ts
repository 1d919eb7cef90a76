// Malformed protobuf by hand: fields in every message that a request can have, values too deep, text that is no UTF-8.
import type { Signal } from '../../../src/transport/otlp/index.ts';
import { type Field, type MessageType, requestTypes } from '../../../src/transport/otlp/schema.ts';
import * as wire from './wire.ts';

/** A field of the given wire type whose value is harmless: no fault but, perhaps, the wire type. */
export const harmless = (field: number, wireType: number): Uint8Array =>
  [
    wire.int(field, 1),
    wire.fixed64(field, 1n),
    wire.len(field),
    undefined,
    undefined,
    wire.fixed32(field, 1),
  ][wireType]!;

export interface Home {
  readonly type: MessageType;
  /** Puts fields of this type where a request has them. */
  readonly wrap: (fields: Uint8Array) => Uint8Array;
  readonly path: string;
}

/** Every message type of a signal, with one way to it. */
export function homes(signal: Signal): Home[] {
  const found: Home[] = [{ type: requestTypes[signal], wrap: fields => fields, path: '' }];
  for (const home of found)
    for (const field of home.type.fields) {
      const { message } = field;
      if (message === undefined || found.some(({ type }) => type === message)) continue;
      const path = `${home.path}${field.name}${field.repeated ? '[0]' : ''}.`;
      const before = home.type.name === 'Span' ? wire.ids : wire.bytes();
      const wrap = (fields: Uint8Array): Uint8Array =>
        home.wrap(wire.bytes(before, wire.len(field.number, fields)));
      found.push({ type: message, wrap, path });
    }
  return found;
}

/** Whether a field's elements may come packed, in one length. */
export const isPackable = (field: Field): boolean => field.repeated && (field.tag & 7) !== 2;

/** Bytes that are no UTF-8, in hexadecimal. */
export const notUtf8: readonly string[] = [
  '80',
  'bf',
  'c0af',
  'c1bf',
  'c3',
  'c328',
  'e0809f',
  'e282',
  'e28228',
  'f09f2892',
  'f09f9228',
  'eda080',
  'edbfbf',
  'f08080af',
  'f09f92',
  'f4908080',
  'f5808080',
  'fe',
  'ff',
];

/** Array values within each other, built in linear time: lengths counted from the inside out. */
export function nestedArrays(depth: number): Uint8Array {
  const parts: number[][] = [];
  let length = 0;
  for (let i = 0; i < depth * 2; i++) {
    const head = [...wire.tag(i % 2 === 0 ? 1 : 5, 2), ...wire.varint(length)];
    parts.push(head);
    length += head.length;
  }
  return wire.bytes(parts.reverse().flat());
}
