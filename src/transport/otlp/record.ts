// The records that the three paths hand to the wire codec, and the sink that takes their bytes.
import type { AttributeList } from './value.ts';
import type { Writer } from './writer.ts';

/** The three signals, numbered as on the stream and in the write-ahead log. */
export const Signal = { traces: 1, metrics: 2, logs: 3 } as const;
export type Signal = (typeof Signal)[keyof typeof Signal];
export type SignalName = keyof typeof Signal;

/** Beside the signals: profiles, whose requests share a dictionary each and can never be joined. */
export const PROFILES = 4;

/** What a frame holds: an encoded record of a signal, or a log record as the line of JSON that says it, not read yet. */
export const FrameKind = { traces: 1, metrics: 2, logs: 3, line: 4 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** The signal that a frame belongs to. */
export const signalOf = (kind: FrameKind): Signal => (kind === FrameKind.line ? Signal.logs : kind);

export type { AnyValue, AttributeList } from './value.ts';

/** An instrumentation scope (`opentelemetry.proto.common.v1.InstrumentationScope`) and its schema URL. */
export interface ScopeRecord {
  readonly name: string;
  readonly version?: string | undefined;
  readonly schemaUrl?: string | undefined;
  readonly attributes?: AttributeList | undefined;
}

/**
 * What the paths ask before they make a record, so that too many of them become fewer that carry a weight, and no gap.
 */
export interface Pressure {
  /** The share of what may be left out that there is room for: above 0, and 1 while there is room for all. Changes in steps. */
  room(): number;
  /** Upper bound of the head sampling probability that the collector asks for; 1 when it asks for nothing. */
  samplingProbability(): number;
  /** Counts what was left out for want of room: a log record, or a span with all that would have been below it. */
  leaveOut(signal: Signal): void;
}

/**
 * Where a path puts its records: one frame per record, each frame one element of the repeated field 2
 * that `ScopeSpans`, `ScopeMetrics` and `ScopeLogs` share (`spans`, `metrics`, `log_records`), or a line: `encodeLine`.
 *
 * A frame is opened, written and closed in one synchronous stretch:
 * `const writer = sink.begin(kind, scope, false); if (writer !== null) { encode(writer, record); sink.commit(1); }`
 */
export interface Sink extends Pressure {
  /** Declares a scope and returns the number that stands for it in {@link begin}. The same scope gives the same number. */
  scope(scope: ScopeRecord): number;
  /**
   * Opens a frame and returns the writer at its payload; null when the buffer has no room (counted as a drop).
   * @param vital what is dropped last: it may take the room that is kept from all else
   */
  begin(kind: FrameKind, scope: number, vital: boolean): Writer | null;
  /** Closes the frame; `items` is what it counts for (spans, log records, data points). False: it did not fit (counted). */
  commit(items: number): boolean;
}
