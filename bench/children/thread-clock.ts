// One clock for all threads of the process, read without allocating.
import { hrtime } from 'node:process';

const TRIES = 100;

/** What `performance.now()` of this thread, in nanoseconds, lacks to the monotonic clock that all threads share. */
function lag(): bigint {
  let least: bigint | undefined;
  for (let i = 0; i < TRIES; i++) {
    const before = BigInt(Math.round(performance.now() * 1e6));
    const difference = hrtime.bigint() - before;
    if (least === undefined || difference < least) least = difference;
  }
  return least!;
}

/** The clock counted in tenths of a microsecond since `originNanos`, an `hrtime.bigint()` of any thread. */
export function tenthsSince(originNanos: bigint): () => number {
  const offset = Number(lag() - originNanos) / 100;
  return () => (performance.now() * 1e4 + offset) | 0;
}
