// Protobuf → OTLP/JSON, led by the table of messages.
import { nameFault } from './fault.ts';
import { printDouble } from './json-number.ts';
import { Reader, WireError } from './reader.ts';
import { Signal } from './record.ts';
import { ANY_VALUE_DEPTH_MAX, type Field, type MessageType, requestTypes } from './schema.ts';
import { WireType } from './writer.ts';

type Json = string | number | boolean | JsonObject | Json[];
interface JsonObject {
  [key: string]: Json;
}

/**
 * The OTLP/JSON text of a request, or of `TracesData`, `LogsData`, `MetricsData`: lowerCamelCase keys, IDs hexadecimal, other
 * bytes base64, 64-bit integers as strings, enums as numbers. Unknown fields are left out; of a oneof the last one counts.
 * Throws {@link WireError} for bytes that are no protobuf and for more than 100 nested values.
 */
export function toJson(signal: Signal, bytes: Uint8Array): string {
  const type = requestTypes[signal];
  try {
    return JSON.stringify(read(new Reader(bytes), type, {}, 0));
  } catch (error) {
    throw nameFault(type, bytes, error);
  }
}

/** {@link toJson} of `opentelemetry.proto.trace.v1.TracesData`. */
export function tracesToJson(bytes: Uint8Array): string {
  return toJson(Signal.traces, bytes);
}

/** Reads the rest of the reader's window into `object`, whose keys are those of the table only. */
function read(reader: Reader, type: MessageType, object: JsonObject, depth: number): JsonObject {
  while (reader.more()) {
    const at = reader.pos;
    const tag = reader.tag();
    const field = type.byNumber.get(tag >>> 3);
    if (field?.tag === tag) readField(reader, field, object, depth);
    else if (field?.repeated && (tag & 7) === WireType.len) readPacked(reader, field, object);
    else if (field) throw new WireError('a field of the wrong wire type', at);
    else reader.skip(tag);
  }
  return object;
}

function readField(reader: Reader, field: Field, object: JsonObject, depth: number): void {
  const { jsonName, repeated, message, oneof } = field;
  const before = object[jsonName];
  for (const other of oneof ?? []) if (other !== field) delete object[other.jsonName];
  const value = message
    ? readMessage(reader, message, repeated ? undefined : before, depth)
    : scalars[field.kind as keyof typeof scalars](reader);
  if (!repeated) object[jsonName] = value;
  else if (before === undefined) object[jsonName] = [value];
  else (before as Json[]).push(value);
}

/** A message that comes in parts is merged into `before`. */
function readMessage(reader: Reader, type: MessageType, before: Json | undefined, depth: number): JsonObject {
  const inner = depth + (type.name === 'AnyValue' ? 1 : 0);
  if (inner > ANY_VALUE_DEPTH_MAX)
    throw new WireError(`more than ${ANY_VALUE_DEPTH_MAX} nested values`, reader.pos);
  const outer = reader.enter();
  const object = read(reader, type, (before as JsonObject | undefined) ?? {}, inner);
  reader.leave(outer);
  return object;
}

function readPacked(reader: Reader, field: Field, object: JsonObject): void {
  const values = (object[field.jsonName] ?? []) as Json[];
  object[field.jsonName] = values;
  const outer = reader.enter();
  while (reader.more()) values.push(scalars[field.kind as keyof typeof scalars](reader));
  reader.leave(outer);
}

const hex = (reader: Reader): string => toBuffer(reader.view()).toString('hex');

const scalars: Readonly<Record<Exclude<Field['kind'], 'message'>, (reader: Reader) => Json>> = {
  string: reader => reader.string(),
  bytes: reader => toBuffer(reader.view()).toString('base64'),
  traceId: hex,
  traceIdOrNone: hex,
  spanId: hex,
  spanIdOrNone: hex,
  bool: reader => reader.varint() !== 0,
  enum: reader => reader.uint32() | 0,
  uint32: reader => reader.uint32(),
  sint32: reader => reader.sint32(),
  int64: reader => String(reader.int64()),
  uint64: reader => String(reader.uint64()),
  fixed32: reader => reader.fixed32(),
  fixed64: reader => String(reader.fixed64()),
  sfixed64: reader => String(reader.sfixed64()),
  double: reader => printDouble(reader.double()),
};

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
