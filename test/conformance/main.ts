// The command line of the conformance suites: `npm run --silent conformance -- NAME`.
import { parseArgs } from 'node:util';
import { failureLines, jsonLine, notApplicableLines, pageTable } from './report.ts';
import { filesOf, runSuite, suitesIn } from './suite.ts';

const usage = (suites: readonly string[]): string => `npm run --silent conformance -- NAME [options]

  NAME        ${suites.join(', ')}
  --from DIR  where the folders of the suites are (test/conformance)
`;

function fail(message: string, suites: readonly string[]): never {
  process.stderr.write(`${message}\n\n${usage(suites)}`);
  process.exit(2);
}

function parsed(): { readonly name: string; readonly files: readonly string[] } {
  let suites = suitesIn(import.meta.dirname);
  try {
    const options = { from: { type: 'string', default: import.meta.dirname } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    suites = suitesIn(values.from);
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) fail('One NAME is needed.', suites);
    if (!suites.includes(name)) fail(`There is no suite "${name}".`, suites);
    return { name, files: filesOf(values.from, name) };
  } catch (error) {
    fail((error as Error).message, suites);
  }
}

const { name, files } = parsed();
const outcomes = await runSuite(files);
const isBroken = outcomes.length === 0 || outcomes.some(({ verdict }) => verdict === 'failed');
if (outcomes.length === 0) process.stderr.write(`The suite "${name}" has no rules.\n`);
const parts = [
  pageTable(outcomes),
  failureLines(outcomes),
  notApplicableLines(outcomes),
  jsonLine(name, outcomes),
];
process.stdout.write(`${parts.filter(part => part !== '').join('\n\n')}\n`);
if (isBroken) process.exitCode = 1;
