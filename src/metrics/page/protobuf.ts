// The page as Prometheus' protobuf: messages `MetricFamily`, each behind its length, with native histograms.
import { Writer } from '../../transport/otlp/writer.ts';
import { coarser, NATIVE_SCALE_MAX, NATIVE_SCALE_MIN, powerBuckets } from './buckets.ts';
import type {
  Exemplar,
  ExponentialValue,
  Exposed,
  Family,
  HistogramValue,
  Label,
  Value,
} from './families.ts';

const BYTES_FIRST = 64 * 1024;
const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1e6;
/** What Prometheus' own libraries take for 0: a native histogram says up to where its bucket of zeros reaches. */
const ZERO_THRESHOLD = 2 ** -128;

/** `MetricType` of the wire. */
const types = { counter: 0, gauge: 1, summary: 2, histogram: 4 } as const;

export function protobufPage({ target, families }: Exposed): Uint8Array {
  const value: Value = { type: 'number', value: 1, exemplar: undefined };
  const info: Family = {
    ...{ name: 'target_info', kind: 'gauge', unit: '', help: 'Target metadata' },
    series: new Map([['', { labels: target, value, isAdditive: false }]]),
  };
  for (let size = BYTES_FIRST; ; size *= 2) {
    const writer = new Writer(new Uint8Array(size));
    for (const family of [info, ...families]) writeFamily(writer, family);
    if (!writer.overflowed) return writer.bytes.subarray(0, writer.pos);
  }
}

/*
 * message MetricFamily { string name = 1; string help = 2; MetricType type = 3; repeated Metric metric = 4; string unit = 5; }
 * message Metric { repeated LabelPair label = 1; Gauge gauge = 2; Counter counter = 3; Summary summary = 4; Histogram histogram = 7; }
 */
function writeFamily(writer: Writer, { name, kind, unit, help, series }: Family): void {
  const family = writer.open(BYTES_FIRST);
  writer.string(1, kind === 'counter' ? `${name}_total` : name);
  if (help !== '') writer.string(2, help);
  writer.uint(3, types[kind]);
  for (const { labels, value } of series.values()) {
    const metric = writer.message(4);
    writeLabels(writer, labels);
    writeValue(writer, kind === 'counter', value);
    writer.close(metric);
  }
  if (unit !== '') writer.string(5, unit);
  writer.close(family);
}

/* message LabelPair { string name = 1; string value = 2; } */
function writeLabels(writer: Writer, labels: readonly Label[]): void {
  for (const [name, value] of labels) {
    const pair = writer.message(1);
    writer.string(1, name);
    writer.string(2, value);
    writer.close(pair);
  }
}

function writeValue(writer: Writer, isCounter: boolean, value: Value): void {
  const message = writer.message(fieldOf(isCounter, value));
  switch (value.type) {
    case 'number':
      // message Gauge { double value = 1; } message Counter { double value = 1; Exemplar exemplar = 2; }
      writer.double(1, value.value);
      if (value.exemplar !== undefined) writeExemplar(writer, 2, value.exemplar);
      break;
    case 'histogram':
      writeHistogram(writer, value);
      break;
    case 'exponential':
      writeExponential(writer, value);
      break;
    case 'summary':
      // message Summary { uint64 sample_count = 1; double sample_sum = 2; repeated Quantile quantile = 3; }
      writer.uint(1, value.count);
      writer.double(2, value.sum);
      for (const { quantile, value: at } of value.quantiles) {
        const mark = writer.message(3);
        writer.double(1, quantile);
        writer.double(2, at);
        writer.close(mark);
      }
  }
  writer.close(message);
}

function fieldOf(isCounter: boolean, { type }: Value): number {
  if (type === 'number') return isCounter ? 3 : 2;
  return type === 'summary' ? 4 : 7;
}

/*
 * message Histogram { uint64 sample_count = 1; double sample_sum = 2; repeated Bucket bucket = 3; sint32 schema = 5;
 *   double zero_threshold = 6; uint64 zero_count = 7; repeated BucketSpan positive_span = 12;
 *   repeated sint64 positive_delta = 13; repeated Exemplar exemplars = 16; }
 * message Bucket { uint64 cumulative_count = 1; double upper_bound = 2; Exemplar exemplar = 3; }
 */
function writeHistogram(
  writer: Writer,
  { count, sum, bounds, counts, exemplars }: Omit<HistogramValue, 'type'>,
): void {
  writer.uint(1, count);
  if (sum !== undefined) writer.double(2, sum);
  let below = Number.NEGATIVE_INFINITY;
  let accumulated = 0;
  for (const [i, inBucket] of counts.entries()) {
    const bound = bounds[i] ?? Number.POSITIVE_INFINITY;
    accumulated += inBucket;
    const bucket = writer.message(3);
    writer.uint(1, accumulated);
    writer.double(2, bound);
    const exemplar = exemplars.find(({ value }) => value > below && value <= bound);
    if (exemplar !== undefined) writeExemplar(writer, 3, exemplar);
    writer.close(bucket);
    below = bound;
  }
}

/** As a native histogram, and as a classic one where it is too coarse for that. */
function writeExponential(writer: Writer, value: ExponentialValue): void {
  if (value.scale < NATIVE_SCALE_MIN) return writeHistogram(writer, { ...value, ...powerBuckets(value) });
  const { count, sum, scale, zeroCount, offset, counts, exemplars } = coarser(
    value,
    Math.min(value.scale, NATIVE_SCALE_MAX),
  );
  writer.uint(1, count);
  writer.double(2, sum);
  writer.uint(5, zigZag(scale));
  writer.double(6, ZERO_THRESHOLD);
  writer.uint(7, zeroCount);
  if (counts.length > 0) writeBuckets(writer, offset, counts);
  // Without a span Prometheus would take it for a classic histogram without buckets.
  else writeSpan(writer, 0, 0);
  for (const exemplar of exemplars) writeExemplar(writer, 16, exemplar);
}

/** One span of all buckets; their counts as differences to the one before. Prometheus' index is that of the upper bound. */
function writeBuckets(writer: Writer, offset: number, counts: readonly number[]): void {
  writeSpan(writer, offset + 1, counts.length);
  const deltas = writer.message(13);
  for (const [i, inBucket] of counts.entries()) writer.varint(zigZag(inBucket - (counts[i - 1] ?? 0)));
  writer.close(deltas);
}

/* message BucketSpan { sint32 offset = 1; uint32 length = 2; } */
function writeSpan(writer: Writer, offset: number, length: number): void {
  const span = writer.message(12);
  writer.uint(1, zigZag(offset));
  writer.uint(2, length);
  writer.close(span);
}

/*
 * message Exemplar { repeated LabelPair label = 1; double value = 2; google.protobuf.Timestamp timestamp = 3; }
 * message Timestamp { int64 seconds = 1; int32 nanos = 2; }
 */
function writeExemplar(writer: Writer, field: number, { labels, value, unixMs }: Exemplar): void {
  const exemplar = writer.message(field);
  writeLabels(writer, labels);
  writer.double(2, value);
  const timestamp = writer.message(3);
  writer.uint(1, Math.floor(unixMs / MS_PER_SECOND));
  writer.uint(2, Math.floor((unixMs % MS_PER_SECOND) * NANOS_PER_MS));
  writer.close(timestamp);
  writer.close(exemplar);
}

/** Exact for what is beyond 32 bits, too. */
const zigZag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
