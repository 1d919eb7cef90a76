// Metrics that the stock OpenTelemetry SDK has aggregated, as metric records of ours.
import type { Attributes, HrTime } from '@opentelemetry/api';
import type { Clock } from '../context/clock.ts';
import {
  AggregationTemporality,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type MetricRecord,
  type NumberPoint,
} from '../transport/otlp/metrics.ts';
import type { AnyValue, AttributeList } from '../transport/otlp/record.ts';
import type { ScopeMetrics } from './metric-producer.ts';

/** The SDK's `DataPointType`. */
const PointType = { histogram: 0, exponentialHistogram: 1, gauge: 2, sum: 3 } as const;
/** `ValueType.INT` of the API. */
const INTEGER = 0;
/** The SDK's `AggregationTemporality` counts from 0. */
const DELTA = 0;

interface SdkPoint<T> {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly attributes: Attributes;
  readonly value: T;
}

interface SdkBuckets {
  readonly offset: number;
  readonly bucketCounts: readonly number[];
}

interface SdkDistribution {
  readonly sum?: number | undefined;
  readonly count: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

interface SdkHistogram extends SdkDistribution {
  readonly buckets: { readonly boundaries: readonly number[]; readonly counts: readonly number[] };
}

interface SdkExponentialHistogram extends SdkDistribution {
  readonly scale: number;
  readonly zeroCount: number;
  readonly positive: SdkBuckets;
}

interface SdkMetric {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    readonly valueType: number;
  };
  readonly aggregationTemporality: number;
  /** One of `PointType`; of which type the points' values are. */
  readonly dataPointType: number;
  readonly dataPoints: readonly SdkPoint<unknown>[];
  readonly isMonotonic?: boolean;
}

/** What is read of the SDK's `ResourceMetrics`: the same in its majors 2 and 3. */
export interface SdkMetrics {
  readonly scopeMetrics: readonly {
    readonly scope: {
      readonly name: string;
      readonly version?: string | undefined;
      readonly schemaUrl?: string | undefined;
    };
    readonly metrics: readonly SdkMetric[];
  }[];
}

/** Metrics of a type that is not known are left out. */
export function scopeMetricsOf({ scopeMetrics }: SdkMetrics, clock: Clock): ScopeMetrics[] {
  return scopeMetrics.map(({ scope, metrics }) => ({
    scope: { name: scope.name, version: scope.version, schemaUrl: scope.schemaUrl },
    metrics: metrics.map(metric => recordOf(metric, clock)).filter(record => record !== undefined),
  }));
}

function recordOf(metric: SdkMetric, clock: Clock): MetricRecord | undefined {
  const { descriptor, dataPoints, isMonotonic = false } = metric;
  const { name, description, unit } = descriptor;
  const common = { name, description, unit, size: dataPoints.length };
  const integer = descriptor.valueType === INTEGER;
  const temporality =
    metric.aggregationTemporality === DELTA
      ? AggregationTemporality.delta
      : AggregationTemporality.cumulative;
  const number = (index: number): NumberPoint => numberPoint(dataPoints[index] as SdkPoint<number>, clock);
  switch (metric.dataPointType) {
    case PointType.gauge:
      return { ...common, type: 'gauge', integer, point: number };
    case PointType.sum:
      return { ...common, type: 'sum', integer, temporality, monotonic: isMonotonic, point: number };
    case PointType.histogram:
      return {
        ...{ ...common, type: 'histogram', temporality },
        point: index => histogramPoint(dataPoints[index] as SdkPoint<SdkHistogram>, clock),
      };
    case PointType.exponentialHistogram:
      return {
        ...{ ...common, type: 'exponentialHistogram', temporality },
        point: index => exponentialPoint(dataPoints[index] as SdkPoint<SdkExponentialHistogram>, clock),
      };
    default:
      return undefined;
  }
}

function numberPoint(point: SdkPoint<number>, clock: Clock): NumberPoint {
  return { ...pointOf(point, clock), value: point.value };
}

function histogramPoint(point: SdkPoint<SdkHistogram>, clock: Clock): HistogramPoint {
  const { boundaries, counts } = point.value.buckets;
  return { ...pointOf(point, clock), ...distributionOf(point.value), bounds: boundaries, counts };
}

/** Without negative buckets: the SDK's histograms take no negative values. */
function exponentialPoint(point: SdkPoint<SdkExponentialHistogram>, clock: Clock): ExponentialHistogramPoint {
  const { scale, zeroCount, positive } = point.value;
  return {
    ...{ ...pointOf(point, clock), ...distributionOf(point.value), scale, zeroCount },
    offset: positive.offset,
    counts: positive.bucketCounts,
  };
}

type PointFrame = Pick<NumberPoint, 'attributes' | 'startTime' | 'time' | 'exemplars'>;

function pointOf({ attributes, startTime, endTime }: SdkPoint<unknown>, clock: Clock): PointFrame {
  return {
    attributes: listOf(attributes),
    startTime: clock.fromTimeInput(startTime),
    time: clock.fromTimeInput(endTime),
    exemplars: [],
  };
}

type Distribution = Pick<ExponentialHistogramPoint, 'count' | 'sum' | 'min' | 'max'>;

function distributionOf({ count, sum = 0, min, max }: SdkDistribution): Distribution {
  const extremes = count > 0 ? { min, max } : { min: undefined, max: undefined };
  return { count, sum, ...extremes };
}

function listOf(attributes: Attributes): AttributeList {
  const keys = Object.keys(attributes);
  return { keys, values: keys.map(key => attributes[key] as AnyValue), count: keys.length };
}
