// What a fault scenario is: something that breaks a part of tricord on purpose, and the promises that hold all the same.

/** What the command line asks for. */
export interface Command {
  /** Decides all that is drawn by chance. */
  readonly seed: number;
  /** How much of all there is to try, in percent. */
  readonly budget: number;
  /** Only the part of this name; all when it is undefined. */
  readonly part: string | undefined;
  /** Only this point of the part: how a failure is repeated. */
  readonly point: number | undefined;
  /** The bug that is put in. */
  readonly plant: string | undefined;
}

export interface FaultScenario {
  /** What is broken, in a sentence. */
  readonly about: string;
  /** Names that `--part` takes. */
  readonly parts: readonly string[];
  /** Names that `--plant` takes. */
  readonly plants: readonly string[];
  run(command: Command, tell: (line: string) => void): Promise<Outcome>;
}

/** Numbers of one part by name: the columns and rows of the table. */
export type Figures = Readonly<Record<string, number>>;

export interface Outcome {
  readonly figures: Readonly<Record<string, Figures>>;
  readonly promises: readonly PromiseOutcome[];
  readonly failures: readonly Failure[];
  /** Parts that this machine cannot run, and what would help. */
  readonly skipped: Readonly<Record<string, string>>;
}

export interface PromiseOutcome {
  readonly name: string;
  readonly value: number;
  readonly target: { readonly atMost: number } | { readonly atLeast: number };
}

export interface Failure {
  readonly message: string;
  /** Arguments behind the scenario's name that bring it back. */
  readonly repeat: string;
}

export function isKept({ value, target }: PromiseOutcome): boolean {
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

/** Of a scenario that is one piece: each promise that is broken is a failure, which the same run brings back. */
export function repeated(
  { seed, budget }: Command,
  promises: readonly PromiseOutcome[],
): Pick<Outcome, 'promises' | 'failures'> {
  const broken = promises.filter(promise => !isKept(promise));
  const repeat = `--seed ${seed} --budget ${budget}`;
  const failures = broken.map(({ name, value }) => ({ message: `${name}: ${value}`, repeat }));
  return { promises, failures };
}
