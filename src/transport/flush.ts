// A flush as those see it who ask for it: a number in the shared words, and the wait until it is answered.
import { type Control, Word } from './control.ts';

/** Asks whoever runs the loop to deliver everything that was published so far. */
export function askFlush(control: Control): number {
  const number = (Atomics.add(control.words, Word.flushAsked, 1) + 1) | 0;
  control.wakeConsumer();
  return number;
}

/**
 * True when everything was delivered; false when it could not be, or the time is over.
 * @param runs whether there is still a loop that could answer
 */
export async function flushed(
  { words }: Control,
  number: number,
  timeoutMs: number,
  runs: () => boolean = () => true,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let left = timeoutMs; left > 0 && runs(); left = deadline - performance.now()) {
    const done = Atomics.load(words, Word.flushDone);
    if (isReached(done, number)) return Atomics.load(words, Word.flushDelivered) === 1;
    await Atomics.waitAsync(words, Word.flushDone, done, left).value;
  }
  return false;
}

/** The same, blocking the thread. */
export function flushedSync({ words }: Control, number: number, deadline: number): boolean {
  for (let left = deadline - performance.now(); left > 0; left = deadline - performance.now()) {
    const done = Atomics.load(words, Word.flushDone);
    if (isReached(done, number)) return Atomics.load(words, Word.flushDelivered) === 1;
    Atomics.wait(words, Word.flushDone, done, left);
  }
  return false;
}

/** Whether the free-running number `done` is at `number` or behind it. */
const isReached = (done: number, number: number): boolean => ((done - number) | 0) >= 0;
