// What a scenario is: contestants that are measured in turn, the figures of each, and the ratios between them.
import type { Turn } from './turns.ts';

/** What one contestant was measured at in one round, by name. The scenario's columns say the units. */
export type Figures = Readonly<Record<string, number>>;

/** One way to do the same work: an agent, or none. */
export interface Contestant {
  readonly name: string;
  /** Those of one heat run at the same time, and act in turns; the others one after the other. */
  readonly heat?: string;
  /**
   * One run, in a process of its own.
   * @param turn what one of a heat measures, it measures in its turns
   * @throws {@link VoidRun} when not everything arrived
   */
  measure(turn: Turn): Promise<Figures>;
}

export interface Column {
  readonly figure: string;
  /** With the unit. */
  readonly heading: string;
  readonly digits: number;
}

/** The median over rounds of a quotient of figures from one and the same round. */
export interface Ratio {
  /** Its key in the JSON line. */
  readonly name: string;
  /** Contestants that must have a valid run in a round for it to count. */
  readonly needs: readonly string[];
  of(round: Readonly<Record<string, Figures>>): number;
  /** Without one the ratio is told, and held against nothing. */
  readonly target?: Target | undefined;
  /** For a bar that is no quotient: what it counts. */
  readonly unit?: string;
}

/** The bar that a ratio is held against. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

export interface Scenario {
  readonly name: string;
  /** What is measured, in a sentence or two, for the page. */
  readonly about: string;
  readonly contestants: readonly Contestant[];
  readonly columns: readonly Column[];
  readonly ratios: readonly Ratio[];
}

/** A run that must not count: something was dropped, or the machine could not keep the pace. */
export class VoidRun extends Error {
  override readonly name = 'VoidRun';
}

/** `figure` of one contestant over that of another. */
export function ratio(
  name: string,
  figure: string,
  [ours, theirs]: readonly [string, string],
  target?: Target,
): Ratio {
  const of: Ratio['of'] = round => round[ours]![figure]! / round[theirs]![figure]!;
  return { name, needs: [ours, theirs], of, target };
}

/**
 * What one contestant adds to the bare run's `figure`, over what another adds. Nobody takes anything away: a round in which
 * one seems to has been disturbed, and has no such ratio.
 */
export function addedRatio(
  name: string,
  figure: string,
  [bare, ours, theirs]: readonly [string, string, string],
  target: Target,
): Ratio {
  const of: Ratio['of'] = round => {
    const added = (contestant: string): number => round[contestant]![figure]! - round[bare]![figure]!;
    return Math.min(added(ours), added(theirs)) > 0 ? added(ours) / added(theirs) : Number.NaN;
  };
  return { name, needs: [bare, ours, theirs], of, target };
}

/** The contestants whose name contains `text`, and the ratios between them. */
export function narrowed(scenario: Scenario, text: string): Scenario {
  const contestants = scenario.contestants.filter(({ name }) => name.includes(text));
  const names = new Set(contestants.map(({ name }) => name));
  const ratios = scenario.ratios.filter(({ needs }) => needs.every(name => names.has(name)));
  return { ...scenario, contestants, ratios };
}

/** @throws VoidRun unless everything that was made has arrived, once */
export function requireDelivered(what: string, made: number, arrived: number): void {
  if (made !== arrived) throw new VoidRun(`${arrived} of ${made} ${what} arrived`);
}
