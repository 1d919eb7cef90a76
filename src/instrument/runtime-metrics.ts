// Metrics of the Node.js runtime and the process, under OpenTelemetry's semantic conventions.
import { availableParallelism } from 'node:os';
import {
  constants,
  type EventLoopUtilization,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import {
  type BatchObservableResult,
  type Meter,
  metrics,
  type Observable,
  ROOT_CONTEXT,
} from '@opentelemetry/api';

/** How often the event loop's delay is sampled; an idle loop shows this as its delay, as the conventions have it. */
const DELAY_RESOLUTION_MS = 10;
const SECONDS_PER_NANO = 1e-9;
const SECONDS_PER_MICRO = 1e-6;

/** `v8js.gc.type` by kind of collection; a major one is a mark-sweep-compact, a minor one a scavenge. */
const gcTypes: ReadonlyMap<number | undefined, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** One source of values, read once per collection. */
interface Source {
  readonly instruments: readonly Observable[];
  read(result: BatchObservableResult): void;
  stop?(): void;
}

/**
 * Measures event loop, garbage collection, heap, CPU and memory until the returned function is called. Between collections
 * it costs a timer in native code and a callback per garbage collection, and it does not keep the process alive.
 *
 * Semantic conventions: "Node.js runtime metrics", "V8 JS engine runtime metrics", "Process metrics".
 */
export function startRuntimeMetrics(meter: Meter = metrics.getMeter('tricord/runtime')): () => void {
  // A thread has an event loop and a heap of its own. What the process takes, the main thread tells, for all of them.
  const ofThread = [eventLoopUse, eventLoopDelay, heap];
  const sources = (isMainThread ? [...ofThread, cpu, memory] : ofThread).map(source => source(meter));
  for (const { instruments, read } of sources) meter.addBatchObservableCallback(read, [...instruments]);
  const collections = observeCollections(meter);
  return () => {
    collections.disconnect();
    for (const { instruments, read, stop } of sources) {
      meter.removeBatchObservableCallback(read, [...instruments]);
      stop?.();
    }
  };
}

type DelayHistogram = ReturnType<typeof monitorEventLoopDelay>;

const delayStatistics: readonly [string, (delay: DelayHistogram) => number][] = [
  ['min', delay => delay.min],
  ['max', delay => delay.max],
  ['mean', delay => delay.mean],
  ['stddev', delay => delay.stddev],
  ['p50', delay => delay.percentile(50)],
  ['p90', delay => delay.percentile(90)],
  ['p99', delay => delay.percentile(99)],
];

/** Delays since the collection before. */
function eventLoopDelay(meter: Meter): Source {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const gauges = delayStatistics.map(([name, statistic]) => {
    const description = `Event loop ${name} delay.`;
    const gauge = meter.createObservableGauge(`nodejs.eventloop.delay.${name}`, { description, unit: 's' });
    return { gauge, statistic };
  });
  return {
    instruments: gauges.map(({ gauge }) => gauge),
    read(result) {
      if (delay.count === 0) return;
      for (const { gauge, statistic } of gauges) result.observe(gauge, statistic(delay) * SECONDS_PER_NANO);
      delay.reset();
    },
    stop: () => delay.disable(),
  };
}

function eventLoopUse(meter: Meter): Source {
  const utilization = meter.createObservableGauge('nodejs.eventloop.utilization', {
    description: 'Event loop utilization.',
    unit: '1',
  });
  const time = meter.createObservableCounter('nodejs.eventloop.time', {
    description: 'Cumulative duration of time the event loop has been in each state.',
    unit: 's',
  });
  let last: EventLoopUtilization = performance.eventLoopUtilization();
  return {
    instruments: [utilization, time],
    read(result) {
      const now = performance.eventLoopUtilization();
      result.observe(utilization, performance.eventLoopUtilization(now, last).utilization);
      last = now;
      result.observe(time, now.active / 1000, { 'nodejs.eventloop.state': 'active' });
      result.observe(time, now.idle / 1000, { 'nodejs.eventloop.state': 'idle' });
    },
  };
}

type GcEntry = PerformanceEntry & { readonly detail?: { readonly kind?: number } };

/** Durations of garbage collections, by type. */
function observeCollections(meter: Meter): PerformanceObserver {
  const duration = meter.createHistogram('v8js.gc.duration', {
    description: 'Garbage collection duration.',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.1, 1, 10] },
  });
  const observer = new PerformanceObserver(entries => {
    for (const entry of entries.getEntries()) {
      const type = gcTypes.get((entry as GcEntry).detail?.kind);
      // A collection belongs to nobody's request, wherever it happens to be reported.
      if (type !== undefined) duration.record(entry.duration / 1000, { 'v8js.gc.type': type }, ROOT_CONTEXT);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return observer;
}

function heap(meter: Meter): Source {
  const size = (name: string, description: string): Observable =>
    meter.createObservableUpDownCounter(`v8js.memory.heap.${name}`, { description, unit: 'By' });
  const total = size('space.size', 'Total heap memory size pre-allocated for a heap space.');
  const used = size('used', 'Heap memory size allocated.');
  const available = size('space.available_size', 'Heap space available size.');
  const physical = size('space.physical_size', 'Committed size of a heap space.');
  return {
    instruments: [total, used, available, physical],
    read(result) {
      // Loaded here, as no process needs it to start.
      const { getHeapSpaceStatistics } = process.getBuiltinModule('node:v8');
      for (const space of getHeapSpaceStatistics()) {
        const attributes = { 'v8js.heap.space.name': space.space_name };
        result.observe(total, space.space_size, attributes);
        result.observe(used, space.space_used_size, attributes);
        result.observe(available, space.space_available_size, attributes);
        result.observe(physical, space.physical_space_size, attributes);
      }
    },
  };
}

function cpu(meter: Meter): Source {
  const time = meter.createObservableCounter('process.cpu.time', {
    description: 'Total CPU seconds broken down by different CPU modes.',
    unit: 's',
  });
  const utilization = meter.createObservableGauge('process.cpu.utilization', {
    description: 'CPU time since the last measurement, divided by elapsed time and number of CPUs available.',
    unit: '1',
  });
  const processors = availableParallelism();
  let last = process.cpuUsage();
  let lastAt = performance.now();
  return {
    instruments: [time, utilization],
    read(result) {
      const usage = process.cpuUsage();
      const now = performance.now();
      const micros = Math.max(now - lastAt, 1) * 1000 * processors;
      for (const mode of ['user', 'system'] as const) {
        const attributes = { 'cpu.mode': mode };
        result.observe(time, usage[mode] * SECONDS_PER_MICRO, attributes);
        result.observe(utilization, (usage[mode] - last[mode]) / micros, attributes);
      }
      last = usage;
      lastAt = now;
    },
  };
}

function memory(meter: Meter): Source {
  const usage = meter.createObservableUpDownCounter('process.memory.usage', {
    description: 'The amount of physical memory in use.',
    unit: 'By',
  });
  return {
    instruments: [usage],
    read: result => result.observe(usage, process.memoryUsage.rss()),
  };
}
