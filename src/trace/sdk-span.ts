// Writes a span that the stock OpenTelemetry SDK has recorded, when it has ended.
import type { Attributes, HrTime, Link, SpanContext, SpanStatus } from '@opentelemetry/api';
import type { AttributeLimits, AttributeSlots, ValueCounters } from '../context/attributes.ts';
import { cleanText } from '../context/attributes.ts';
import { SpanIdentity } from '../context/identity.ts';
import { linkIdentity, type SpanPipeline, stateOf, TEXT_LENGTH_MAX, wireKind } from './span.ts';
import type { EventSlot } from './span-record.ts';

/** What is read of a `ReadableSpan`: the same in the SDK's majors 2 and 3. */
export interface SdkSpan {
  readonly name: string;
  readonly kind: number;
  spanContext(): SpanContext;
  readonly parentSpanContext?: SpanContext | undefined;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: readonly (Link & { readonly droppedAttributesCount?: number | undefined })[];
  readonly events: readonly SdkEvent[];
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
}

interface SdkEvent {
  readonly name: string;
  readonly time: HrTime;
  readonly attributes?: Attributes | undefined;
  readonly droppedAttributesCount?: number | undefined;
}

/** What is not sampled is not written, nor what has no valid IDs. @param scope the number that the sink gave to the span's scope */
export function writeSdkSpan(pipeline: SpanPipeline, scope: number, span: SdkSpan): void {
  const { clock, limits, counters, ofSpan, ofLink } = pipeline;
  const identity = SpanIdentity.from(span.spanContext());
  if (identity?.sampled !== true) return;
  const parent = span.parentSpanContext && SpanIdentity.from(span.parentSpanContext);
  const record = pipeline.take();
  record.begin(identity, parent, wireKind(span.kind), scope);
  record.name = cleanText(span.name, TEXT_LENGTH_MAX, counters);
  record.startTime = clock.fromTimeInput(span.startTime);
  record.endTime = Math.max(record.startTime, clock.fromTimeInput(span.endTime));
  record.statusCode = span.status.code;
  record.statusMessage = cleanText(span.status.message, TEXT_LENGTH_MAX, counters);
  fill(record.attributes, span.attributes, span.droppedAttributesCount, ofSpan, counters);
  for (const event of span.events) writeEvent(record.nextEvent(limits.events), event, pipeline);
  record.droppedEvents += span.droppedEventsCount;
  for (const link of span.links) {
    const slot = record.nextLink(linkIdentity(link), limits.links);
    if (slot === undefined) continue;
    slot.traceState = stateOf(slot.identity, counters);
    fill(slot.attributes, link.attributes, link.droppedAttributesCount, ofLink, counters);
  }
  record.droppedLinks += span.droppedLinksCount;
  pipeline.finish(record);
}

function writeEvent(slot: EventSlot | undefined, event: SdkEvent, pipeline: SpanPipeline): void {
  if (slot === undefined) return;
  slot.name = cleanText(event.name, TEXT_LENGTH_MAX, pipeline.counters);
  slot.time = pipeline.clock.fromTimeInput(event.time);
  fill(slot.attributes, event.attributes, event.droppedAttributesCount, pipeline.ofEvent, pipeline.counters);
}

/** @param dropped attributes that the SDK's own limits have cost */
function fill(
  slots: AttributeSlots,
  attributes: Attributes | undefined,
  dropped: number | undefined,
  bounds: AttributeLimits,
  counters: ValueCounters,
): void {
  if (attributes !== undefined) slots.setAll(attributes, bounds, counters);
  slots.dropped += dropped ?? 0;
}
