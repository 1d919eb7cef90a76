// The table of messages, resolved: what the check, both ways of JSON and the decoders look up.
import { enums, items, messages } from './messages.ts';
import { Signal } from './record.ts';
import { WireType } from './writer.ts';

/** Scalar kinds of protobuf, with the IDs told apart by length: `traceId` and `spanId` must be there, the others may be empty. */
type Scalar =
  | 'string'
  | 'bytes'
  | 'traceId'
  | 'spanId'
  | 'traceIdOrNone'
  | 'spanIdOrNone'
  | 'bool'
  | 'uint32'
  | 'sint32'
  | 'int64'
  | 'uint64'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed64'
  | 'double'
  | 'enum';

export interface Field {
  readonly number: number;
  /** As in the `.proto` file: lower_snake_case. */
  readonly name: string;
  /** As in JSON: lowerCamelCase. */
  readonly jsonName: string;
  readonly kind: Scalar | 'message';
  /** `number × 8 + wire type`; of one element when the field is repeated. */
  readonly tag: number;
  readonly repeated: boolean;
  /** The type of a `message` field. */
  readonly message: MessageType | undefined;
  /** The names of an `enum` field. */
  readonly names: ReadonlyMap<string, number> | undefined;
  /** Of these fields only the one written last counts. */
  readonly oneof: readonly Field[] | undefined;
}

export interface MessageType {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Under both names. */
  readonly byName: ReadonlyMap<string, Field>;
  /** Counts as one item of its signal: a span, a log record, a data point. */
  readonly item: boolean;
}

/** Nested `AnyValue`s that are accepted, the outermost included. */
export const ANY_VALUE_DEPTH_MAX = 100;

class Message implements MessageType {
  readonly name: string;
  readonly fields: Field[] = [];
  readonly byNumber: Map<number, Field> = new Map();
  readonly byName: Map<string, Field> = new Map();
  readonly item: boolean;

  constructor(name: string) {
    this.name = name;
    this.item = items.has(name);
  }

  add(field: Field): void {
    this.fields.push(field);
    this.byNumber.set(field.number, field);
    this.byName.set(field.name, field).set(field.jsonName, field);
  }
}

const types = new Map(Object.keys(messages).map(name => [name, new Message(name)]));

const { varint, fixed32, fixed64, len } = WireType;
const wireTypes: Readonly<Record<Field['kind'], number>> = {
  bool: varint,
  enum: varint,
  uint32: varint,
  sint32: varint,
  int64: varint,
  uint64: varint,
  fixed32,
  fixed64,
  sfixed64: fixed64,
  double: fixed64,
  string: len,
  bytes: len,
  traceId: len,
  spanId: len,
  traceIdOrNone: len,
  spanIdOrNone: len,
  message: len,
};

const camelCase = (name: string): string =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

for (const [messageName, rows] of Object.entries<Record<string, string>>(messages)) {
  const oneof: Field[] = [];
  for (const [name, row] of Object.entries(rows)) {
    const [, number, type, mark] = /^(\d+) (\w+)([*?]?)$/.exec(row) as unknown as [
      string,
      string,
      string,
      string,
    ];
    const message = types.get(type);
    const names = enums[type] && new Map(enums[type].map((value, index) => [value, index]));
    const kind = message ? 'message' : names ? 'enum' : (type as Scalar);
    const field: Field = {
      number: Number(number),
      name,
      jsonName: camelCase(name),
      kind,
      tag: Number(number) * 8 + wireTypes[kind],
      repeated: mark === '*',
      message,
      names,
      oneof: mark === '?' ? oneof : undefined,
    };
    if (field.oneof) oneof.push(field);
    types.get(messageName)!.add(field);
  }
}

export const messageType = (name: keyof typeof messages): MessageType => types.get(name)!;

/** What `Export…ServiceRequest` and `…Data` of each signal have in common: field 1, the resources. */
export const requestTypes: Readonly<Record<Signal, MessageType>> = {
  [Signal.traces]: messageType('TracesData'),
  [Signal.metrics]: messageType('MetricsData'),
  [Signal.logs]: messageType('LogsData'),
};

/** The tags of a message's fields, by their names in the `.proto` file. */
export function tagsOf<Name extends keyof typeof messages>(
  name: Name,
): { readonly [field in keyof (typeof messages)[Name]]: number } {
  const tags = messageType(name).fields.map(field => [field.name, field.tag]);
  return Object.fromEntries(tags) as { [field in keyof (typeof messages)[Name]]: number };
}
