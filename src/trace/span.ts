// A span: the small handle that the application holds, and the pooled record that it fills until `end()`.
import type {
  Attributes,
  Exception,
  Link,
  Span as OtelSpan,
  SpanContext,
  SpanStatus,
  TimeInput,
} from '@opentelemetry/api';
import type { AttributeLimits, AttributeSlots } from '../context/attributes.ts';
import { attributeLimits, cleanText, setException } from '../context/attributes.ts';
import type { Clock } from '../context/clock.ts';
import { SpanIdentity } from '../context/identity.ts';
import type { Labels } from '../context/labels.ts';
import { limits } from '../limits.ts';
import type { Sink } from '../transport/otlp/record.ts';
import { Signal } from '../transport/otlp/record.ts';
import { encodeSpan } from '../transport/otlp/trace.ts';
import {
  type EventSlot,
  type PooledRecord,
  RecordPool,
  STATUS_ERROR,
  STATUS_OK,
  type TraceCounters,
} from './span-record.ts';

/** `SpanKind` of the wire counts from 1; the API's from 0. */
const WIRE_KIND_OFFSET = 1;
const KIND_MAX = 4;
/** UTF-16 units of names and descriptions: the limit of attributes’ values is not for them. */
export const TEXT_LENGTH_MAX: number = limits.attribute_value_length_max;
/** Links that are looked at of one list: as many as the highest limit lets through. */
const LINKS_TAKEN_MAX = 10_000;

/** Limits of a span, as `OTEL_SPAN_*_LIMIT` and `OTEL_ATTRIBUTE_*_LIMIT` set them. */
export interface SpanLimits extends AttributeLimits {
  readonly events: number;
  readonly links: number;
  /** Attributes of one event and of one link. */
  readonly eventAttributes: number;
  readonly linkAttributes: number;
}

export const defaultSpanLimits: SpanLimits = {
  attributes: limits.attributes_max,
  valueLength: limits.attribute_value_length_max,
  events: limits.events_max,
  links: limits.links_max,
  eventAttributes: limits.attributes_max,
  linkAttributes: limits.attributes_max,
};

/** Hears of local roots that took long: spans without a parent in this process. */
export interface SlowRoots {
  /** From how many nanoseconds on a local root is slow. */
  readonly nanos: number;
  /** Times in nanoseconds since the clock's anchor; `clockOffset` is what they have beside the monotonic clock. */
  ended(identity: SpanIdentity, startTime: number, endTime: number, clockOffset: number): void;
}

/** What the spans of one provider share. */
export class SpanPipeline {
  readonly clock: Clock;
  readonly sink: Sink;
  readonly limits: SpanLimits;
  /** Of the span itself, of an event and of a link. */
  readonly ofSpan: AttributeLimits;
  readonly ofEvent: AttributeLimits;
  readonly ofLink: AttributeLimits;
  readonly counters: TraceCounters = {
    started: 0,
    unsampled: 0,
    kept: 0,
    unkept: 0,
    written: 0,
    refused: 0,
    used_after_end: 0,
    pool_grown: 0,
    pool_shrunk: 0,
    truncated: 0,
    rejected: 0,
  };
  readonly #pool: RecordPool = new RecordPool(this.counters);
  readonly #slow: SlowRoots | undefined;

  constructor(sink: Sink, clock: Clock, spanLimits: SpanLimits, slow?: SlowRoots) {
    this.#slow = slow;
    this.sink = sink;
    this.clock = clock;
    this.limits = spanLimits;
    const { attributes, eventAttributes, linkAttributes, valueLength } = spanLimits;
    this.ofSpan = attributeLimits(attributes, valueLength);
    this.ofEvent = attributeLimits(eventAttributes, valueLength);
    this.ofLink = attributeLimits(linkAttributes, valueLength);
  }

  /** Free records in the pool. */
  get pooled(): number {
    return this.#pool.size;
  }

  take(): PooledRecord {
    return this.#pool.take();
  }

  /** Writes an ended record into the sink and takes the record back. */
  finish(record: PooledRecord): void {
    const writer = this.sink.begin(Signal.traces, record.scope, record.statusCode === STATUS_ERROR);
    if (writer === null) this.counters.refused++;
    else {
      encodeSpan(writer, record);
      if (this.sink.commit(1)) this.counters.written++;
      else this.counters.refused++;
    }
    if (this.#slow !== undefined) tellOfSlow(this.#slow, record);
    this.release(record);
  }

  /** Takes a record back. */
  release(record: PooledRecord): void {
    if (record.busy === 0) this.#pool.give(record);
  }
}

function tellOfSlow(slow: SlowRoots, record: PooledRecord): void {
  const { identity, startTime, endTime, clockOffset } = record;
  if (endTime - startTime >= slow.nanos && record.isLocalRoot)
    slow.ended(identity, startTime, endTime, clockOffset);
}

/**
 * A span that is recorded. A use after {@link RecordingSpan.end} is a no-op and is counted; the IDs stay readable.
 * No method throws, whatever it is given.
 */
export class RecordingSpan implements OtelSpan {
  readonly #identity: SpanIdentity;
  readonly #pipeline: SpanPipeline;
  #record: PooledRecord | undefined;

  /**
   * @param kind as on the wire
   * @param scope the number that the sink gave to the instrumentation scope
   */
  constructor(
    pipeline: SpanPipeline,
    identity: SpanIdentity,
    parent: SpanIdentity | undefined,
    labels: Labels,
    name: string,
    kind: number,
    scope: number,
    startTime: TimeInput | undefined,
  ) {
    const record = pipeline.take();
    record.begin(identity, parent, kind, scope);
    record.name = cleanText(name, TEXT_LENGTH_MAX, pipeline.counters);
    record.startTime =
      startTime === undefined ? pipeline.clock.now() : pipeline.clock.fromTimeInput(startTime);
    record.clockOffset = pipeline.clock.offset;
    if (labels.count > 0) record.attributes.setLabels(labels, pipeline.ofSpan);
    this.#identity = identity;
    this.#pipeline = pipeline;
    this.#record = record;
  }

  /** When it started, in nanoseconds since the clock's anchor; undefined after the end. */
  get startTime(): number | undefined {
    return this.#record?.startTime;
  }

  /** Says when it started, where that was before its record was made; both in nanoseconds, as the clock had them then. */
  startedAt(startTime: number, clockOffset: number): void {
    const record = this.#record;
    if (record === undefined) return;
    record.startTime = startTime;
    record.clockOffset = clockOffset;
  }

  /** Whether its status is ERROR so far. */
  get failed(): boolean {
    return this.#record?.statusCode === STATUS_ERROR;
  }

  spanContext(): SpanContext {
    return this.#identity;
  }

  isRecording(): boolean {
    return this.#record !== undefined;
  }

  setAttribute(key: string, value: unknown): this {
    const record = this.#open();
    if (record === undefined) return this;
    record.busy++;
    record.attributes.set(key, value, this.#pipeline.ofSpan, this.#pipeline.counters);
    record.busy--;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    const record = this.#open();
    if (record !== undefined) this.#fill(record, record.attributes, attributes, this.#pipeline.ofSpan);
    return this;
  }

  /** An event with attributes, with a time, or with both. Events beyond the limit are dropped and counted. */
  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    const record = this.#open();
    if (record === undefined) return this;
    const timeSecond = isTimeInput(attributesOrTime);
    const event = this.#nextEvent(record, name, timeSecond ? attributesOrTime : time);
    if (event !== undefined && !timeSecond)
      this.#fill(record, event.attributes, attributesOrTime, this.#pipeline.ofEvent);
    return this;
  }

  #nextEvent(record: PooledRecord, name: string, time: TimeInput | undefined): EventSlot | undefined {
    const { clock, limits: bounds, counters } = this.#pipeline;
    const event = record.nextEvent(bounds.events);
    if (event === undefined) return undefined;
    event.name = cleanText(name, TEXT_LENGTH_MAX, counters);
    event.time = time === undefined ? clock.elapsed() + record.clockOffset : clock.fromTimeInput(time);
    return event;
  }

  addLink(link: Link): this {
    const record = this.#open();
    if (record === undefined) return this;
    const slot = record.nextLink(linkIdentity(link), this.#pipeline.limits.links);
    if (slot === undefined) return this;
    slot.traceState = stateOf(slot.identity, this.#pipeline.counters);
    this.#fill(record, slot.attributes, link.attributes, this.#pipeline.ofLink);
    return this;
  }

  addLinks(links: readonly Link[]): this {
    try {
      if (Array.isArray(links)) this.#addAll(links);
    } catch {
      this.#pipeline.counters.rejected++;
    }
    return this;
  }

  #addAll(links: readonly Link[]): void {
    const count = Math.min(links.length, LINKS_TAKEN_MAX);
    for (let i = 0; i < count; i++) this.addLink(links[i] as Link);
    if (this.#record !== undefined) this.#record.droppedLinks += links.length - count;
  }

  /** OK is final, UNSET changes nothing, a message belongs to ERROR alone (specification, "Set Status"). */
  setStatus(status: SpanStatus): this {
    const record = this.#open();
    if (record === undefined || record.statusCode === STATUS_OK) return this;
    const { counters } = this.#pipeline;
    try {
      const code = status?.code;
      if (code !== STATUS_OK && code !== STATUS_ERROR) return this;
      const message = code === STATUS_ERROR ? cleanText(status.message, TEXT_LENGTH_MAX, counters) : '';
      record.statusCode = code;
      record.statusMessage = message;
    } catch {
      counters.rejected++;
    }
    return this;
  }

  updateName(name: string): this {
    const record = this.#open();
    if (record !== undefined) record.name = cleanText(name, TEXT_LENGTH_MAX, this.#pipeline.counters);
    return this;
  }

  /** An event `exception` with `exception.type`, `.message` and `.stacktrace` (semantic conventions, "Exceptions on spans"). */
  recordException(exception: Exception, time?: TimeInput): void {
    const record = this.#open();
    if (record === undefined) return;
    const event = this.#nextEvent(record, 'exception', time);
    if (event === undefined) return;
    record.busy++;
    setException(event.attributes, exception, this.#pipeline.ofEvent, this.#pipeline.counters);
    record.busy--;
  }

  /** Ends the span and writes it. An end before the start counts as the start. */
  end(endTime?: TimeInput): void {
    const record = this.#open();
    if (record === undefined) return;
    this.#record = undefined;
    const { clock } = this.#pipeline;
    const end = endTime === undefined ? clock.elapsed() + record.clockOffset : clock.fromTimeInput(endTime);
    record.endTime = Math.max(end, record.startTime);
    this.#pipeline.finish(record);
  }

  /** Ends the span without a trace of it. */
  discard(): void {
    const record = this.#record;
    if (record === undefined) return;
    this.#record = undefined;
    this.#pipeline.release(record);
  }

  #open(): PooledRecord | undefined {
    if (this.#record === undefined) this.#pipeline.counters.used_after_end++;
    return this.#record;
  }

  #fill(record: PooledRecord, slots: AttributeSlots, attributes: unknown, bounds: AttributeLimits): void {
    if (typeof attributes !== 'object' || attributes === null) return;
    record.busy++;
    slots.setAll(attributes, bounds, this.#pipeline.counters);
    record.busy--;
  }
}

/** The wire's number for a `SpanKind` of the API; that of INTERNAL for what is none. */
export function wireKind(kind: number | undefined): number {
  const known = typeof kind === 'number' && Number.isInteger(kind) && kind >= 0 && kind <= KIND_MAX;
  return (known ? kind : 0) + WIRE_KIND_OFFSET;
}

function isTimeInput(value: unknown): value is TimeInput {
  if (typeof value !== 'object' || value === null) return typeof value === 'number';
  try {
    return Array.isArray(value) || value instanceof Date;
  } catch {
    return false;
  }
}

/** The tracestate that a link carries. */
export function stateOf(identity: SpanIdentity, counters: TraceCounters): string {
  return cleanText(identity.traceState?.serialize(), limits.tracestate_bytes_max, counters);
}

/** Undefined for what tells nothing: a link to no span is recorded for its attributes or its tracestate (trace API, "Link"). */
export function linkIdentity(link: Link): SpanIdentity | undefined {
  try {
    const identity = SpanIdentity.ofLink(link.context);
    if (identity === undefined || identity.valid) return identity;
    const { traceState } = identity;
    const tells = Object.keys(link.attributes ?? {}).length > 0 || (traceState?.serialize() ?? '') !== '';
    return tells ? identity : undefined;
  } catch {
    return undefined;
  }
}
