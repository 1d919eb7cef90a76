// Runs the test files of a suite with the test runner of Node.js, and reads what became of each rule from its events.
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { root } from '../source-tree.ts';

/** One rule of a specification after the run. */
export interface RuleOutcome {
  /** The page of the specification; the test file where one failed outside of its rules. */
  readonly page: string;
  /** Heading and rule. */
  readonly rule: string;
  readonly verdict: 'passed' | 'failed' | 'not applicable';
  /** What failed, or why the rule is not applicable. */
  readonly detail: string;
}

/** What stands between the page and the heading in a section: see `rule.ts`. */
const HEADING = ' § ';
const isTestFile = (name: string): boolean => name.endsWith('.test.ts');

/** The folders below `directory` that hold test files. */
export function suitesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && filesOf(directory, entry.name).length > 0)
    .map(({ name }) => name)
    .sort();
}

export function filesOf(directory: string, suite: string): string[] {
  return readdirSync(join(directory, suite))
    .filter(isTestFile)
    .sort()
    .map(name => join(directory, suite, name));
}

/** Each file in a process of its own, with the flags of this one. What they write to stderr passes through. */
export async function runSuite(files: readonly string[]): Promise<RuleOutcome[]> {
  const outcomes: RuleOutcome[] = [];
  for await (const { type, data } of run({ files })) {
    if (type === 'test:pass' || type === 'test:fail') {
      const outcome = outcomeOf(type === 'test:pass', data);
      if (outcome !== undefined) outcomes.push(outcome);
    } else if (type === 'test:stderr') process.stderr.write(data.message);
  }
  return outcomes;
}

interface TestEvent {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: Error };
}

/** Undefined for what is no rule: a file or a group of tests around them. */
function outcomeOf(passed: boolean, { name, file, skip, details }: TestEvent): RuleOutcome | undefined {
  const at = name.indexOf(HEADING);
  const isRule = at > 0;
  if (!isRule && (passed || details.type === 'suite')) return undefined;
  const page = isRule ? name.slice(0, at) : relative(root, file ?? name);
  const rule = isRule ? name.slice(at + HEADING.length) : name;
  if (!passed) return { page, rule, verdict: 'failed', detail: messageOf(details.error) };
  if (skip === undefined || skip === false) return { page, rule, verdict: 'passed', detail: '' };
  return { page, rule, verdict: 'not applicable', detail: String(skip) };
}

/** What the check threw: the runner wraps it. */
function messageOf(error: Error | undefined): string {
  const { cause } = error ?? {};
  return cause instanceof Error ? cause.message : (error?.message ?? 'it failed');
}
