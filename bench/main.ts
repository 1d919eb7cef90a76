// The command line of the suite: `npm run --silent bench -- NAME [options]`, or `all` to write the page.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { withBefore } from './before.ts';
import { writePage } from './benchmarks-page.ts';
import { MINUTES_MAX, minutes } from './duration.ts';
import { type Result, run } from './harness.ts';
import { build, install } from './preparation.ts';
import { jsonLine, tables } from './report.ts';
import { narrowed } from './scenario.ts';
import { scenarios } from './scenarios.ts';

const usage = `npm run --silent bench -- NAME [options]

  NAME        ${Object.keys(scenarios).join(', ')};
              or all, which also writes docs/benchmarks.md
  --page      writes the scenario's section of docs/benchmarks.md
  --rounds N  how often each contestant runs (3); the figures are medians
  --only TEXT runs the contestants whose name contains the text, such as express
  --before FOLDER  another checkout, built, whose agent competes with this one
  --minutes N how long memory watches each contestant (0.5); from 5 on it judges whether memory grows

BENCH_PROFILE=FOLDER has every workload leave its CPU profiles there.
`;

const ROUNDS_MAX = 99;
const tell = (line: string): unknown => process.stderr.write(`${line}\n`);

function fail(message: string): never {
  process.stderr.write(`${message}\n\n${usage}`);
  process.exit(2);
}

interface Command {
  readonly names: readonly string[];
  /** Whether docs/benchmarks.md is written. */
  readonly page: boolean;
  readonly rounds: number;
  readonly only: string;
  /** Another checkout. */
  readonly before: string | undefined;
}

function readCommand(): Command {
  try {
    const options = {
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      before: { type: 'string' },
      minutes: { type: 'string' },
      page: { type: 'boolean', default: false },
    } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
      fail(`--rounds is "${values.rounds}"; it takes 1 to ${ROUNDS_MAX}.`);
    if (Number.isNaN(minutes(0))) fail(`--minutes is "${values.minutes}"; it takes up to ${MINUTES_MAX}.`);
    const { only, page } = values;
    const before = values.before === undefined ? undefined : resolve(values.before);
    if (before !== undefined && !existsSync(join(before, 'dist/register.cjs')))
      fail(`--before is ${before}, where no agent is built: npm run build makes it there.`);
    const isWhole = only === '' && before === undefined;
    if (page && !isWhole)
      fail('A page has this agent and all contestants: leave out --page, or --only and --before.');
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) fail('One NAME is needed.');
    if (name === 'all') return { names: Object.keys(scenarios), page: isWhole, rounds, only, before };
    if (!Object.hasOwn(scenarios, name)) fail(`There is no scenario "${name}".`);
    return { names: [name], page, rounds, only, before };
  } catch (error) {
    fail((error as Error).message);
  }
}

const { names, page, rounds, only, before } = readCommand();
install();
build();
const results: Result[] = [];
for (const name of names) {
  const { scenario } = await scenarios[name]!();
  const all = before === undefined ? scenario : withBefore(scenario, before);
  const result = await run(narrowed(all, only), rounds, tell);
  results.push(result);
  process.stdout.write(`${name}\n\n${tables(result)}\n\n`);
}
process.stdout.write(`${jsonLine(results)}\n`);
if (page) writePage(results);
// A result without a round that counts is no result; a bar that is missed is one.
if (results.some(({ ratios }) => ratios.some(ratio => ratio.value === undefined))) process.exitCode = 1;
