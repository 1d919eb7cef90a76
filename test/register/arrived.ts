// What an application has sent to a test's collector, decoded, by signal.
import {
  type DecodedLogRecord,
  type DecodedMetric,
  type DecodedSpan,
  decodeLogs,
  decodeMetrics,
  decodeTraces,
  Signal,
} from 'tricord/otlp';
import type { TestCollector } from '../transport/test-collector.ts';

export interface Arrived {
  readonly spans: readonly DecodedSpan[];
  readonly records: readonly DecodedLogRecord[];
  readonly metrics: ReadonlyMap<string, DecodedMetric>;
}

/** Everything that the collector has taken, decoded. */
export function arrivedAt(collector: TestCollector): Arrived {
  const spans: DecodedSpan[] = [];
  const records: DecodedLogRecord[] = [];
  const metrics = new Map<string, DecodedMetric>();
  for (const { signal, payload } of collector.taken) {
    if (signal === Signal.traces) decodeTraces(payload, { span: span => void spans.push(span) });
    else if (signal === Signal.logs) decodeLogs(payload, { logRecord: record => void records.push(record) });
    else decodeMetrics(payload, { metric: metric => void metrics.set(metric.name, metric) });
  }
  return { spans, records, metrics };
}
