// Runs a scenario: every contestant once per round, in turn, so that what disturbs the machine disturbs all of them.
import type { Contestant, Figures, Ratio, Scenario, Target } from './scenario.ts';
import { median } from './statistics.ts';
import { type Turn, turns } from './turns.ts';

interface Void {
  readonly round: number;
  readonly contestant: string;
  readonly reason: string;
}

export interface RatioResult {
  readonly name: string;
  readonly target: Target | undefined;
  readonly unit?: string | undefined;
  /** The median over the rounds that count; undefined when none does. */
  readonly value: number | undefined;
  readonly met: boolean;
  readonly rounds: readonly number[];
}

export interface Result {
  readonly scenario: Scenario;
  readonly rounds: number;
  /** Medians of each contestant's figures; a contestant without a valid run is missing. */
  readonly medians: Readonly<Record<string, Figures>>;
  readonly ratios: readonly RatioResult[];
  readonly voids: readonly Void[];
}

type Round = Record<string, Figures>;

/** @param tell progress, for people */
export async function run(scenario: Scenario, rounds: number, tell: (line: string) => void): Promise<Result> {
  const done: Round[] = [];
  const voids: Void[] = [];
  for (let number = 1; number <= rounds; number++) {
    const round: Round = {};
    const attempt = async ({ name, measure }: Contestant, turn: Turn): Promise<void> => {
      tell(`${scenario.name}: round ${number} of ${rounds}, ${name}`);
      try {
        round[name] = await measure(turn);
      } catch (error) {
        const reason = (error as Error).message;
        voids.push({ round: number, contestant: name, reason });
        tell(`${scenario.name}: round ${number} of ${name} is void: ${reason}`);
      } finally {
        turn.leave();
      }
    };
    for (const heat of heats(turned(scenario.contestants, number - 1))) {
      const seats = turns(heat.length);
      await Promise.all(heat.map((contestant, seat) => attempt(contestant, seats[seat]!)));
    }
    done.push(round);
  }
  return {
    scenario,
    rounds,
    medians: mediansOf(scenario, done),
    ratios: scenario.ratios.map(ratio => ratioOver(ratio, done)),
    voids,
  };
}

/** Contestants that run at the same time; each that has no heat is one by itself. */
function heats(contestants: readonly Contestant[]): Contestant[][] {
  return Object.values(Object.groupBy(contestants, ({ heat, name }) => heat ?? name)) as Contestant[][];
}

/** Each round begins with another contestant, so that none is always the one after an idle machine. */
function turned(contestants: readonly Contestant[], by: number): Contestant[] {
  const first = by % contestants.length;
  return [...contestants.slice(first), ...contestants.slice(0, first)];
}

function mediansOf(scenario: Scenario, rounds: readonly Round[]): Record<string, Figures> {
  const medians: Round = {};
  for (const { name } of scenario.contestants) {
    const valid = rounds.flatMap(round => round[name] ?? ([] as Figures[]));
    const figures = Object.keys(valid[0] ?? {});
    if (valid.length === 0) continue;
    medians[name] = Object.fromEntries(
      figures.map(figure => [figure, median(valid.map(run => run[figure]!))]),
    );
  }
  return medians;
}

function ratioOver({ name, needs, of, target, unit }: Ratio, rounds: readonly Round[]): RatioResult {
  const valid = rounds.filter(round => needs.every(contestant => round[contestant]));
  // A quotient without a denominator, as of two figures that noise has brought together, says nothing.
  const values = valid.map(of).filter(Number.isFinite);
  const value = values.length === 0 ? undefined : median(values);
  const met = value !== undefined && isMet(value, target);
  return { name, target, unit, value, met, rounds: values };
}

const isMet = (value: number, target: Target | undefined): boolean =>
  target === undefined || ('atMost' in target ? value <= target.atMost : value >= target.atLeast);
