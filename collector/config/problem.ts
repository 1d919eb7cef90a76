// What is wrong with a configuration, and where it stands.
import { printable } from '../suggestions.ts';

/** Where a value stands. `line` and `column` count from 1; both are 0 for a value of the command line. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  readonly place: Place;
  readonly message: string;
}

/** A configuration that cannot be used, with every problem that was found in it. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const inOrder = problems.toSorted(byPlace);
    super(inOrder.map(formatProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = inOrder;
  }
}

/** `file:line:column: message`, on one line. */
function formatProblem({ place, message }: Problem): string {
  const at = place.line === 0 ? place.file : `${place.file}:${place.line}:${place.column}`;
  return printable(`${at}: ${message}`);
}

/** As a person reads: line by line within a file; the files in the order in which they were found. */
function byPlace({ place: a }: Problem, { place: b }: Problem): number {
  return a.file === b.file ? a.line - b.line || a.column - b.column : 0;
}
