// The `attributes` processor: inserts, updates and deletes attributes of spans and log records.
import { Reader, Signal, WireType, Writer } from 'tricord/otlp';
import { z } from 'zod';
import type { Processor, QueuedBatch } from '../../component.ts';
import { factory, type ProcessorFactory } from '../../factory.ts';
import { rewriteItems } from './item-rewrite.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()], {
  error: 'expected text, a number, true or false',
});

const action = z
  .strictObject({
    key: z.string().min(1),
    action: z.enum(['insert', 'update', 'upsert', 'delete']),
    value: z
      .union([scalar, z.array(scalar)], { error: 'expected text, a number, true, false or a list' })
      .optional(),
    /** Another attribute, whose value is taken. */
    from_attribute: z.string().min(1).optional(),
  })
  .refine(
    ({ action, value, from_attribute: from }) =>
      [value, from].filter(source => source !== undefined).length === (action === 'delete' ? 0 : 1),
    { error: 'insert, update and upsert need value or from_attribute, delete takes neither' },
  );

const schema = z.strictObject({ actions: z.array(action).min(1) });

type Action = z.output<typeof action>;

/** `KeyValue{string key = 1; AnyValue value = 2}`. */
interface Attribute {
  readonly key: string;
  /** The encoded AnyValue; absent when there was none. */
  readonly value: Uint8Array | undefined;
}

export const attributesProcessor: ProcessorFactory = factory(
  schema,
  async ({ actions }) => new AttributesProcessor(actions),
);

/** Field `attributes` of Span and of LogRecord. Metric points have theirs as their identity: they are left alone. */
const attributesField: Readonly<Partial<Record<Signal, number>>> = { [Signal.traces]: 9, [Signal.logs]: 6 };

const VALUE_BYTES_MAX = 64 * 1024;

class AttributesProcessor implements Processor {
  readonly needs = 'full';
  readonly #edits: readonly ((attributes: Attribute[]) => Attribute[])[];

  constructor(actions: readonly Action[]) {
    this.#edits = actions.map(editOf);
  }

  process(batch: QueuedBatch): QueuedBatch {
    const field = attributesField[batch.signal];
    if (field === undefined) return batch;
    const payload = rewriteItems(batch.payload, item => this.#edit(item, field));
    return payload === batch.payload ? batch : { ...batch, payload };
  }

  #edit(item: Uint8Array, field: number): Uint8Array | null {
    const { attributes, others } = split(item, field);
    let edited = attributes;
    for (const edit of this.#edits) edited = edit(edited);
    return edited === attributes ? null : join(others, edited, field);
  }
}

/** Gives the same list when it changes nothing. */
function editOf({
  key,
  action,
  value,
  from_attribute: from,
}: Action): (attributes: Attribute[]) => Attribute[] {
  const constant = value === undefined ? undefined : encodeValue(value);
  return attributes => {
    const exists = attributes.some(attribute => attribute.key === key);
    if (action === 'delete')
      return exists ? attributes.filter(attribute => attribute.key !== key) : attributes;
    const source = constant ?? attributes.find(attribute => attribute.key === from)?.value;
    if (source === undefined || action === (exists ? 'insert' : 'update')) return attributes;
    if (!exists) return [...attributes, { key, value: source }];
    return attributes.map(attribute => (attribute.key === key ? { key, value: source } : attribute));
  };
}

/** The bytes of an AnyValue, without tag and length. */
function encodeValue(value: NonNullable<Action['value']>): Uint8Array {
  const writer = new Writer(new Uint8Array(VALUE_BYTES_MAX));
  writer.anyValue(1, value);
  if (writer.overflowed) throw new RangeError(`the value of an attribute is over ${VALUE_BYTES_MAX} bytes`);
  const reader = new Reader(writer.bytes, 0, writer.pos);
  reader.tag();
  return reader.view().slice();
}

/** The attributes of an item, and the bytes of all its other fields. */
function split(
  item: Uint8Array,
  field: number,
): { readonly attributes: Attribute[]; readonly others: Uint8Array[] } {
  const attributes: Attribute[] = [];
  const others: Uint8Array[] = [];
  const reader = new Reader(item);
  while (reader.more()) {
    const start = reader.pos;
    const tag = reader.tag();
    if (tag === field * 8 + WireType.len) attributes.push(readAttribute(new Reader(reader.view())));
    else {
      reader.skip(tag);
      others.push(item.subarray(start, reader.pos));
    }
  }
  return { attributes, others };
}

function readAttribute(reader: Reader): Attribute {
  let key = '';
  let value: Uint8Array | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 8 + WireType.len) key = reader.string();
    else if (tag === 16 + WireType.len) value = reader.view();
    else reader.skip(tag);
  }
  return { key, value };
}

function join(others: readonly Uint8Array[], attributes: readonly Attribute[], field: number): Uint8Array {
  let size = others.reduce((sum, bytes) => sum + bytes.length, 0);
  for (const { key, value } of attributes) size += 3 * key.length + (value?.length ?? 0) + 32;
  const writer = new Writer(new Uint8Array(size));
  for (const bytes of others) writer.raw(bytes);
  for (const { key, value } of attributes) {
    const mark = writer.message(field);
    writer.string(1, key);
    if (value !== undefined) writer.blob(2, value);
    writer.close(mark);
  }
  return writer.bytes.subarray(0, writer.pos);
}
