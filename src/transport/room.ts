// How much room there is for records, as the share of them that is kept: what turns an overload into weighted samples.

/*
 *   what the transport thread holds                 the ring
 *   0           1/4                     full        0                   3/4        full
 *   ├────────────┼───────────────────────┤          ├────────────────────┼──────────┤
 *   share: 1     1     falls to e^-6             ×  1                    1  falls to e^-6
 *
 * Each e-fold takes the same space. So nobody has to know how long a collector will be away: a buffer that would be full
 * after half a minute lasts for hours, and of any stretch of them as much is left as its length is worth.
 */
const HELD_FROM = 1 / 4;
/** A busy application fills some of the ring between two turns of the thread: that is no want of room. */
export const RING_FROM: number = 3 / 4;
const E_FOLDS = 6;
/** Shares change in steps, so that a threshold need not be made for every span. */
const STEPS_PER_E_FOLD = 8;

/**
 * The share, above 0 to 1.
 * @param held how full the thread is, 0 to 1
 * @param ring how full the ring is, 0 to 1
 */
export function roomOf(held: number, ring: number): number {
  const folds = E_FOLDS * (beyond(HELD_FROM, held) + beyond(RING_FROM, ring));
  return Math.exp(-Math.floor(folds * STEPS_PER_E_FOLD) / STEPS_PER_E_FOLD);
}

/** How much of what lies beyond `from` is taken, 0 to 1. */
function beyond(from: number, taken: number): number {
  return Math.min(Math.max(taken - from, 0) / (1 - from), 1);
}
