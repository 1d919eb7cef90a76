// Lets those who compete at the same time act one after the other, over and over.

/** What one of them holds: it acts when everybody before it has, and has to leave when it is done. */
export interface Turn {
  /** Waits for the turn, runs `step`, and hands the turn on, whatever comes of it. One at a time. */
  take<T>(step: () => Promise<T>): Promise<T>;
  /** Nobody waits for it any more. */
  leave(): void;
}

interface Seat {
  /** Called when its turn has come and it waits for it. */
  wake: (() => void) | undefined;
  left: boolean;
}

/**
 * As many turns as there are seats, in their order.
 *
 *     seat 0 ──▶ seat 1 ──▶ seat 2 ──▶ seat 0 …     the next one may not be there yet: all others wait until it is, or leaves
 */
export function turns(seats: number): Turn[] {
  const all = Array.from({ length: seats }, (): Seat => ({ wake: undefined, left: false }));
  let at = 0;
  let taken = false;

  const handOn = (): void => {
    taken = false;
    if (all.every(({ left }) => left)) return;
    do at = (at + 1) % seats;
    while (all[at]!.left);
    all[at]!.wake?.();
  };

  return all.map((seat, number) => ({
    async take(step) {
      if (at !== number) await new Promise<void>(resolve => (seat.wake = resolve));
      seat.wake = undefined;
      taken = true;
      try {
        return await step();
      } finally {
        handOn();
      }
    },
    leave() {
      seat.left = true;
      if (at === number && !taken) handOn();
    },
  }));
}
