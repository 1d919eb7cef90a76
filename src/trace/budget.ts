// The budget of recorded spans: what share of the traces that begin here it leaves, by what has been spent of late.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../context/clock.ts';

/*
 * Spans recorded beyond the budget, as seconds of it:
 *
 *   0        2                                  20
 *   ├────────┼───────────────────────────────────┤
 *   share 1  1  falls by the same factor a step  0.01
 *
 * Spans raise the level, time lowers it by the budget. So a burst is kept whole within two seconds' worth, and a steady overload finds the
 * level at which as much is recorded as the budget grants: the share moves there without passing it, e-fold for e-fold at
 * the same pace (18 s / ln 100, some 4 s), whatever the overload, and the greater that is, the faster it fills the bucket.
 *
 * Invariant: 0 ≤ level ≤ 20 s of the budget, so that no overload is remembered for longer than that.
 */
const WHOLE_SECONDS = 2;
const FULL_SECONDS = 20;
/** The share is never below: also what is overloaded for long is seen. */
const SHARE_MIN = 0.01;
const E_FOLDS = -Math.log(SHARE_MIN);
/** Shares change in steps, so that a threshold need not be made for every trace. */
const STEPS_PER_E_FOLD = 16;
/** Traces that begin between two looks at the clock, while there are fewer spans than a second's worth. */
const LOOK_EVERY = 16;
/** How often there is a look without a trace, while the share is below 1: what begins after a rest must not find that of before. */
const LOOK_EVERY_MS = 250;
const NANOS_PER_SECOND = 1e9;

export class Budget {
  /** Spans recorded since the last look. */
  spent = 0;
  readonly #perSecond: number;
  readonly #clock: Clock;
  #level = 0;
  #lookedAt: number;
  #untilLook: number = LOOK_EVERY;
  #share = 1;
  /** Only while the share is below 1. */
  #timer: NodeJS.Timeout | undefined;
  /** A timer keeps the context alive in which it was started: this one's must be nobody's request. */
  readonly #inOwnContext: <R>(run: () => R) => R = AsyncLocalStorage.snapshot();

  /** @param perSecond recorded spans, above 0 */
  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#lookedAt = clock.elapsed();
  }

  /** The share of the traces that begin now, 0.01 to 1; asked once for each. */
  share(): number {
    if (--this.#untilLook <= 0 || this.spent >= this.#perSecond) this.#look();
    return this.#share;
  }

  #look(): void {
    const now = this.#clock.elapsed();
    const granted = ((now - this.#lookedAt) / NANOS_PER_SECOND) * this.#perSecond;
    const full = FULL_SECONDS * this.#perSecond;
    this.#level = Math.min(Math.max(this.#level + this.spent - granted, 0), full);
    this.#share = shareAt(this.#level / this.#perSecond);
    this.#lookedAt = now;
    this.spent = 0;
    this.#untilLook = LOOK_EVERY;
    this.#watch();
  }

  #watch(): void {
    if (this.#share === 1) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else {
      this.#timer ??= this.#inOwnContext(() => setInterval(() => this.#look(), LOOK_EVERY_MS).unref());
    }
  }
}

/** @param level seconds of the budget */
function shareAt(level: number): number {
  const beyond = Math.max(level - WHOLE_SECONDS, 0) / (FULL_SECONDS - WHOLE_SECONDS);
  const step = Math.ceil(beyond * E_FOLDS * STEPS_PER_E_FOLD);
  return Math.max(Math.exp(-step / STEPS_PER_E_FOLD), SHARE_MIN);
}
