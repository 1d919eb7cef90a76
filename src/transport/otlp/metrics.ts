// Writes a metric and as many of its points as fit as an element of `ScopeMetrics.metrics`.
import type { AttributeList } from './record.ts';
import type { IdWords } from './trace.ts';
import type { Writer } from './writer.ts';

/** `AggregationTemporality` of the wire. */
export const AggregationTemporality = { delta: 1, cumulative: 2 } as const;
export type AggregationTemporality = (typeof AggregationTemporality)[keyof typeof AggregationTemporality];

/** A measurement that stands for others of its series, with the span under which it was made. */
export interface ExemplarRecord {
  readonly value: number;
  /** Nanoseconds since the anchor. */
  readonly time: number;
  /** Undefined for a measurement outside of any span. */
  readonly identity?: IdWords | undefined;
  /** What was known about the measurement and is not among the attributes of its series. */
  readonly filteredAttributes?: AttributeList | undefined;
}

interface Point {
  readonly attributes: AttributeList;
  /** Nanoseconds since the anchor; undefined when it is not known. */
  readonly startTime: number | undefined;
  /** Nanoseconds since the anchor. */
  readonly time: number;
}

export interface NumberPoint extends Point {
  readonly value: number;
  readonly exemplars: readonly ExemplarRecord[];
}

export interface HistogramPoint extends Point {
  readonly count: number;
  /** Undefined where measurements may be negative. */
  readonly sum: number | undefined;
  /** Undefined when it is not recorded or the point is empty; likewise `max`. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Upper bounds, inclusive and ascending. */
  readonly bounds: ArrayLike<number>;
  /** One more than `bounds`, not accumulated. */
  readonly counts: ArrayLike<number>;
  readonly exemplars: readonly ExemplarRecord[];
}

/** A histogram of non-negative measurements whose bucket i holds (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale). */
export interface ExponentialHistogramPoint extends Point {
  readonly count: number;
  readonly sum: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly scale: number;
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: ArrayLike<number>;
  readonly exemplars: readonly ExemplarRecord[];
}

export interface SummaryPoint extends Point {
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

interface Metric<P extends Point> {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  /** Number of points. */
  readonly size: number;
  /** The point of this index, 0 to `size` - 1; valid until the metric is written to again. */
  point(index: number): P;
}

export interface GaugeRecord extends Metric<NumberPoint> {
  readonly type: 'gauge';
  /** Whether values are whole numbers, to be written as `as_int`. */
  readonly integer: boolean;
}

export interface SumRecord extends Metric<NumberPoint> {
  readonly type: 'sum';
  readonly integer: boolean;
  readonly monotonic: boolean;
  readonly temporality: AggregationTemporality;
}

export interface HistogramRecord extends Metric<HistogramPoint> {
  readonly type: 'histogram';
  readonly temporality: AggregationTemporality;
}

export interface ExponentialHistogramRecord extends Metric<ExponentialHistogramPoint> {
  readonly type: 'exponentialHistogram';
  readonly temporality: AggregationTemporality;
}

interface SummaryRecord extends Metric<SummaryPoint> {
  readonly type: 'summary';
}

/** One metric with its points: what instruments and metric producers hand to the encoder. */
export type MetricRecord =
  | GaugeRecord
  | SumRecord
  | HistogramRecord
  | ExponentialHistogramRecord
  | SummaryRecord;

/** Bytes that closing the point list, the metric and the frame may still need for their lengths. */
const CLOSING_BYTES = 16;
const TWO_32 = 4294967296;
const TWO_53 = 9007199254740992;

/*
 * message Metric {
 *   string name = 1; string description = 2; string unit = 3;
 *   oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9;
 *                ExponentialHistogram exponential_histogram = 10; Summary summary = 11; }
 * }
 * Each data message: repeated …DataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2;
 *                    bool is_monotonic = 3 (Sum).
 */
const dataField = { gauge: 5, sum: 7, histogram: 9, exponentialHistogram: 10, summary: 11 } as const;

/**
 * Writes `metric` with the points from `first` on, until they end or the writer's window is full. Returns the index
 * behind the last point written: what the next frame goes on with. When it returns `first`, not even one point fitted,
 * and the writer has overflowed.
 */
export function encodeMetric(writer: Writer, metric: MetricRecord, first: number): number {
  const frame = writer.message(2);
  writer.string(1, metric.name);
  if (metric.description !== '') writer.string(2, metric.description);
  if (metric.unit !== '') writer.string(3, metric.unit);
  const data = writer.message(dataField[metric.type]);
  if (metric.type !== 'gauge' && metric.type !== 'summary') writer.uint(2, metric.temporality);
  if (metric.type === 'sum' && metric.monotonic) writer.bool(3, true);
  const next = encodePoints(writer, metric, first);
  writer.close(data);
  writer.close(frame);
  return next;
}

function encodePoints(writer: Writer, metric: MetricRecord, first: number): number {
  const { end } = writer;
  for (let index = first; index < metric.size; index++) {
    const { pos } = writer;
    encodePoint(writer, metric, index);
    if (!writer.overflowed && writer.pos + CLOSING_BYTES <= end) continue;
    if (index > first) writer.reset(writer.bytes, pos, end);
    else writer.overflowed = true;
    return index;
  }
  return metric.size;
}

function encodePoint(writer: Writer, metric: MetricRecord, index: number): void {
  const mark = writer.message(1);
  switch (metric.type) {
    case 'gauge':
    case 'sum':
      encodeNumberPoint(writer, metric.point(index), metric.integer);
      break;
    case 'histogram':
      encodeHistogramPoint(writer, metric.point(index));
      break;
    case 'exponentialHistogram':
      encodeExponentialPoint(writer, metric.point(index));
      break;
    case 'summary':
      encodeSummaryPoint(writer, metric.point(index));
  }
  writer.close(mark);
}

/** `fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;` and the attributes: common to all points. */
function encodePointHead(writer: Writer, point: Point, attributesField: number): void {
  writer.attributes(attributesField, point.attributes);
  if (point.startTime !== undefined) writer.time(2, point.startTime);
  writer.time(3, point.time);
}

/* message NumberDataPoint { attributes = 7; double as_double = 4; sfixed64 as_int = 6; repeated Exemplar exemplars = 5; } */
function encodeNumberPoint(writer: Writer, point: NumberPoint, integer: boolean): void {
  encodePointHead(writer, point, 7);
  if (integer) sfixed64(writer, 6, point.value);
  else writer.double(4, point.value);
  encodeExemplars(writer, 5, point.exemplars, integer);
}

/*
 * message HistogramDataPoint { attributes = 9; fixed64 count = 4; optional double sum = 5;
 *   repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7; repeated Exemplar exemplars = 8;
 *   optional double min = 11; optional double max = 12; }
 */
function encodeHistogramPoint(writer: Writer, point: HistogramPoint): void {
  encodePointHead(writer, point, 9);
  const { bounds, counts } = point;
  count64(writer, 4, point.count);
  if (point.sum !== undefined) writer.double(5, point.sum);
  const countsMark = writer.message(6);
  for (let i = 0; i < counts.length; i++) bareCount64(writer, counts[i]!);
  writer.close(countsMark);
  if (bounds.length > 0) {
    const boundsMark = writer.message(7);
    for (let i = 0; i < bounds.length; i++) writer.bareDouble(bounds[i]!);
    writer.close(boundsMark);
  }
  encodeExemplars(writer, 8, point.exemplars);
  if (point.min !== undefined) writer.double(11, point.min);
  if (point.max !== undefined) writer.double(12, point.max);
}

/*
 * message ExponentialHistogramDataPoint { attributes = 1; fixed64 count = 4; optional double sum = 5; sint32 scale = 6;
 *   fixed64 zero_count = 7; Buckets positive = 8 { sint32 offset = 1; repeated uint64 bucket_counts = 2; };
 *   repeated Exemplar exemplars = 11; optional double min = 12; optional double max = 13; }
 */
function encodeExponentialPoint(writer: Writer, point: ExponentialHistogramPoint): void {
  encodePointHead(writer, point, 1);
  const { counts } = point;
  count64(writer, 4, point.count);
  writer.double(5, point.sum);
  writer.uint(6, zigZag(point.scale));
  count64(writer, 7, point.zeroCount);
  if (counts.length > 0) {
    const buckets = writer.message(8);
    writer.uint(1, zigZag(point.offset));
    const mark = writer.message(2);
    for (let i = 0; i < counts.length; i++) writer.varint(counts[i]!);
    writer.close(mark);
    writer.close(buckets);
  }
  encodeExemplars(writer, 11, point.exemplars);
  if (point.min !== undefined) writer.double(12, point.min);
  if (point.max !== undefined) writer.double(13, point.max);
}

/*
 * message SummaryDataPoint { attributes = 7; fixed64 count = 4; double sum = 5;
 *   repeated ValueAtQuantile quantile_values = 6 { double quantile = 1; double value = 2; }; }
 */
function encodeSummaryPoint(writer: Writer, point: SummaryPoint): void {
  encodePointHead(writer, point, 7);
  count64(writer, 4, point.count);
  writer.double(5, point.sum);
  for (const { quantile, value } of point.quantiles) {
    const mark = writer.message(6);
    writer.double(1, quantile);
    writer.double(2, value);
    writer.close(mark);
  }
}

/*
 * message Exemplar { repeated KeyValue filtered_attributes = 7; fixed64 time_unix_nano = 2; double as_double = 3;
 *   sfixed64 as_int = 6; bytes span_id = 4; bytes trace_id = 5; }
 */
function encodeExemplars(
  writer: Writer,
  field: number,
  exemplars: readonly ExemplarRecord[],
  integer = false,
): void {
  for (const { value, time, identity, filteredAttributes } of exemplars) {
    const mark = writer.message(field);
    writer.time(2, time);
    if (integer) sfixed64(writer, 6, value);
    else writer.double(3, value);
    if (identity !== undefined) {
      writer.spanId(4, identity.s0, identity.s1);
      writer.traceId(5, identity.t0, identity.t1, identity.t2, identity.t3);
    }
    if (filteredAttributes !== undefined) writer.attributes(7, filteredAttributes);
    writer.close(mark);
  }
}

const zigZag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0;

function count64(writer: Writer, field: number, value: number): void {
  writer.fixed64(field, Math.floor(value / TWO_32), value % TWO_32);
}

function bareCount64(writer: Writer, value: number): void {
  writer.bareFixed64(Math.floor(value / TWO_32), value % TWO_32);
}

/** Whole numbers beyond 2^53 are not exact any more; they end there rather than wrap. */
function sfixed64(writer: Writer, field: number, value: number): void {
  const whole = Math.min(Math.max(Math.trunc(value), -TWO_53), TWO_53);
  const high = Math.floor(whole / TWO_32);
  writer.fixed64(field, high, whole - high * TWO_32);
}
