// What a part of the storage scenario is: one kind of fault, at every point where it can happen.
import type { BreachKind } from '../../collector/queue/breach.ts';

export interface Part {
  /** A planted bug belongs into the processes that it starts, and nowhere else: this thread loads nothing of the collector's. */
  readonly processesOnly?: true;
  /**
   * Makes ready what the points need.
   * @param directory an empty one, the part's own
   * @param plant the bug that is in this thread, and belongs into processes that are started
   * @throws Unavailable
   */
  open(directory: string, seed: number, plant: string | undefined): Promise<Points>;
}

export interface Points {
  /** They are numbered from 0. */
  readonly count: number;
  /** How many are tried on the smallest budget. */
  readonly least: number;
  /** When a point that is not done is stuck: a minute unless it says otherwise. */
  readonly timeoutMs?: number;
  /** @throws Breach when a promise does not hold */
  tryAt(point: number): Promise<Tally>;
}

/** What was done at a point. */
export interface Tally {
  /** Crashes, damages, errors or lives: what the scenario counts as points. */
  readonly faults: number;
  /** Starts after them that needed nobody's hand. */
  readonly restarts: number;
  /** Acknowledged items that were looked for. */
  readonly items: number;
}

/** This machine cannot run the part; the message says what would help. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

export type BreachCounts = Readonly<Record<BreachKind, number>>;

export interface PartOutcome extends Tally {
  readonly points: number;
  readonly breaches: BreachCounts;
  /** The first of them. */
  readonly examples: readonly { readonly point: number; readonly message: string }[];
  readonly skipped: string | undefined;
}

export const noBreaches: BreachCounts = {
  ...{ lost: 0, twice: 0, invented: 0, silent: 0 },
  ...{ stuck: 0, early: 0, unbounded: 0, crashed: 0 },
};
