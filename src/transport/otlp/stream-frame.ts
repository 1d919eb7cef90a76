// The messages of the stream (`telemetry-stream.proto`): encoded small, decoded within bounds.
import { Reader, WireError } from './reader.ts';
import { Signal } from './record.ts';
import { WireType, Writer } from './writer.ts';

/** Full name of the stream's gRPC method, as the `:path` of a call. */
export const STREAM_PATH = '/tricord.transport.v1.TelemetryStream/Stream';

/** Room that is always enough for what {@link encodeBatchHead} returns. */
export const BATCH_HEAD_BYTES_MAX = 64;

/** The payload is the bytes of an OTLP request, uncompressed. */
export const ENCODING_IDENTITY = 0;

export const INSTANCE_ID_BYTES = 16;
const HELLO_RESOURCE_BYTES_MAX = 256 * 1024;
const REASON_UNITS_MAX = 1024;
const REJECTED_MAX = 4096;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Tags of the fields, `number * 8 + wire type`. */
const HELLO: number = 8 + WireType.len;
const BATCH: number = 16 + WireType.len;
const HELLO_INSTANCE_ID: number = 8 + WireType.len;
const HELLO_RESOURCE: number = 16 + WireType.len;
const HELLO_NEXT_SEQUENCE: number = 24 + WireType.varint;
const BATCH_SEQUENCE: number = 8 + WireType.varint;
const BATCH_SIGNAL: number = 16 + WireType.varint;
const BATCH_ITEM_COUNT: number = 24 + WireType.varint;
const BATCH_ENCODING: number = 32 + WireType.varint;
const BATCH_PAYLOAD: number = 40 + WireType.len;
const ACKED_SEQUENCE: number = 8 + WireType.varint;
const CREDIT_LIMIT: number = 16 + WireType.varint;
const REJECTED: number = 24 + WireType.len;
const SAMPLING: number = 32 + WireType.len;
const REJECTED_SEQUENCE: number = 8 + WireType.varint;
const REJECTED_REASON: number = 16 + WireType.len;
const SAMPLING_PROBABILITY: number = 8 + WireType.fixed64;
const SAMPLING_VALID_MS: number = 16 + WireType.varint;

export interface Hello {
  /** 16 bytes, the same for the life of the agent's process. */
  readonly instanceId: Uint8Array;
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
  /** Sequence of the first batch that follows, at least 1. */
  readonly nextSequence: number;
}

/** All of a batch but its payload. */
export interface BatchHead {
  /** 1, 2, 3, … below 2^53. */
  readonly sequence: number;
  readonly signal: Signal;
  /** Spans, data points or log records. */
  readonly itemCount: number;
  /** {@link ENCODING_IDENTITY} is the only one so far; the receiver judges others. */
  readonly encoding: number;
}

export interface StreamBatch extends BatchHead {
  /** A view of the message's bytes, not a copy. */
  readonly payload: Uint8Array;
}

export type AgentMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'batch'; readonly batch: StreamBatch };

export interface Rejected {
  readonly sequence: number;
  readonly reason: string;
}

export interface SamplingDirective {
  /** Upper bound of the head sampling probability, 0 < p ≤ 1. */
  readonly probability: number;
  /** Milliseconds until it lapses, at least 1. */
  readonly validMs: number;
}

export interface CollectorMessage {
  /** Every batch up to and including this one is durable or rejected. */
  readonly ackedSequence?: number | undefined;
  /** Bytes of batch messages that may be sent since the call began. */
  readonly creditLimit?: number | undefined;
  readonly rejected?: readonly Rejected[] | undefined;
  readonly sampling?: SamplingDirective | undefined;
}

/** A whole AgentMessage with a Hello. */
export function encodeHello(hello: Hello): Uint8Array {
  const writer = new Writer(new Uint8Array(hello.resource.length + 64));
  const mark = writer.message(1);
  writer.blob(1, hello.instanceId);
  writer.blob(2, hello.resource);
  writer.uint(3, hello.nextSequence);
  writer.close(mark);
  return writer.bytes.subarray(0, writer.pos);
}

/**
 * What precedes `payloadBytes` bytes of payload in an AgentMessage with a Batch. The payload is the last field of the
 * message, so that head and payload lie side by side and the payload is never copied for it.
 */
export function encodeBatchHead(head: BatchHead, payloadBytes: number): Uint8Array {
  const inner = new Writer(new Uint8Array(BATCH_HEAD_BYTES_MAX));
  inner.uint(1, head.sequence);
  inner.uint(2, head.signal);
  inner.uint(3, head.itemCount);
  if (head.encoding !== ENCODING_IDENTITY) inner.uint(4, head.encoding);
  inner.tag(5, WireType.len);
  inner.varint(payloadBytes);
  const outer = new Writer(new Uint8Array(BATCH_HEAD_BYTES_MAX));
  outer.tag(2, WireType.len);
  outer.varint(inner.pos + payloadBytes);
  outer.raw(inner.bytes.subarray(0, inner.pos));
  return outer.bytes.subarray(0, outer.pos);
}

export function encodeCollectorMessage(message: CollectorMessage): Uint8Array {
  const rejected = message.rejected ?? [];
  const writer = new Writer(new Uint8Array(64 + rejected.length * (3 * REASON_UNITS_MAX + 32)));
  if (message.ackedSequence !== undefined) writer.uint(1, message.ackedSequence);
  if (message.creditLimit !== undefined) writer.uint(2, message.creditLimit);
  for (const { sequence, reason } of rejected) {
    const mark = writer.message(3);
    writer.uint(1, sequence);
    writer.string(2, reason.slice(0, REASON_UNITS_MAX));
    writer.close(mark);
  }
  if (message.sampling !== undefined) {
    const mark = writer.message(4);
    writer.double(1, message.sampling.probability);
    writer.uint(2, message.sampling.validMs);
    writer.close(mark);
  }
  return writer.bytes.subarray(0, writer.pos);
}

/** Throws {@link WireError} unless the bytes are exactly one Hello or one Batch. */
export function decodeAgentMessage(bytes: Uint8Array): AgentMessage {
  const reader = new Reader(bytes);
  let message: AgentMessage | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== HELLO && tag !== BATCH) {
      skipUnknown(reader, tag, 2);
      continue;
    }
    if (message !== undefined) throw new WireError('two messages in one frame', reader.pos);
    const outer = reader.enter();
    message = tag === HELLO ? decodeHello(reader) : decodeBatch(reader);
    reader.leave(outer);
  }
  if (message === undefined) throw new WireError('neither a hello nor a batch', 0);
  return message;
}

function decodeHello(reader: Reader): AgentMessage {
  const at = reader.pos;
  let instanceId = NO_BYTES;
  let resource = NO_BYTES;
  let nextSequence = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === HELLO_INSTANCE_ID) instanceId = reader.view();
    else if (tag === HELLO_RESOURCE) resource = reader.view();
    else if (tag === HELLO_NEXT_SEQUENCE) nextSequence = safeUint(reader);
    else skipUnknown(reader, tag, 3);
  }
  if (instanceId.length !== INSTANCE_ID_BYTES)
    throw new WireError(`an instance_id of ${instanceId.length} bytes, not ${INSTANCE_ID_BYTES}`, at);
  if (resource.length > HELLO_RESOURCE_BYTES_MAX)
    throw new WireError(`a resource of ${resource.length} bytes, over ${HELLO_RESOURCE_BYTES_MAX}`, at);
  if (nextSequence < 1) throw new WireError('a next_sequence below 1', at);
  return { kind: 'hello', hello: { instanceId, resource, nextSequence } };
}

function decodeBatch(reader: Reader): AgentMessage {
  const at = reader.pos;
  let sequence = 0;
  let signal = 0;
  let itemCount = 0;
  let encoding = ENCODING_IDENTITY;
  let payload = NO_BYTES;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === BATCH_SEQUENCE) sequence = safeUint(reader);
    else if (tag === BATCH_SIGNAL) signal = reader.uint32();
    else if (tag === BATCH_ITEM_COUNT) itemCount = reader.uint32();
    else if (tag === BATCH_ENCODING) encoding = reader.uint32();
    else if (tag === BATCH_PAYLOAD) payload = reader.view();
    else skipUnknown(reader, tag, 5);
  }
  if (sequence < 1) throw new WireError('a sequence below 1', at);
  if (!isSignal(signal)) throw new WireError(`a batch of signal ${signal}`, at);
  return { kind: 'batch', batch: { sequence, signal, itemCount, encoding, payload } };
}

function isSignal(value: number): value is Signal {
  return value === Signal.traces || value === Signal.metrics || value === Signal.logs;
}

/**
 * Throws {@link WireError} on malformed bytes and on numbers from 2^53 up. Whether an acknowledgement, a credit or a
 * directive makes sense is for the receiver to judge.
 */
export function decodeCollectorMessage(bytes: Uint8Array): CollectorMessage {
  const reader = new Reader(bytes);
  let ackedSequence: number | undefined;
  let creditLimit: number | undefined;
  let sampling: SamplingDirective | undefined;
  const rejected: Rejected[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ACKED_SEQUENCE) ackedSequence = safeUint(reader);
    else if (tag === CREDIT_LIMIT) creditLimit = safeUint(reader);
    else if (tag === REJECTED) {
      if (rejected.length === REJECTED_MAX)
        throw new WireError(`over ${REJECTED_MAX} rejections`, reader.pos);
      rejected.push(decodeRejected(reader));
    } else if (tag === SAMPLING) sampling = decodeSampling(reader);
    else skipUnknown(reader, tag, 4);
  }
  return { ackedSequence, creditLimit, rejected, sampling };
}

function decodeRejected(reader: Reader): Rejected {
  const outer = reader.enter();
  let sequence = 0;
  let reason = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === REJECTED_SEQUENCE) sequence = safeUint(reader);
    else if (tag === REJECTED_REASON) reason = reader.string().slice(0, REASON_UNITS_MAX);
    else skipUnknown(reader, tag, 2);
  }
  reader.leave(outer);
  return { sequence, reason };
}

function decodeSampling(reader: Reader): SamplingDirective {
  const outer = reader.enter();
  let probability = 0;
  let validMs = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === SAMPLING_PROBABILITY) probability = reader.double();
    else if (tag === SAMPLING_VALID_MS) validMs = reader.uint32();
    else skipUnknown(reader, tag, 2);
  }
  reader.leave(outer);
  return { probability, validMs };
}

/** Fields from later versions are stepped over; a known field (up to `known`) with a foreign wire type is an error. */
function skipUnknown(reader: Reader, tag: number, known: number): void {
  const field = tag >>> 3;
  if (field <= known) throw new WireError(`field ${field} with wire type ${tag & 7}`, reader.pos);
  reader.skip(tag);
}

/** A uint64 that this implementation takes to be below 2^53. */
function safeUint(reader: Reader): number {
  const at = reader.pos;
  const value = reader.varint();
  if (value > Number.MAX_SAFE_INTEGER) throw new WireError('a number of 2^53 or more', at);
  return value;
}
