// The structural check before the acknowledgement: is this an OTLP request that every later reader can walk?
import { isPlainAttribute } from './check-attribute.ts';
import { Op, type Plan, planOf, SPAN_ID_SEEN, TAGS_MAX, TRACE_ID_SEEN, unknownOps } from './check-plan.ts';
import { nameFault } from './fault.ts';
import { Reader, WireError } from './reader.ts';
import type { Signal } from './record.ts';
import { ANY_VALUE_DEPTH_MAX, requestTypes } from './schema.ts';
import { isUtf8 } from './utf8.ts';

const ENDS_WITHIN = 'the message ends within a field';
const TAG_MAX = 0xffffffff;

/**
 * Walks the bytes of an `Export…ServiceRequest` and returns its items: spans, log records or data points. Of a metric with data of
 * several kinds the last kind counts, as for every reader of a oneof.
 *
 * Fields may come in any order and repeatedly, varints need not be minimal, and unknown fields pass. Throws
 * {@link WireError}, which names the place, for what protobuf forbids (truncation, groups, field number zero, varints over
 * 64 bits), a known field of another wire type, a string that is not UTF-8, an ID of the wrong length, a span without IDs,
 * and more than 100 nested AnyValues. Allocates nothing per item.
 */
export function checkRequest(signal: Signal, bytes: Uint8Array): number {
  const type = requestTypes[signal];
  try {
    return walk(new Reader(bytes), planOf(type), 0, bytes.length, 0);
  } catch (error) {
    throw nameFault(type, bytes, error);
  }
}

/** Checks the message in `[pos, end)`. `reader` serves what is too rare for the loop itself: long varints. */
function walk(reader: Reader, plan: Plan, pos: number, end: number, depth: number): number {
  const { bytes, data } = reader;
  const start = pos;
  let items = plan.items;
  let seen = 0;
  let dataTag = 0;
  let dataItems = 0;
  while (pos < end) {
    const at = pos;
    let tag = bytes[pos++]!;
    if (tag > 0x7f) {
      tag = varintAt(reader, at, end);
      pos = reader.pos;
      if (tag > TAG_MAX) fault('a field number out of range', at);
    }
    const op = tag < TAGS_MAX ? plan.ops[tag]! : unknownOps[tag & 7]!;
    if (op < Op.skip) {
      pos = afterScalar(reader, op, pos, end, at);
      continue;
    }
    let length = pos < end ? bytes[pos++]! : fault(ENDS_WITHIN, at);
    if (length > 0x7f) {
      length = varintAt(reader, pos - 1, end);
      pos = reader.pos;
    }
    if (length > end - pos) fault(`a length of ${length} bytes where ${end - pos} are left`, at);
    const next = pos + length;
    if (op === Op.attribute && depth < ANY_VALUE_DEPTH_MAX && isPlainAttribute(reader, pos, next)) {
      pos = next;
      continue;
    }
    if (op === Op.message || op === Op.attribute || op === Op.data) {
      const inner = plan.messages[tag >>> 3]!;
      const innerDepth = depth + inner.depth;
      if (innerDepth > ANY_VALUE_DEPTH_MAX) fault(`more than ${ANY_VALUE_DEPTH_MAX} nested values`, at);
      const inside = walk(reader, inner, pos, next, innerDepth);
      if (op === Op.data) {
        dataItems = tag === dataTag ? dataItems + inside : inside;
        dataTag = tag;
      } else items += inside;
    } else if (op === Op.string) {
      if (!isUtf8(bytes, data, pos, next)) fault('not UTF-8', at);
    } else if (op !== Op.skip) {
      seen |= checkLength(reader, op, pos, next, at);
    }
    pos = next;
  }
  if ((seen & plan.required) !== plan.required) faultMissing(plan.required & ~seen, start);
  return items + dataItems;
}

/** The position after a value that has no length, or the fault that the tag itself is. */
function afterScalar(reader: Reader, op: number, pos: number, end: number, at: number): number {
  let size = 0;
  switch (op) {
    case Op.varint:
      if (pos >= end) return fault(ENDS_WITHIN, at);
      if (reader.bytes[pos]! < 0x80) return pos + 1;
      varintAt(reader, pos, end);
      return reader.pos;
    case Op.fixed64:
      size = 8;
      break;
    case Op.fixed32:
      size = 4;
      break;
    case Op.groupFault:
      return fault('groups are not supported', at);
    case Op.wireTypeFault:
      return fault('an unknown wire type', at);
    case Op.fieldNumberFault:
      return fault('field number 0', at);
    default:
      return fault('a field of the wrong wire type', at);
  }
  return size <= end - pos ? pos + size : fault(ENDS_WITHIN, at);
}

/** IDs and packed numbers; returns which of the IDs this was. */
function checkLength(reader: Reader, op: number, pos: number, end: number, at: number): number {
  const length = end - pos;
  switch (op) {
    case Op.traceId:
      return length === 16 ? TRACE_ID_SEEN : fault(`${length} bytes, expected 16`, at);
    case Op.spanId:
      return length === 8 ? SPAN_ID_SEEN : fault(`${length} bytes, expected 8`, at);
    case Op.traceIdOrNone:
      return length === 16 || length === 0 ? 0 : fault(`${length} bytes, expected 16 or none`, at);
    case Op.spanIdOrNone:
      return length === 8 || length === 0 ? 0 : fault(`${length} bytes, expected 8 or none`, at);
    case Op.packedFixed64:
      return length % 8 === 0 ? 0 : fault(`${length} bytes, expected a multiple of 8`, at);
    default:
      for (let next = pos; next < end; next = reader.pos) varintAt(reader, next, end);
      return 0;
  }
}

/** The varint at `pos`; the reader stands behind it. */
function varintAt(reader: Reader, pos: number, end: number): number {
  reader.pos = pos;
  reader.end = end;
  return reader.varint();
}

function fault(reason: string, at: number): never {
  throw new WireError(reason, at);
}

/** Placed on the length of the message, where a path ends at the message and enters none of its fields. */
function faultMissing(missing: number, start: number): never {
  return fault(`${missing & TRACE_ID_SEEN ? 'trace_id' : 'span_id'} is missing`, start - 1);
}
