// The pooled part of a span: what it fills until its end, and the pool that such records come from and go to.
import type { ValueCounters } from '../context/attributes.ts';
import { AttributeSlots } from '../context/attributes.ts';
import { SpanIdentity } from '../context/identity.ts';
import { limits } from '../limits.ts';
import type { SpanEventRecord, SpanLinkRecord, SpanRecord } from '../transport/otlp/trace.ts';
import { SPAN_FLAG_REMOTE, SPAN_FLAG_REMOTE_KNOWN } from '../transport/otlp/trace.ts';

const STATUS_UNSET = 0;
export const STATUS_OK = 1;
export const STATUS_ERROR = 2;
/** Stands in slots that hold nothing. */
const NO_IDENTITY = new SpanIdentity(0, 0, 0, 0, 0, 0, 0, undefined, false);
/** Returned records between two looks at how many the pool really needs. */
const POOL_WINDOW = 4096;

/** What happened to spans since the start; every number only grows. */
export interface TraceCounters extends ValueCounters {
  /** Recording spans that were started. */
  started: number;
  /** Spans that sampling left out. */
  unsampled: number;
  /** Of those, local roots that were written after all, for what became of them; and those for which there was no place. */
  kept: number;
  unkept: number;
  /** Spans whose bytes the sink took. */
  written: number;
  /** Spans that the sink had no room for, or that were too large for a frame. */
  refused: number;
  /** Calls on a span that had ended. */
  used_after_end: number;
  /** Records made because the pool had none; records let go because it had too many. */
  pool_grown: number;
  pool_shrunk: number;
}

export class EventSlot implements SpanEventRecord {
  name = '';
  time = 0;
  readonly attributes: AttributeSlots = new AttributeSlots();
}

export class LinkSlot implements SpanLinkRecord {
  identity: SpanIdentity = NO_IDENTITY;
  traceState = '';
  flags = 0;
  readonly attributes: AttributeSlots = new AttributeSlots();
}

/**
 * The part of a span that is pooled. Every field exists from the start and keeps its type.
 *
 * Invariant: a record is in the pool, or belongs to exactly one handle that has not ended, or is garbage.
 */
export class PooledRecord implements SpanRecord {
  identity: SpanIdentity = NO_IDENTITY;
  traceState = '';
  parent0 = 0;
  parent1 = 0;
  flags = 0;
  name = '';
  kind = 1;
  startTime = 0;
  endTime = 0;
  /** The clock's offset at the start, which the end uses too: a step of the wall clock stretches no span. */
  clockOffset = 0;
  scope = 0;
  readonly attributes: AttributeSlots = new AttributeSlots();
  readonly events: EventSlot[] = [];
  eventCount = 0;
  droppedEvents = 0;
  readonly links: LinkSlot[] = [];
  linkCount = 0;
  droppedLinks = 0;
  statusCode: number = STATUS_UNSET;
  statusMessage = '';
  /** Above 0 while code of the application may run (getters): a span that such code ends is not pooled. */
  busy = 0;

  /** @param parent undefined for a root span */
  begin(identity: SpanIdentity, parent: SpanIdentity | undefined, kind: number, scope: number): void {
    this.identity = identity;
    this.traceState = identity.traceState?.serialize() ?? '';
    this.parent0 = parent?.s0 ?? 0;
    this.parent1 = parent?.s1 ?? 0;
    this.flags =
      identity.traceFlags | SPAN_FLAG_REMOTE_KNOWN | (parent?.isRemote === true ? SPAN_FLAG_REMOTE : 0);
    this.kind = kind;
    this.scope = scope;
  }

  /** Whether its parent, if it has one, is in another process. */
  get isLocalRoot(): boolean {
    return (this.parent0 | this.parent1) === 0 || (this.flags & SPAN_FLAG_REMOTE) !== 0;
  }

  /** The slot of one more event; undefined, and counted, beyond so many. */
  nextEvent(max: number): EventSlot | undefined {
    if (this.eventCount >= max) {
      this.droppedEvents++;
      return undefined;
    }
    let event = this.events[this.eventCount];
    if (event === undefined) {
      event = new EventSlot();
      this.events.push(event);
    }
    this.eventCount++;
    return event;
  }

  /** The slot of one more link, which leads to `identity`; undefined, and counted, beyond so many. */
  nextLink(identity: SpanIdentity | undefined, max: number): LinkSlot | undefined {
    if (identity === undefined || this.linkCount >= max) {
      this.droppedLinks++;
      return undefined;
    }
    let link = this.links[this.linkCount];
    if (link === undefined) {
      link = new LinkSlot();
      this.links.push(link);
    }
    this.linkCount++;
    link.identity = identity;
    link.flags = identity.traceFlags | SPAN_FLAG_REMOTE_KNOWN | (identity.isRemote ? SPAN_FLAG_REMOTE : 0);
    return link;
  }

  /** Forgets everything of the application's. */
  clear(): void {
    this.identity = NO_IDENTITY;
    this.traceState = '';
    this.name = '';
    this.attributes.clear();
    for (let i = 0; i < this.eventCount; i++) {
      this.events[i]!.name = '';
      this.events[i]!.attributes.clear();
    }
    for (let i = 0; i < this.linkCount; i++) {
      this.links[i]!.identity = NO_IDENTITY;
      this.links[i]!.traceState = '';
      this.links[i]!.attributes.clear();
    }
    this.eventCount = 0;
    this.droppedEvents = 0;
    this.linkCount = 0;
    this.droppedLinks = 0;
    this.statusCode = STATUS_UNSET;
    this.statusMessage = '';
  }
}

/**
 * Free records, at most `span_pool_max`. Of those that a whole window of 4096 returns never needed, half are let go.
 */
export class RecordPool {
  readonly #free: PooledRecord[] = [];
  readonly #counters: TraceCounters;
  #returned = 0;
  #unneeded = 0;

  constructor(counters: TraceCounters) {
    this.#counters = counters;
  }

  get size(): number {
    return this.#free.length;
  }

  take(): PooledRecord {
    const record = this.#free.pop();
    if (this.#free.length < this.#unneeded) this.#unneeded = this.#free.length;
    if (record !== undefined) return record;
    this.#counters.pool_grown++;
    return new PooledRecord();
  }

  give(record: PooledRecord): void {
    record.clear();
    if (this.#free.length < limits.span_pool_max) this.#free.push(record);
    else this.#counters.pool_shrunk++;
    if (++this.#returned === POOL_WINDOW) this.#shrink();
  }

  #shrink(): void {
    const surplus = this.#unneeded >> 1;
    this.#free.length -= surplus;
    this.#counters.pool_shrunk += surplus;
    this.#returned = 0;
    this.#unneeded = this.#free.length;
  }
}
