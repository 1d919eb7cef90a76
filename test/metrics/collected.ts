// What a MemorySink holds after a collection, decoded: metrics by name, points by their attributes.
import assert from 'node:assert/strict';
import {
  checkRequest,
  type DecodedExemplar,
  type DecodedExponentialPoint,
  type DecodedHistogramPoint,
  type DecodedMetric,
  type DecodedNumberPoint,
  type DecodedSummaryPoint,
  decodeMetrics,
  type KeyValue,
  Signal,
} from 'tricord/otlp';
import type { MemorySink } from '../memory-sink.ts';

/** Every metric of the sink, in the order of its frames; the frames are checked, and forgotten. */
export function takeMetrics(sink: MemorySink): DecodedMetric[] {
  const found: DecodedMetric[] = [];
  const request = sink.request(Signal.metrics);
  if (sink.frames.length > 0) checkRequest(Signal.metrics, request);
  decodeMetrics(request, { metric: metric => found.push(metric) });
  sink.frames.length = 0;
  return found;
}

/** The one metric of this name. */
export function metricNamed(metrics: readonly DecodedMetric[], name: string): DecodedMetric {
  const found = metrics.filter(metric => metric.name === name);
  assert.equal(found.length, 1, `${found.length} metrics are named ${name}`);
  return found[0]!;
}

export function numberPoints({ data }: DecodedMetric): readonly DecodedNumberPoint[] {
  assert.ok(data?.type === 'sum' || data?.type === 'gauge', `not a number: ${data?.type}`);
  return data.points;
}

export function histogramPoints({ data }: DecodedMetric): readonly DecodedHistogramPoint[] {
  assert.ok(data?.type === 'histogram', `not a histogram: ${data?.type}`);
  return data.points;
}

export function exponentialPoints({ data }: DecodedMetric): readonly DecodedExponentialPoint[] {
  assert.ok(data?.type === 'exponentialHistogram', `not an exponential histogram: ${data?.type}`);
  return data.points;
}

export function summaryPoints({ data }: DecodedMetric): readonly DecodedSummaryPoint[] {
  assert.ok(data?.type === 'summary', `not a summary: ${data?.type}`);
  return data.points;
}

/** `[attributes, value]` of every point, sorted by attributes. */
export function valuesOf(metric: DecodedMetric): [Record<string, unknown>, unknown][] {
  return numberPoints(metric)
    .map(point => [attributesOf(point.attributes), point.value] as [Record<string, unknown>, unknown])
    .sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

export function attributesOf(attributes: readonly KeyValue[]): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null);
  for (const { key, value } of attributes) result[key] = value;
  return { ...result };
}

export function traceIdOf({ traceId }: DecodedExemplar): string {
  return Buffer.from(traceId).toString('hex');
}

export function spanIdOf({ spanId }: DecodedExemplar): string {
  return Buffer.from(spanId).toString('hex');
}
