// Emits log records: from the OpenTelemetry API as an object, from pino as the line it wrote.
import {
  type Context,
  diag,
  type LogRecord,
  type Logger as OtelLogger,
  type SeverityNumber,
} from '@opentelemetry/api';
import type { AttributeLimits, ValueCounters } from '../context/attributes.ts';
import { AttributeSlots, cleanText, cleanValue, setException } from '../context/attributes.ts';
import type { Clock } from '../context/clock.ts';
import type { SpanIdentity } from '../context/identity.ts';
import { ObservabilityContext } from '../context/observability-context.ts';
import { Threshold } from '../context/threshold.ts';
import { limits } from '../limits.ts';
import { type FieldLevel, REDACTED } from '../transport/otlp/field-rules.ts';
import {
  encodeLine,
  type LineFacts,
  type LineHead,
  type LineKeys,
} from '../transport/otlp/line/line-frame.ts';
import type { LogRecordFields } from '../transport/otlp/logs.ts';
import { encodeLogRecord } from '../transport/otlp/logs.ts';
import type { AnyValue, AttributeList, Sink } from '../transport/otlp/record.ts';
import { FrameKind, Signal } from '../transport/otlp/record.ts';
import { severityOfName } from '../transport/otlp/severity.ts';
import { setSent } from './sent-attributes.ts';
import { THRESHOLD_KEY, type Thinning, withThresholdLabel } from './thinning.ts';

/** What happened to log records since the start; every number only grows. */
export interface LogCounters extends ValueCounters {
  /** Records whose bytes the sink took. */
  written: number;
  /** Records that the sink had no room for, or that were too large for a frame. */
  refused: number;
  /** Lines too long to be read, which became a body as they are. */
  long_lines: number;
}

/** The one record that `emit` fills, writes and clears: nothing of it outlives the call. */
class LogScratch implements LogRecordFields {
  time: number | undefined = undefined;
  observedTime = 0;
  severityNumber = 0;
  severityText = '';
  eventName = '';
  body: AnyValue = undefined;
  readonly attributes: AttributeSlots = new AttributeSlots();
  identity: SpanIdentity | undefined = undefined;
  flags = 0;

  clear(): void {
    this.severityText = '';
    this.eventName = '';
    this.body = undefined;
    this.attributes.clear();
    this.identity = undefined;
    this.flags = 0;
  }
}

/** UTF-16 units of the longest line that is read: what fits into a frame beside what the line does not say. */
const LINE_LENGTH_MAX: number = limits.frame_bytes_max - 1024;

/** What the line under way does not say; filled for each one, and written before the next. */
class LineScratch implements LineFacts {
  readonly attributesMax: number;
  readonly valueLengthMax: number;
  keys = '';
  head: LineHead | undefined = undefined;
  identity: SpanIdentity | undefined = undefined;
  labels: AttributeList = ObservabilityContext.root.labels;
  observedTime: number | undefined = undefined;

  constructor(bounds: AttributeLimits) {
    this.attributesMax = bounds.attributes;
    this.valueLengthMax = bounds.valueLength;
  }
}

/** What the loggers of one provider share. */
export class LogPipeline {
  readonly sink: Sink;
  readonly clock: Clock;
  readonly limits: AttributeLimits;
  readonly line: LineScratch;
  readonly thinning: Thinning;
  /** What is sent of attributes; undefined: all. */
  readonly fields: FieldLevel | undefined;
  /** Names of keys as a frame carries them, where they are not pino's. */
  readonly #keys = new WeakMap<LineKeys, string>();
  /** Whether a time can be read, by the length of its text: most loggers write one kind. */
  readonly #readable: boolean[] = [];
  readonly counters: LogCounters = {
    written: 0,
    refused: 0,
    long_lines: 0,
    truncated: 0,
    rejected: 0,
  };
  isShutDown = false;
  #scratch: LogScratch | undefined = new LogScratch();
  #hasToldOfDropped = false;

  constructor(
    sink: Sink,
    clock: Clock,
    attributeLimits: AttributeLimits,
    thinning: Thinning,
    fields: FieldLevel | undefined,
  ) {
    this.sink = sink;
    this.clock = clock;
    this.limits = attributeLimits;
    this.line = new LineScratch(attributeLimits);
    this.thinning = thinning;
    this.fields = fields;
  }

  keysText(keys: LineKeys): string {
    let text = this.#keys.get(keys);
    if (text === undefined) {
      text = JSON.stringify(keys);
      this.#keys.set(keys, text);
    }
    return text;
  }

  /** Whether a line with this head says itself when it was written. */
  saysTime(head: LineHead | undefined): boolean {
    if (head === undefined || head.time === '') return false;
    const { length } = head.time;
    let readable = this.#readable[length];
    if (readable === undefined) {
      readable = isTime(head.time);
      this.#readable[length] = readable;
    }
    return readable;
  }

  /** The scratch record, or a fresh one when a getter of a record that is being read emits another. */
  take(): LogScratch {
    const scratch = this.#scratch ?? new LogScratch();
    this.#scratch = undefined;
    return scratch;
  }

  finish(scope: number, scratch: LogScratch): void {
    const writer = this.sink.begin(Signal.logs, scope, this.thinning.isVital(scratch.severityNumber));
    if (writer === null) this.counters.refused++;
    else {
      encodeLogRecord(writer, scratch);
      this.count(this.sink.commit(1));
    }
    this.give(scratch);
  }

  /** Says once that a record has lost attributes; the record itself says how many. */
  tellOfDropped(): void {
    if (this.#hasToldOfDropped) return;
    this.#hasToldOfDropped = true;
    diag.warn(
      `A log record has more than ${this.limits.attributes} attributes, or some that cannot be sent: these are left out.`,
    );
  }

  give(scratch: LogScratch): void {
    scratch.clear();
    this.#scratch = scratch;
  }

  count(written: boolean): void {
    if (written) this.counters.written++;
    else this.counters.refused++;
  }
}

/** What {@link Logger.enabled} is asked about. */
interface LogQuestion {
  readonly context?: Context;
  readonly severityNumber?: SeverityNumber;
  readonly eventName?: string;
}

export class Logger implements OtelLogger {
  readonly #pipeline: LogPipeline;
  readonly #scope: number;

  /** @param scope the number that the sink gave to the instrumentation scope */
  constructor(pipeline: LogPipeline, scope: number) {
    this.#pipeline = pipeline;
    this.#scope = scope;
  }

  /**
   * Emits one record with the IDs and labels of its context, by default of the active one. An exception becomes
   * `exception.type`, `.message` and `.stacktrace`; attributes of the record's own win over both. Never throws.
   *
   * @param dropped attributes that the record has lost before
   */
  emit(record: LogRecord, dropped = 0): void {
    if (typeof record !== 'object' || record === null) return;
    const scratch = this.#pipeline.take();
    let passed = true;
    try {
      passed = this.#fill(scratch, record);
    } catch {
      this.#pipeline.counters.rejected++;
    }
    scratch.attributes.dropped += dropped;
    if (passed) this.#pipeline.finish(this.#scope, scratch);
    else this.#pipeline.give(scratch);
  }

  /** False when there is no room for the record. */
  #fill(scratch: LogScratch, record: LogRecord): boolean {
    const { clock, limits, counters, thinning, fields } = this.#pipeline;
    const context =
      record.context === undefined
        ? ObservabilityContext.active()
        : ObservabilityContext.from(record.context);
    scratch.severityText = cleanText(record.severityText, limits.valueLength, counters);
    scratch.severityNumber = severityNumber(record.severityNumber, scratch.severityText);
    scratch.attributes.setLabels(context.labels, limits);
    if (thinning.isOn()) {
      const threshold = thinning.pass(scratch.severityNumber, context.identity);
      if (threshold === undefined) return false;
      if (threshold !== Threshold.none)
        scratch.attributes.set(THRESHOLD_KEY, threshold.text, limits, counters);
    }
    scratch.observedTime =
      record.observedTimestamp === undefined ? clock.now() : clock.fromTimeInput(record.observedTimestamp);
    scratch.time = record.timestamp === undefined ? undefined : clock.fromTimeInput(record.timestamp);
    scratch.identity = context.identity;
    scratch.flags = context.identity?.traceFlags ?? 0;
    if (fields !== undefined) setSent(scratch.attributes, record, fields, limits, counters);
    else setAll(scratch.attributes, record, limits, counters);
    if (scratch.attributes.dropped > 0) this.#pipeline.tellOfDropped();
    scratch.body = cleanValue(record.body, limits.valueLength, counters);
    scratch.eventName = cleanText(record.eventName, limits.valueLength, counters);
    return true;
  }

  /**
   * False when such a record would be left out for want of room, which is then counted as if it had been emitted, and
   * after the end of the agent. Changes over time: to be asked before each record that is expensive to make. Never throws.
   */
  enabled(options?: LogQuestion): boolean {
    const { isShutDown, thinning } = this.#pipeline;
    if (isShutDown) return false;
    if (!thinning.isOn()) return true;
    try {
      const { identity } =
        options?.context === undefined
          ? ObservabilityContext.active()
          : ObservabilityContext.from(options.context);
      // Outside of a trace chance decides when the record is there.
      return (
        identity === undefined ||
        thinning.pass(severityNumber(options?.severityNumber, ''), identity) !== undefined
      );
    } catch {
      return true;
    }
  }

  /**
   * Emits a line of newline-delimited JSON, as pino writes it, without parsing it into objects: the line goes as it is,
   * and is read on the other side of the ring.
   *
   * `level`, `time` and `msg` become severity, time and body; `trace_id`, `span_id`, `trace_flags`, `pid` and
   * `hostname` are skipped, for the record and its resource have them; `err` and `error` objects become `exception.*`;
   * all else becomes attributes. A line that is not one JSON object becomes the body as it is. Never throws.
   *
   * @param keys the names of level, time and message where they differ; the same object for lines of the same kind
   * @param head how the line begins, for who knows: most of it is then not read again
   */
  emitJsonLine(line: string, context?: Context, keys?: LineKeys, head?: LineHead): void {
    const pipeline = this.#pipeline;
    if (line.length > LINE_LENGTH_MAX) return this.#emitLongLine(line, context);
    const from = context === undefined ? ObservabilityContext.active() : ObservabilityContext.from(context);
    const facts = pipeline.line;
    facts.keys = keys === undefined ? '' : pipeline.keysText(keys);
    facts.head = head;
    facts.identity = from.identity;
    facts.labels = from.labels;
    let vital = false;
    if (pipeline.thinning.isOn()) {
      const severity = pipeline.thinning.severityOfHead(head?.level ?? '', keys?.levels);
      const threshold = pipeline.thinning.pass(severity, from.identity);
      if (threshold === undefined) return;
      if (threshold !== Threshold.none) facts.labels = withThresholdLabel(from.labels, threshold);
      vital = pipeline.thinning.isVital(severity);
    }
    facts.observedTime = pipeline.saysTime(head) ? undefined : pipeline.clock.now();
    const writer = pipeline.sink.begin(FrameKind.line, this.#scope, vital);
    if (writer === null) {
      pipeline.counters.refused++;
      return;
    }
    encodeLine(writer, line, facts);
    pipeline.count(pipeline.sink.commit(1));
  }

  #emitLongLine(line: string, context: Context | undefined): void {
    this.#pipeline.counters.long_lines++;
    // As it is not read, nothing can be left out of it.
    const body = this.#pipeline.fields === undefined ? line : REDACTED;
    this.emit({ body, ...(context !== undefined && { context }) });
  }
}

function setAll(
  slots: AttributeSlots,
  record: LogRecord,
  bounds: AttributeLimits,
  counters: LogCounters,
): void {
  const { exception, attributes } = record;
  if (exception !== undefined && exception !== null) setException(slots, exception, bounds, counters);
  if (typeof attributes === 'object' && attributes !== null) slots.setAll(attributes, bounds, counters);
}

function severityNumber(given: unknown, text: string): number {
  if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given <= 24) return given;
  return text === '' ? 0 : severityOfName(text);
}

/** Whether a member such as `,"time":1700000000000` has a time that can be read. */
function isTime(member: string): boolean {
  try {
    const [time] = Object.values(JSON.parse(`{${member.slice(1)}}`) as object) as unknown[];
    return typeof time === 'number' || !Number.isNaN(Date.parse(String(time)));
  } catch {
    return false;
  }
}
