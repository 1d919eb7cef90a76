// How fast a workload works: in bursts that are delivered before the next one, at a fixed rate, or as fast as it goes.
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';

/** The shortest that a timer takes: a longer one makes blocks of work, each of which is a delay by itself. */
const TICK_MS = 1;
const SLICE = 5000;

type Operation = (number: number) => void;

/**
 * Bursts, each delivered before the next one begins: as fast as it goes, and yet nothing is ever dropped.
 * @param burst operations in one burst; what every contestant can hold
 */
export async function inBursts(
  count: number,
  burst: number,
  operation: Operation,
  flush: () => Promise<void>,
): Promise<void> {
  for (let done = 0; done < count; ) {
    for (const end = Math.min(count, done + burst); done < end; ) operation(done++);
    await flush();
  }
}

/** Calls `operation` `count` times, `perSecond` of them, a few at a time. */
export async function atRate(count: number, perSecond: number, operation: Operation): Promise<void> {
  const since = performance.now();
  for (let done = 0; done < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - since) / 1000) * perSecond));
    while (done < due) operation(done++);
    await delay(TICK_MS);
  }
}

/** Calls `operation` `count` times without a pause, but for turns of the event loop that serve timers and sockets. */
export async function atOnce(count: number, operation: Operation): Promise<void> {
  for (let done = 0; done < count; ) {
    for (const end = Math.min(count, done + SLICE); done < end; ) operation(done++);
    await immediate();
  }
}
