// Measures, inside a workload, what a stretch of work cost the process and its main thread.
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate as immediate } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';

/** What a stretch of work took. */
export interface Usage {
  readonly elapsedMs: number;
  /** CPU time of the thread that measures. */
  readonly mainCpuMs: number;
  /** CPU time of all threads, the runtime's own included. */
  readonly processCpuMs: number;
  /** Share of the time that the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Bytes allocated on the main thread's heap, whether or not they were collected since. */
  readonly heapBytes: number;
  readonly gcPauseMs: number;
  readonly gcPauses: number;
  readonly rssBytes: number;
}

const ms = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;

export class UsageMeter {
  readonly #observer: PerformanceObserver;
  #pauseMs = 0;
  #pauses = 0;
  readonly #time: number;
  readonly #loop: ReturnType<typeof performance.eventLoopUtilization>;
  readonly #heapBytes: number;
  readonly #process: NodeJS.CpuUsage;
  readonly #thread: NodeJS.CpuUsage;

  constructor() {
    this.#observer = new PerformanceObserver(list => this.#count(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#loop = performance.eventLoopUtilization();
    this.#heapBytes = getHeapStatistics().total_allocated_bytes;
    this.#time = performance.now();
    this.#process = process.cpuUsage();
    this.#thread = process.threadCpuUsage();
  }

  async stop(): Promise<Usage> {
    const mainCpuMs = ms(process.threadCpuUsage(this.#thread));
    const processCpuMs = ms(process.cpuUsage(this.#process));
    const elapsedMs = performance.now() - this.#time;
    const heapBytes = getHeapStatistics().total_allocated_bytes - this.#heapBytes;
    const { utilization } = performance.eventLoopUtilization(this.#loop);
    // Pauses are told in a later turn of the event loop.
    for (let turn = 0; turn < 3; turn++) await immediate();
    this.#count(this.#observer.takeRecords());
    this.#observer.disconnect();
    return {
      ...{ elapsedMs, mainCpuMs, processCpuMs, utilization, heapBytes },
      gcPauseMs: this.#pauseMs,
      gcPauses: this.#pauses,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  #count(pauses: readonly { readonly duration: number }[]): void {
    for (const { duration } of pauses) {
      this.#pauseMs += duration;
      this.#pauses++;
    }
  }
}

/** A stretch's costs per operation, beside the figures that do not divide. */
export function perOperation(usage: Usage, operations: number): Record<string, number> {
  return {
    mainNs: (usage.mainCpuMs * 1e6) / operations,
    processNs: (usage.processCpuMs * 1e6) / operations,
    heapBytes: usage.heapBytes / operations,
    gcPauseMs: usage.gcPauseMs,
    gcPauses: usage.gcPauses,
    utilization: usage.utilization,
    rssMb: usage.rssBytes / 1e6,
    elapsedMs: usage.elapsedMs,
  };
}
