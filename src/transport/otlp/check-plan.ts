// What the check does at each tag: the table of messages, compiled to one byte per tag.
import type { Field, MessageType } from './schema.ts';
import { WireType } from './writer.ts';

/**
 *   plan.ops[field × 8 + wire type] → op        known field, right wire type    check the value
 *                                               known field, wrong wire type    a fault
 *                                               unknown field                   step over it by its wire type
 *                                               field 0, group, wire type 6, 7  a fault
 */
export const Op = {
  varint: 0,
  fixed64: 1,
  fixed32: 2,
  groupFault: 3,
  wireTypeFault: 4,
  fieldNumberFault: 5,
  fieldTypeFault: 6,
  /** From here on the value starts with its length. */
  skip: 8,
  string: 9,
  message: 10,
  /** A `KeyValue`: a message that is nearly always of one form. */
  attribute: 11,
  /** A message of a oneof: what is in it counts unless data of another kind follows. */
  data: 12,
  traceId: 13,
  spanId: 14,
  traceIdOrNone: 15,
  spanIdOrNone: 16,
  packedFixed64: 17,
  packedVarint: 18,
} as const;

/** For fields that the table does not know, by wire type. */
export const unknownOps: Uint8Array = Uint8Array.of(
  Op.varint,
  Op.fixed64,
  Op.skip,
  Op.groupFault,
  Op.groupFault,
  Op.fixed32,
  Op.wireTypeFault,
  Op.wireTypeFault,
);

/** Tags from here on belong to no field of OTLP (the highest is 16). */
export const TAGS_MAX = 256;

export const TRACE_ID_SEEN = 1;
export const SPAN_ID_SEEN = 2;

export interface Plan {
  readonly ops: Uint8Array;
  /** Plans of the message fields, by field number. */
  readonly messages: (Plan | undefined)[];
  /** What the message itself counts for: 1 for a span, a log record and a data point. */
  readonly items: number;
  /** By how much the nesting of AnyValues grows on entering. */
  readonly depth: number;
  /** `TRACE_ID_SEEN | SPAN_ID_SEEN` where these must be there. */
  required: number;
}

const lengthOps: ReadonlyMap<Field['kind'], number> = new Map<Field['kind'], number>([
  ['bytes', Op.skip],
  ['string', Op.string],
  ['message', Op.message],
  ['traceId', Op.traceId],
  ['spanId', Op.spanId],
  ['traceIdOrNone', Op.traceIdOrNone],
  ['spanIdOrNone', Op.spanIdOrNone],
]);

const plans = new Map<MessageType, Plan>();

/** The plan of a message type and of all that can lie within it. */
export function planOf(type: MessageType): Plan {
  const known = plans.get(type);
  if (known) return known;
  const plan: Plan = {
    ops: Uint8Array.from({ length: TAGS_MAX }, (_, tag) =>
      tag < 8 ? Op.fieldNumberFault : unknownOps[tag & 7]!,
    ),
    messages: [],
    items: type.item ? 1 : 0,
    depth: type.name === 'AnyValue' ? 1 : 0,
    required: 0,
  };
  plans.set(type, plan);
  for (const field of type.fields) addField(plan, type, field);
  return plan;
}

function addField(plan: Plan, type: MessageType, field: Field): void {
  const lengthTag = field.number * 8 + WireType.len;
  for (const wireType of Object.values(WireType)) plan.ops[field.number * 8 + wireType] = Op.fieldTypeFault;
  plan.ops[field.tag] = lengthOps.get(field.kind) ?? unknownOps[field.tag & 7]!;
  if (field.repeated && field.tag !== lengthTag)
    plan.ops[lengthTag] = field.kind === 'uint64' ? Op.packedVarint : Op.packedFixed64;
  if (field.message) plan.messages[field.number] = planOf(field.message);
  if (field.message?.name === 'KeyValue') plan.ops[field.tag] = Op.attribute;
  if (field.message && field.oneof && type.name === 'Metric') plan.ops[field.tag] = Op.data;
  if (field.kind === 'traceId') plan.required |= TRACE_ID_SEEN;
  if (field.kind === 'spanId') plan.required |= SPAN_ID_SEEN;
}
