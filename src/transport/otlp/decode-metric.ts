// One `opentelemetry.proto.metrics.v1.Metric`, decoded.
import {
  type DecodedExponentialPoint,
  type DecodedHistogramPoint,
  type DecodedNumberPoint,
  type DecodedSummaryPoint,
  decodeExponentialPoint,
  decodeHistogramPoint,
  decodeNumberPoint,
  decodeSummaryPoint,
} from './decode-point.ts';
import { decodeKeyValue, type KeyValue } from './decode-value.ts';
import type { Reader } from './reader.ts';
import { tagsOf } from './schema.ts';

/** What the five kinds of metric have in common. */
interface Data<Type extends string, Point> {
  readonly type: Type;
  readonly points: readonly Point[];
  /** AggregationTemporality: 0 unspecified (always for gauge and summary), 1 delta, 2 cumulative. */
  readonly temporality: number;
  /** True only for a sum that never falls. */
  readonly monotonic: boolean;
}

export type MetricData =
  | Data<'gauge', DecodedNumberPoint>
  | Data<'sum', DecodedNumberPoint>
  | Data<'histogram', DecodedHistogramPoint>
  | Data<'exponentialHistogram', DecodedExponentialPoint>
  | Data<'summary', DecodedSummaryPoint>;

export interface DecodedMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly metadata: readonly KeyValue[];
  /** Undefined for a metric without data, or with data of a kind that is not known yet. */
  readonly data: MetricData | undefined;
  /** The Metric message itself, unknown fields included. */
  readonly bytes: Uint8Array;
}

const metricTag = tagsOf('Metric');
/** Sum has all the fields that any of the five has, under the same numbers. */
const dataTag = tagsOf('Sum');

export function decodeMetric(reader: Reader): DecodedMetric {
  const outer = reader.enter();
  const metadata: KeyValue[] = [];
  const metric = {
    name: '',
    description: '',
    unit: '',
    metadata,
    data: undefined as MetricData | undefined,
    bytes: reader.rest(),
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === metricTag.name) metric.name = reader.string();
    else if (tag === metricTag.description) metric.description = reader.string();
    else if (tag === metricTag.unit) metric.unit = reader.string();
    else if (tag === metricTag.metadata) metadata.push(decodeKeyValue(reader));
    else metric.data = decodeAnyData(reader, tag, metric.data);
  }
  reader.leave(outer);
  return metric;
}

/** The data field of this tag. The same kind once more continues `before`, another kind replaces it. */
function decodeAnyData(reader: Reader, tag: number, before: MetricData | undefined): MetricData | undefined {
  switch (tag) {
    case metricTag.gauge:
      return decodeData(reader, 'gauge', decodeNumberPoint, before);
    case metricTag.sum:
      return decodeData(reader, 'sum', decodeNumberPoint, before);
    case metricTag.histogram:
      return decodeData(reader, 'histogram', decodeHistogramPoint, before);
    case metricTag.exponential_histogram:
      return decodeData(reader, 'exponentialHistogram', decodeExponentialPoint, before);
    case metricTag.summary:
      return decodeData(reader, 'summary', decodeSummaryPoint, before);
    default:
      reader.skip(tag);
      return before;
  }
}

function decodeData<Type extends string, Point>(
  reader: Reader,
  type: Type,
  decodePoint: (reader: Reader) => Point,
  before: Data<string, unknown> | undefined,
): Data<Type, Point> {
  const same = before?.type === type ? (before as Data<Type, Point>) : undefined;
  const points = (same?.points ?? []) as Point[];
  let temporality = same?.temporality ?? 0;
  let monotonic = same?.monotonic ?? false;
  const hasTemporality = type !== 'gauge' && type !== 'summary';
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === dataTag.data_points) points.push(decodePoint(reader));
    else if (tag === dataTag.aggregation_temporality && hasTemporality) temporality = reader.uint32();
    else if (tag === dataTag.is_monotonic && type === 'sum') monotonic = reader.varint() !== 0;
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { type, points, temporality, monotonic };
}
