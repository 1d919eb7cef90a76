// Series about the process, the queue and the memory before it, read when somebody looks.
import type { Queue, QueueStats } from './queue/queue.ts';
import type { RequestMemory } from './receivers/request-memory.ts';
import type { Sample, SelfTelemetry } from './self-telemetry.ts';

export function observeProcess(telemetry: SelfTelemetry, version: string): void {
  const one = (value: () => number) => (): Sample[] => [{ labels: {}, value: value() }];
  const startedAt = Date.now() / 1000 - process.uptime();
  telemetry.observe(
    'process_resident_memory_bytes',
    'Resident memory.',
    one(() => process.memoryUsage.rss()),
  );
  telemetry.observe(
    'process_start_time_seconds',
    'Start, as Unix time.',
    one(() => startedAt),
  );
  const cpuSeconds = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  telemetry.observe('process_cpu_seconds_total', 'CPU time.', one(cpuSeconds), 'counter');
  telemetry.observe('tricord_collector_info', 'Version of the collector.', () => [
    { labels: { version }, value: 1 },
  ]);
}

type QueueSeries = readonly [name: string, help: string, value: (stats: QueueStats) => number | bigint];

const queueGauges: readonly QueueSeries[] = [
  ['segments', 'Segment files.', stats => stats.segments],
  ['bytes', 'Bytes on disk.', stats => stats.bytes],
  ['batches', 'Batches on disk, settled ones included.', stats => stats.records],
];

const queueCounters: readonly QueueSeries[] = [
  ['appended_batches_total', 'Batches made durable.', stats => stats.appended],
  ['duplicate_batches_total', 'Resent batches that were durable already.', stats => stats.duplicates],
  ['fsyncs_total', 'Calls of fsync.', stats => stats.fsyncs],
  ['refused_batches_total', 'Batches refused: full, or the disk failed.', stats => stats.refused],
  ['recovered_batches_total', 'Batches found at the start.', stats => stats.recovered],
  ['damaged_total', 'Damaged records, headers, cursors and segments.', stats => stats.damaged],
  ['torn_bytes_total', 'Bytes behind the last whole record, cut off.', stats => stats.tornBytes],
  ['disk_errors_total', 'Failed operations of the disk.', stats => stats.diskErrors],
];

export function observeQueue(telemetry: SelfTelemetry, queue: Queue): void {
  const observe = ([name, help, value]: QueueSeries, type: 'gauge' | 'counter'): void => {
    const collect = (): Sample[] => [{ labels: {}, value: Number(value(queue.stats())) }];
    telemetry.observe(`tricord_queue_${name}`, help, collect, type);
  };
  for (const series of queueGauges) observe(series, 'gauge');
  for (const series of queueCounters) observe(series, 'counter');
  const dropped = (): Sample[] =>
    Object.entries(queue.stats().dropped).map(([reason, count]) => ({
      labels: { reason },
      value: Number(count),
    }));
  const help = 'Batches deleted at a cap before they were exported.';
  telemetry.observe('tricord_queue_dropped_batches_total', help, dropped, 'counter');
  const free = (): Sample[] => [{ labels: {}, value: queue.bytesFree() }];
  telemetry.observe('tricord_queue_free_bytes', 'Bytes that may still be offered.', free);
}

export function observeRequests(telemetry: SelfTelemetry, memory: RequestMemory): void {
  const bytes = (): Sample[] => [{ labels: {}, value: memory.bytes }];
  telemetry.observe('tricord_requests_bytes', 'Bytes of requests between socket and queue.', bytes);
  const throttled = (): Sample[] => [{ labels: {}, value: memory.refusals }];
  const help = 'Requests that were more than their client’s share.';
  telemetry.observe('tricord_requests_throttled_total', help, throttled, 'counter');
}
