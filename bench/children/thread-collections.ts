// Counts the garbage collections of this thread between two moments.
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** A thread that does not return to its event loop is told of its collections only when it does. */
const TOLD_WITHIN_MS = 20;

/** Counts from now on; the returned function resolves with the collections until it was called. */
export function countCollections(): () => Promise<number> {
  const startedMs = performance.now();
  const at: number[] = [];
  const observer = new PerformanceObserver(list =>
    at.push(...list.getEntries().map(entry => entry.startTime)),
  );
  observer.observe({ entryTypes: ['gc'] });
  return async () => {
    const endedMs = performance.now();
    await delay(TOLD_WITHIN_MS);
    observer.disconnect();
    return at.filter(each => each >= startedMs && each <= endedMs).length;
  };
}
