// What an outcome looks like: tables for people, one line of JSON for programs.
import { type Command, isKept, type Outcome, type PromiseOutcome } from './scenario.ts';

type Row = readonly string[];

/** The first column to the left, the others to the right, between two spaces. */
export function table(head: Row, rows: readonly Row[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return [head, ...rows].map(row => row.map(pad).join('  ').trimEnd()).join('\n');
}

const number = (value: number | undefined): string =>
  value === undefined ? '–' : value.toLocaleString('en-US', { maximumFractionDigits: 1 });

const target = ({ target: bound }: PromiseOutcome): string =>
  'atMost' in bound ? `≤ ${number(bound.atMost)}` : `≥ ${number(bound.atLeast)}`;

export function tables({ figures, promises, skipped }: Outcome): string {
  const parts = Object.entries(figures);
  const columns = [...new Set(parts.flatMap(([, values]) => Object.keys(values)))];
  const found = table(
    ['', ...columns],
    parts.map(([part, values]) => [part, ...columns.map(column => number(values[column]))]),
  );
  const held = table(
    ['promise', 'found', 'promised', ''],
    promises.map(promise => [
      promise.name,
      number(promise.value),
      target(promise),
      isKept(promise) ? 'kept' : 'BROKEN',
    ]),
  );
  const left = Object.entries(skipped).map(([part, why]) => `${part} skipped: ${why}`);
  return [found, held, ...left].join('\n\n');
}

/** Each failure with the command that repeats it. */
export function failureLines(name: string, { plant }: Command, { failures }: Outcome): string[] {
  const planted = plant === undefined ? '' : ` --plant ${plant}`;
  return failures.map(({ message, repeat }) =>
    `${message}\n  again: npm run --silent faults -- ${name} ${repeat}${planted}`.trimEnd(),
  );
}

export function jsonLine(name: string, { seed, budget, plant }: Command, outcome: Outcome): string {
  const { figures, promises, failures, skipped } = outcome;
  return JSON.stringify({
    scenario: name,
    seed,
    budget,
    plant: plant ?? null,
    kept: promises.every(isKept),
    promises: Object.fromEntries(promises.map(promise => [promise.name, promise.value])),
    broken: promises.filter(promise => !isKept(promise)).map(promise => promise.name),
    figures,
    failures: failures.map(failure => failure.message),
    skipped,
    node: process.version,
  });
}
