// Data points and exemplars of `opentelemetry.proto.metrics.v1`, decoded.
import { decodeKeyValue, type KeyValue, NO_BYTES } from './decode-value.ts';
import type { Reader } from './reader.ts';
import { tagsOf } from './schema.ts';
import { WireType } from './writer.ts';

/** What every data point has. Times are nanoseconds since the Unix epoch; flag 1 means: no recorded value. */
interface Point {
  readonly attributes: readonly KeyValue[];
  /** 0n when it is not known. */
  readonly startTimeUnixNano: bigint;
  readonly timeUnixNano: bigint;
  readonly flags: number;
}

export interface DecodedNumberPoint extends Point {
  /** A bigint only beyond the safe integers; undefined when neither number was there. */
  readonly value: number | bigint | undefined;
  readonly exemplars: readonly DecodedExemplar[];
}

/** Counts are numbers: exact up to 2^53. */
export interface DecodedHistogramPoint extends Point {
  readonly count: number;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** One more than bounds: `bucketCounts[i]` counts `(explicitBounds[i - 1], explicitBounds[i]]`. */
  readonly bucketCounts: readonly number[];
  readonly explicitBounds: readonly number[];
  readonly exemplars: readonly DecodedExemplar[];
}

export interface DecodedExponentialPoint extends Point {
  readonly count: number;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** The base of the bucket bounds is 2^(2^-scale). */
  readonly scale: number;
  readonly zeroCount: number;
  readonly zeroThreshold: number;
  readonly positive: DecodedBuckets;
  readonly negative: DecodedBuckets;
  readonly exemplars: readonly DecodedExemplar[];
}

/** `counts[i]` belongs to the bucket `(base^(offset + i), base^(offset + i + 1)]`. */
export interface DecodedBuckets {
  readonly offset: number;
  readonly counts: readonly number[];
}

export interface DecodedSummaryPoint extends Point {
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

export interface DecodedExemplar {
  readonly timeUnixNano: bigint;
  readonly value: number | bigint | undefined;
  /** 16 bytes, or none. */
  readonly traceId: Uint8Array;
  /** 8 bytes, or none. */
  readonly spanId: Uint8Array;
  readonly filteredAttributes: readonly KeyValue[];
}

const numberTag = tagsOf('NumberDataPoint');
const histogramTag = tagsOf('HistogramDataPoint');
const exponentialTag = tagsOf('ExponentialHistogramDataPoint');
const bucketsTag = tagsOf('Buckets');
const summaryTag = tagsOf('SummaryDataPoint');
const quantileTag = tagsOf('ValueAtQuantile');
const exemplarTag = tagsOf('Exemplar');

export function decodeNumberPoint(reader: Reader): DecodedNumberPoint {
  const attributes: KeyValue[] = [];
  const exemplars: DecodedExemplar[] = [];
  const point = {
    attributes,
    startTimeUnixNano: 0n,
    timeUnixNano: 0n,
    flags: 0,
    value: undefined as number | bigint | undefined,
    exemplars,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === numberTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === numberTag.start_time_unix_nano) point.startTimeUnixNano = reader.fixed64();
    else if (tag === numberTag.time_unix_nano) point.timeUnixNano = reader.fixed64();
    else if (tag === numberTag.as_double) point.value = reader.double();
    else if (tag === numberTag.as_int) point.value = reader.sfixed64();
    else if (tag === numberTag.exemplars) exemplars.push(decodeExemplar(reader));
    else if (tag === numberTag.flags) point.flags = reader.uint32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return point;
}

export function decodeHistogramPoint(reader: Reader): DecodedHistogramPoint {
  const attributes: KeyValue[] = [];
  const bucketCounts: number[] = [];
  const explicitBounds: number[] = [];
  const exemplars: DecodedExemplar[] = [];
  const point = {
    attributes,
    startTimeUnixNano: 0n,
    timeUnixNano: 0n,
    flags: 0,
    count: 0,
    sum: undefined as number | undefined,
    min: undefined as number | undefined,
    max: undefined as number | undefined,
    bucketCounts,
    explicitBounds,
    exemplars,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === histogramTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === histogramTag.start_time_unix_nano) point.startTimeUnixNano = reader.fixed64();
    else if (tag === histogramTag.time_unix_nano) point.timeUnixNano = reader.fixed64();
    else if (tag === histogramTag.count) point.count = reader.fixed64Number();
    else if (tag === histogramTag.sum) point.sum = reader.double();
    else if (tag === histogramTag.min) point.min = reader.double();
    else if (tag === histogramTag.max) point.max = reader.double();
    else if (isRepeated(tag, histogramTag.bucket_counts)) numbers(reader, tag, bucketCounts, fixed64);
    else if (isRepeated(tag, histogramTag.explicit_bounds)) numbers(reader, tag, explicitBounds, double);
    else if (tag === histogramTag.exemplars) exemplars.push(decodeExemplar(reader));
    else if (tag === histogramTag.flags) point.flags = reader.uint32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return point;
}

export function decodeExponentialPoint(reader: Reader): DecodedExponentialPoint {
  const attributes: KeyValue[] = [];
  const exemplars: DecodedExemplar[] = [];
  const point = {
    attributes,
    startTimeUnixNano: 0n,
    timeUnixNano: 0n,
    flags: 0,
    count: 0,
    sum: undefined as number | undefined,
    min: undefined as number | undefined,
    max: undefined as number | undefined,
    scale: 0,
    zeroCount: 0,
    zeroThreshold: 0,
    positive: { offset: 0, counts: [] as number[] },
    negative: { offset: 0, counts: [] as number[] },
    exemplars,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === exponentialTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === exponentialTag.start_time_unix_nano) point.startTimeUnixNano = reader.fixed64();
    else if (tag === exponentialTag.time_unix_nano) point.timeUnixNano = reader.fixed64();
    else if (tag === exponentialTag.count) point.count = reader.fixed64Number();
    else if (tag === exponentialTag.sum) point.sum = reader.double();
    else if (tag === exponentialTag.min) point.min = reader.double();
    else if (tag === exponentialTag.max) point.max = reader.double();
    else if (tag === exponentialTag.scale) point.scale = reader.sint32();
    else if (tag === exponentialTag.zero_count) point.zeroCount = reader.fixed64Number();
    else if (tag === exponentialTag.zero_threshold) point.zeroThreshold = reader.double();
    else if (tag === exponentialTag.positive) decodeBuckets(reader, point.positive);
    else if (tag === exponentialTag.negative) decodeBuckets(reader, point.negative);
    else if (tag === exponentialTag.exemplars) exemplars.push(decodeExemplar(reader));
    else if (tag === exponentialTag.flags) point.flags = reader.uint32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return point;
}

function decodeBuckets(reader: Reader, buckets: { offset: number; counts: number[] }): void {
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === bucketsTag.offset) buckets.offset = reader.sint32();
    else if (isRepeated(tag, bucketsTag.bucket_counts)) numbers(reader, tag, buckets.counts, varint);
    else reader.skip(tag);
  }
  reader.leave(outer);
}

export function decodeSummaryPoint(reader: Reader): DecodedSummaryPoint {
  const attributes: KeyValue[] = [];
  const quantiles: { quantile: number; value: number }[] = [];
  const point = {
    attributes,
    startTimeUnixNano: 0n,
    timeUnixNano: 0n,
    flags: 0,
    count: 0,
    sum: 0,
    quantiles,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === summaryTag.attributes) attributes.push(decodeKeyValue(reader));
    else if (tag === summaryTag.start_time_unix_nano) point.startTimeUnixNano = reader.fixed64();
    else if (tag === summaryTag.time_unix_nano) point.timeUnixNano = reader.fixed64();
    else if (tag === summaryTag.count) point.count = reader.fixed64Number();
    else if (tag === summaryTag.sum) point.sum = reader.double();
    else if (tag === summaryTag.quantile_values) quantiles.push(decodeQuantile(reader));
    else if (tag === summaryTag.flags) point.flags = reader.uint32();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return point;
}

function decodeQuantile(reader: Reader): { quantile: number; value: number } {
  const result = { quantile: 0, value: 0 };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === quantileTag.quantile) result.quantile = reader.double();
    else if (tag === quantileTag.value) result.value = reader.double();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return result;
}

function decodeExemplar(reader: Reader): DecodedExemplar {
  const filteredAttributes: KeyValue[] = [];
  const exemplar = {
    timeUnixNano: 0n,
    value: undefined as number | bigint | undefined,
    traceId: NO_BYTES,
    spanId: NO_BYTES,
    filteredAttributes,
  };
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === exemplarTag.time_unix_nano) exemplar.timeUnixNano = reader.fixed64();
    else if (tag === exemplarTag.as_double) exemplar.value = reader.double();
    else if (tag === exemplarTag.as_int) exemplar.value = reader.sfixed64();
    else if (tag === exemplarTag.trace_id) exemplar.traceId = reader.view();
    else if (tag === exemplarTag.span_id) exemplar.spanId = reader.view();
    else if (tag === exemplarTag.filtered_attributes) filteredAttributes.push(decodeKeyValue(reader));
    else reader.skip(tag);
  }
  reader.leave(outer);
  return exemplar;
}

const fixed64 = (reader: Reader): number => reader.fixed64Number();
const double = (reader: Reader): number => reader.double();
const varint = (reader: Reader): number => reader.varint();

/** True for the field's own tag and for its packed form. */
const isRepeated = (tag: number, elementTag: number): boolean =>
  tag === elementTag || tag === ((elementTag & ~7) | WireType.len);

/** Reads repeated numbers, packed or one by one. */
function numbers(reader: Reader, tag: number, into: number[], read: (reader: Reader) => number): void {
  if ((tag & 7) !== WireType.len) {
    into.push(read(reader));
    return;
  }
  const outer = reader.enter();
  while (reader.more()) into.push(read(reader));
  reader.leave(outer);
}
