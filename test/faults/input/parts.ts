// The parts of the input scenario: the cases, and the fuzzing of each decoder.
import type { Command } from '../scenario.ts';
import type { CasesOutcome } from './cases/run-cases.ts';
import { decoders } from './decoders.ts';
import type { FuzzOutcome } from './fuzz.ts';
import { fuzz } from './fuzz-lane.ts';

export const CASES = 'cases';
/** Decoders that are fuzzed at the same time. */
const LANES = 2;

export const partNames: readonly string[] = [CASES, ...Object.keys(decoders)];

export interface Outcomes {
  readonly cases: CasesOutcome | undefined;
  readonly fuzzed: ReadonlyMap<string, FuzzOutcome>;
}

/** The cases first, alone, for they are timed; then the decoders, two at once. */
export async function runParts(command: Command, tell: (line: string) => void): Promise<Outcomes> {
  const asked = command.part === undefined ? partNames : [command.part];
  const found = asked.includes(CASES)
    ? await (await import('./cases/run-cases.ts')).runCases(command)
    : undefined;
  if (found !== undefined) tell(`${CASES}: ${found.inputs} inputs in ${found.cases} cases`);
  const waiting = asked.filter(name => name !== CASES);
  const fuzzed = new Map<string, FuzzOutcome>();
  const lane = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const outcome = await fuzz(name, command);
      tell(`${name}: ${outcome.executions} inputs, ${outcome.blocks} of ${outcome.knownBlocks} blocks`);
      fuzzed.set(name, outcome);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { cases: found, fuzzed };
}
