// What the outcome of a suite looks like: tables and lists for people, one line of JSON for programs.
import { table } from '../faults/report.ts';
import type { RuleOutcome } from './suite.ts';

interface Counts {
  passed: number;
  failed: number;
  notApplicable: number;
}

function counted(outcomes: readonly RuleOutcome[]): Counts {
  const having = (verdict: RuleOutcome['verdict']): number =>
    outcomes.filter(outcome => outcome.verdict === verdict).length;
  return { passed: having('passed'), failed: having('failed'), notApplicable: having('not applicable') };
}

/** Every page with its counts, by name. */
function pagesOf(outcomes: readonly RuleOutcome[]): [page: string, counts: Counts][] {
  const pages = Map.groupBy(outcomes, ({ page }) => page);
  return [...pages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([page, rules]) => [page, counted(rules)]);
}

export function pageTable(outcomes: readonly RuleOutcome[]): string {
  const rows = [...pagesOf(outcomes), ['all', counted(outcomes)] as const];
  return table(
    ['page', 'passed', 'failed', 'not applicable'],
    rows.map(([page, counts]) => [page, ...Object.values(counts).map(String)]),
  );
}

export function failureLines(outcomes: readonly RuleOutcome[]): string {
  return linesOf(outcomes, 'failed', 'FAILED');
}

export function notApplicableLines(outcomes: readonly RuleOutcome[]): string {
  return linesOf(outcomes, 'not applicable', 'not applicable');
}

function linesOf(outcomes: readonly RuleOutcome[], verdict: RuleOutcome['verdict'], word: string): string {
  return outcomes
    .filter(outcome => outcome.verdict === verdict)
    .map(
      ({ page, rule, detail }) => `${word}: ${page} § ${rule}\n  ${detail.trim().replaceAll('\n', '\n  ')}`,
    )
    .join('\n');
}

export function jsonLine(suite: string, outcomes: readonly RuleOutcome[]): string {
  const named = (verdict: RuleOutcome['verdict']): Record<string, string> =>
    Object.fromEntries(
      outcomes
        .filter(outcome => outcome.verdict === verdict)
        .map(({ page, rule, detail }) => [`${page} § ${rule}`, detail]),
    );
  return JSON.stringify({
    suite,
    rules: outcomes.length,
    ...counted(outcomes),
    pages: Object.fromEntries(pagesOf(outcomes)),
    failures: named('failed'),
    reasons: named('not applicable'),
    node: process.version,
  });
}
