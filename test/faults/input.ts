// Malformed, hostile and random input for everything that reads bytes from outside, and what is promised about it.

import { caseItems } from './input/cases/input-case.ts';
import type { Finding, FindingKind } from './input/fuzz.ts';
import { CASES, type Outcomes, partNames, runParts } from './input/parts.ts';
import { plants } from './input/plants.ts';
import type { Command, Failure, FaultScenario, Figures, Outcome, PromiseOutcome } from './scenario.ts';

/** What a whole run tries at the least on all decoders together. */
const EXECUTIONS_LEAST = 5_000_000;
const PEAK_MB_MAX = 512;

export const scenario: FaultScenario = {
  about: 'malformed, hostile and random input for every receiver and every decoder',
  parts: partNames,
  plants: Object.keys(plants),
  async run(command: Command, tell): Promise<Outcome> {
    const outcomes = await runParts(command, tell);
    return {
      figures: figuresOf(outcomes),
      promises: promisesOf(command, outcomes),
      failures: findingsOf(outcomes).map(([part, finding]) => failureOf(part, finding, command)),
      skipped: {},
    };
  },
};

function figuresOf({ cases, fuzzed }: Outcomes): Readonly<Record<string, Figures>> {
  const figures: Record<string, Figures> = {};
  if (cases !== undefined) {
    const { inputs, slowestMs, peakMb, gap, stored, findings } = cases;
    figures[CASES] = {
      inputs,
      cases: cases.cases,
      items: cases.items,
      slowestMs,
      peakMb,
      gap,
      stored,
      ...counts(findings),
    };
  }
  const decoders = [...fuzzed].sort(([one], [other]) => partNames.indexOf(one) - partNames.indexOf(other));
  for (const [part, { executions, read, corpus, blocks, knownBlocks, slowestMs, findings }] of decoders)
    figures[part] = {
      inputs: executions,
      read,
      corpus,
      blocks,
      'of blocks': knownBlocks,
      slowestMs,
      ...counts(findings),
    };
  return figures;
}

function counts(findings: readonly Finding[]): Record<FindingKind, number> {
  const of = (kind: FindingKind): number => findings.filter(finding => finding.kind === kind).length;
  return {
    crashed: of('crashed'),
    hung: of('hung'),
    grew: of('grew'),
    wrong: of('wrong'),
    refused: of('refused'),
  };
}

function findingsOf({ cases, fuzzed }: Outcomes): (readonly [part: string, finding: Finding])[] {
  const all = [...fuzzed].map(([part, { findings }]) => [part, findings] as const);
  if (cases !== undefined) all.unshift([CASES, cases.findings]);
  return all.flatMap(([part, findings]) => findings.map(finding => [part, finding] as const));
}

function promisesOf({ budget, part }: Command, outcomes: Outcomes): PromiseOutcome[] {
  const found = counts(findingsOf(outcomes).map(([, finding]) => finding));
  const none = { atMost: 0 };
  const promises: PromiseOutcome[] = [
    { name: 'crashes, and errors that were not declared', value: found.crashed, target: none },
    { name: 'inputs that took more than 100 ms for each KiB', value: found.hung, target: none },
    { name: 'allocations without bounds', value: found.grew, target: none },
    { name: 'wrong answers, and readers that do not agree', value: found.wrong, target: none },
    { name: 'good requests refused afterwards', value: found.refused, target: none },
  ];
  const { cases, fuzzed } = outcomes;
  if (cases !== undefined) {
    promises.push(
      {
        name: "items that the collector's ledger and its answers do not both have",
        value: cases.gap,
        target: none,
      },
      { name: 'malformed items in the store', value: cases.stored, target: none },
      { name: 'peak memory of the collector, in MB', value: cases.peakMb, target: { atMost: PEAK_MB_MAX } },
    );
  }
  if (budget === 100 && part === undefined) {
    const executions = [...fuzzed.values()].reduce((sum, outcome) => sum + outcome.executions, 0);
    promises.push(
      {
        name: 'items of the list that have had a case',
        value: cases?.items ?? 0,
        target: { atLeast: caseItems.length },
      },
      { name: 'inputs for decoders', value: executions, target: { atLeast: EXECUTIONS_LEAST } },
    );
  }
  return promises;
}

function failureOf(part: string, { point, message }: Finding, { seed }: Command): Failure {
  return {
    message: `${part}, point ${point}: ${message}`,
    repeat: `--part ${part} --seed ${seed} --point ${point}`,
  };
}
