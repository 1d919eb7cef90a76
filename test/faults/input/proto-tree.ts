// A request as a tree of fields: changed as a whole and written again with the right lengths, so that it is nearly valid.
import { Reader, type Signal, WireError } from 'tricord/otlp';
import { type Field, type MessageType, requestTypes } from '../../../src/transport/otlp/schema.ts';
import type { Random } from '../../collector/queue/memory-disk.ts';
import * as wire from '../../transport/otlp/wire.ts';

interface Node {
  readonly tag: number;
  /** The value as it is written, its length included; of a message its fields instead. */
  readonly value: Uint8Array | Message;
}

interface Message {
  readonly type: MessageType;
  readonly nodes: Node[];
}

/** The request with one to three changes; undefined when it is no protobuf. */
export function reformed(signal: Signal, bytes: Uint8Array, random: Random): Uint8Array | undefined {
  let tree: Message;
  try {
    tree = parsed(new Reader(bytes), requestTypes[signal], 0);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
  const messages = allMessages(tree);
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--)
    change(pick(messages, random), messages, random);
  return Buffer.concat(encoded(tree));
}

/** Deeper messages stay bytes. */
const DEPTH_MAX = 300;

function parsed(reader: Reader, type: MessageType, depth: number): Message {
  const nodes: Node[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    const field = type.byNumber.get(tag >>> 3);
    if (field?.message && field.tag === tag && depth < DEPTH_MAX) {
      const outer = reader.enter();
      nodes.push({ tag, value: parsed(reader, field.message, depth + 1) });
      reader.leave(outer);
    } else {
      const start = reader.pos;
      reader.skip(tag);
      nodes.push({ tag, value: reader.bytes.slice(start, reader.pos) });
    }
  }
  return { type, nodes };
}

function allMessages(root: Message): Message[] {
  const found = [root];
  for (const message of found)
    for (const { value } of message.nodes) if (!(value instanceof Uint8Array)) found.push(value);
  return found;
}

function change({ type, nodes }: Message, messages: readonly Message[], random: Random): void {
  const at = Math.floor(random() * nodes.length);
  const node = nodes[at];
  switch (Math.floor(random() * 6)) {
    case 0:
      if (node) nodes.splice(Math.floor(random() * (nodes.length + 1)), 0, frozen(node));
      return;
    case 1:
      nodes.splice(at, 1);
      return;
    case 2:
      if (node) nodes.push(...nodes.splice(at, 1));
      return;
    case 3: // a field of another message
      if (node) nodes.push(frozen(pick(pick(messages, random).nodes, random) ?? node));
      return;
    case 4: // the value stays, its field is another one
      if (node) nodes[at] = { ...node, tag: pick(type.fields, random).number * 8 + (node.tag & 7) };
      return;
    default:
      nodes.splice(at, 0, fresh(pick(type.fields, random), random));
  }
}

/** A copy that does not change with the tree. */
function frozen({ tag, value }: Node): Node {
  return { tag, value: value instanceof Uint8Array ? value : delimited(value) };
}

/** A field with a small value, empty where it has a length. */
function fresh({ tag, message }: Field, random: Random): Node {
  const value = [
    wire.varint(Math.floor(random() * 300)),
    new Uint8Array(8).fill(Math.floor(random() * 256)),
    [0],
    [0],
    [0],
    new Uint8Array(4).fill(Math.floor(random() * 256)),
  ][tag & 7]!;
  return { tag, value: message ? { type: message, nodes: [] } : Uint8Array.from(value) };
}

const pick = <T>(all: readonly T[], random: Random): T => all[Math.floor(random() * all.length)]!;

/** The bytes in parts. */
function encoded({ nodes }: Message): Uint8Array[] {
  return nodes.flatMap(({ tag, value }) => [
    varint(tag),
    value instanceof Uint8Array ? value : delimited(value),
  ]);
}

function delimited(message: Message): Uint8Array {
  const content = Buffer.concat(encoded(message));
  return Buffer.concat([varint(content.length), content]);
}

/** Of a number below 2^32, without a detour over bigints. */
function varint(value: number): Uint8Array {
  const groups: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.of(...groups, rest);
    groups.push((rest % 128) + 128);
  }
}
