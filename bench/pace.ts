// How fast a workload works: at a fixed rate, or as fast as it can with the event loop turning in between.
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';

const TICK_MS = 20;
const SLICE = 5000;

type Operation = (number: number) => void;

/** Calls `operation` `count` times: `perSecond` of them, in small bursts as requests would come, or as fast as it goes. */
export function pace(count: number, perSecond: number | undefined, operation: Operation): Promise<void> {
  return perSecond === undefined ? atOnce(count, operation) : atRate(count, perSecond, operation);
}

async function atRate(count: number, perSecond: number, operation: Operation): Promise<void> {
  const since = performance.now();
  for (let done = 0; done < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - since) / 1000) * perSecond));
    while (done < due) operation(done++);
    await delay(TICK_MS);
  }
}

/** In slices between which timers and sockets are served. */
export async function atOnce(count: number, operation: Operation): Promise<void> {
  for (let done = 0; done < count; ) {
    for (const end = Math.min(count, done + SLICE); done < end; ) operation(done++);
    await immediate();
  }
}
