// What a result looks like: a table for people, one line of JSON for programs.
import type { RatioResult, Result } from './harness.ts';
import type { Target } from './scenario.ts';

type Row = readonly string[];

/** A Markdown table; every column but the first is right-aligned, and padded so that it reads well as plain text. */
function table(head: Row, rows: readonly Row[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  const line = (row: Row): string => `| ${row.map(pad).join(' | ')} |`;
  const rule = widths.map((width, column) => '-'.repeat(width + (column === 0 ? 2 : 1)));
  return [line(head), `|${rule.join(':|')}:|`.replace(':', ''), ...rows.map(line)].join('\n');
}

const number = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Ratios below one read better as "1/12", larger ones as "12 ×". */
function fraction(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return value > 0 && value < 1 ? `1/${number(1 / value, 1)}` : `${number(value, 2)} ×`;
}

const quantity = (value: number | undefined, unit: string | undefined): string =>
  unit === undefined ? fraction(value) : `${number(value, 1)} ${unit}`.trim();

function bar(target: Target | undefined, unit: string | undefined): string {
  if (target === undefined) return '–';
  return 'atMost' in target ? `≤ ${quantity(target.atMost, unit)}` : `≥ ${quantity(target.atLeast, unit)}`;
}

function verdict({ value, target, met }: RatioResult): string {
  if (value === undefined) return 'void';
  if (target === undefined) return '';
  return met ? 'met' : 'missed';
}

/** Both tables, and what was void, in Markdown. */
export function tables({ scenario, medians, ratios, voids, rounds }: Result): string {
  const { contestants, columns } = scenario;
  const figures = table(
    ['', ...columns.map(column => column.heading)],
    contestants.map(({ name }) => [
      name,
      ...columns.map(({ figure, digits }) => number(medians[name]?.[figure], digits)),
    ]),
  );
  const ratioTable = table(
    ['ratio', 'median', 'rounds', 'target', ''],
    ratios.map(result => [
      result.name,
      quantity(result.value, result.unit),
      result.rounds.map(value => quantity(value, result.unit)).join(', '),
      bar(result.target, result.unit),
      verdict(result),
    ]),
  );
  const voided = voids.map(
    ({ round, contestant, reason }) => `Void: round ${round} of ${rounds}, ${contestant}: ${reason}.`,
  );
  return [figures, ratioTable, ...voided].join('\n\n');
}

interface Summary {
  readonly scenario: string;
  readonly rounds: number;
  /** Whether every ratio has a round that counts. */
  readonly valid: boolean;
  /** Ours over theirs; null where no round counts. */
  readonly ratios: Readonly<Record<string, number | null>>;
  /** Of how many rounds each ratio is the median. */
  readonly counted: Readonly<Record<string, number>>;
  readonly targets: Readonly<Record<string, Target | undefined>>;
  readonly met: boolean;
  readonly medians: Result['medians'];
  readonly void: Result['voids'];
  readonly node: string;
}

/** One line of JSON: of one result its summary, of several an object that holds all of them. */
export function jsonLine(results: readonly Result[]): string {
  const summaries = results.map(summary);
  return JSON.stringify(summaries.length === 1 ? summaries[0] : { scenario: 'all', results: summaries });
}

function summary({ scenario, rounds, medians, ratios, voids }: Result): Summary {
  const by = <T>(value: (ratio: RatioResult) => T): Record<string, T> =>
    Object.fromEntries(ratios.map(ratio => [ratio.name, value(ratio)]));
  return {
    scenario: scenario.name,
    rounds,
    valid: ratios.every(ratio => ratio.value !== undefined),
    ratios: by(ratio => ratio.value ?? null),
    counted: by(ratio => ratio.rounds.length),
    targets: by(ratio => ratio.target),
    met: ratios.every(ratio => ratio.met),
    medians,
    void: voids,
    node: process.version,
  };
}
