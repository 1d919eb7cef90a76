// A local root that was not sampled, and becomes a record if it ends in an error or takes long.
import type {
  Attributes,
  Exception,
  Link,
  Span,
  SpanContext,
  SpanOptions,
  SpanStatus,
  TimeInput,
} from '@opentelemetry/api';
import type { SpanIdentity } from '../context/identity.ts';
import type { Keeping } from './keeping.ts';
import type { RecordingSpan, SpanPipeline } from './span.ts';

/** Says why a span was kept that was not sampled. It stands for nothing but itself, and no estimate may count it. */
const KEPT = 'tricord.sampling.kept';
const ERROR = 'error';
const SLOW = 'slow';

/**
 * It costs next to nothing as long as nobody says anything of it: the record is made with the first attribute, event or status.
 *
 * `isRecording()` says whether it is sure to be kept: from an ERROR on, or from when it is slow. So instrumentation that
 * asks has its work only for those. What was decided at the start stands for everybody else: the flag that goes to other
 * processes, and the spans below.
 */
export class CandidateSpan implements Span {
  /** Nanoseconds since the anchor of the clock. */
  readonly startTime: number;
  readonly #pipeline: SpanPipeline;
  readonly #keeping: Keeping;
  readonly #identity: SpanIdentity;
  readonly #clockOffset: number;
  /** Makes the record; undefined when all is over. */
  #make: (() => RecordingSpan) | undefined;
  /** Makes attributes for the record. */
  readonly #later: SpanOptions | undefined;
  #record: RecordingSpan | undefined;
  /** Has a place among those that are kept. */
  #admitted = false;

  /** @param later options whose attributes are read when they are needed */
  constructor(
    pipeline: SpanPipeline,
    keeping: Keeping,
    identity: SpanIdentity,
    startTime: TimeInput | undefined,
    make: () => RecordingSpan,
    later: SpanOptions | undefined,
  ) {
    const { clock } = pipeline;
    this.startTime = startTime === undefined ? clock.now() : clock.fromTimeInput(startTime);
    this.#pipeline = pipeline;
    this.#keeping = keeping;
    this.#identity = identity;
    this.#clockOffset = clock.offset;
    this.#make = make;
    this.#later = later;
  }

  spanContext(): SpanContext {
    return this.#identity;
  }

  isRecording(): boolean {
    if (!this.#admitted && this.#isSlow(undefined)) this.#admit();
    return this.#admitted;
  }

  setAttribute(key: string, value: unknown): this {
    this.#open()?.setAttribute(key, value);
    return this;
  }

  setAttributes(attributes: Attributes): this {
    this.#open()?.setAttributes(attributes);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    this.#open()?.addEvent(name, attributesOrTime, time);
    return this;
  }

  addLink(link: Link): this {
    this.#open()?.addLink(link);
    return this;
  }

  addLinks(links: readonly Link[]): this {
    this.#open()?.addLinks(links);
    return this;
  }

  setStatus(status: SpanStatus): this {
    const record = this.#open()?.setStatus(status);
    if (record?.failed === true && this.#keeping.errors && !this.#admitted) this.#admit();
    return this;
  }

  updateName(name: string): this {
    this.#open()?.updateName(name);
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    this.#open()?.recordException(exception, time);
  }

  end(endTime?: TimeInput): void {
    const slow = this.#isSlow(endTime);
    if (slow && !this.#admitted) this.#admit();
    const admitted = this.#admitted;
    const record = admitted ? this.#open() : this.#record;
    this.#over();
    if (record === undefined) return;
    const failed = this.#keeping.errors && record.failed;
    if (!admitted || !(failed || slow)) {
      record.discard();
      return;
    }
    this.#pipeline.counters.kept++;
    record.setAttribute(KEPT, failed ? ERROR : SLOW);
    record.end(endTime);
  }

  #open(): RecordingSpan | undefined {
    if (this.#record === undefined && this.#make !== undefined) {
      const record = this.#make();
      record.startedAt(this.startTime, this.#clockOffset);
      this.#record = record;
      // First of all, so that it is none too many.
      record.setAttribute(KEPT, ERROR);
      if (this.#later !== undefined) this.#describe(record, this.#later);
    }
    return this.#record;
  }

  #describe(record: RecordingSpan, later: SpanOptions): void {
    try {
      record.setAttributes(later.attributes ?? {});
    } catch {
      this.#pipeline.counters.rejected++;
    }
  }

  #isSlow(endTime: TimeInput | undefined): boolean {
    const { slowNanos } = this.#keeping;
    if (slowNanos === Number.POSITIVE_INFINITY || this.#make === undefined) return false;
    const { clock } = this.#pipeline;
    const time = endTime === undefined ? clock.elapsed() + this.#clockOffset : clock.fromTimeInput(endTime);
    return time - this.startTime >= slowNanos;
  }

  /** Without a place all is over at once. */
  #admit(): void {
    this.#admitted = this.#keeping.admit();
    if (this.#admitted) return;
    this.#pipeline.counters.unkept++;
    this.#record?.discard();
    this.#over();
  }

  #over(): void {
    this.#make = undefined;
    this.#record = undefined;
    this.#admitted = false;
  }
}
