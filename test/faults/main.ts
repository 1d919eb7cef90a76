// The command line of the fault tools: `npm run --silent faults -- NAME [options]`.
import { parseArgs } from 'node:util';
import { failureLines, jsonLine, tables } from './report.ts';
import { type Command, type FaultScenario, isKept } from './scenario.ts';
import { scenarios } from './scenarios.ts';

const usage = `npm run --silent faults -- NAME [options]

  NAME              ${Object.keys(scenarios).join(', ')}
  --seed N          decides all that is drawn by chance (1)
  --budget PERCENT  how much of it all to try (100)
  --part PART       only this part
  --point N         only this point of the part
  --plant BUG       puts a bug in, to see that it is found
`;

function fail(message: string): never {
  process.stderr.write(`${message}\n\n${usage}`);
  process.exit(2);
}

const options = {
  seed: { type: 'string', default: '1' },
  budget: { type: 'string', default: '100' },
  part: { type: 'string' },
  point: { type: 'string' },
  plant: { type: 'string' },
} as const;

function parsed(): { readonly name: string; readonly values: Readonly<Record<string, string | undefined>> } {
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) fail('One NAME is needed.');
    if (!Object.hasOwn(scenarios, name)) fail(`There is no scenario "${name}".`);
    return { name, values };
  } catch (error) {
    fail((error as Error).message);
  }
}

/** A number that an option gives. */
function numberOf(option: string, text: string, least: number, most: number, whole = true): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value)))
    fail(`--${option} is "${text}"; it takes ${least} to ${most}.`);
  return value;
}

/** One of the names that a scenario knows. */
function nameOf(option: string, value: string | undefined, known: readonly string[]): string | undefined {
  if (value !== undefined && !known.includes(value))
    fail(`--${option} is "${value}"; there is ${known.join(', ') || 'none'}.`);
  return value;
}

function commandOf(values: Readonly<Record<string, string | undefined>>, scenario: FaultScenario): Command {
  const part = nameOf('part', values.part, scenario.parts);
  if (values.point !== undefined && part === undefined) fail('--point needs a --part.');
  return {
    seed: numberOf('seed', values.seed!, 0, 2 ** 31 - 1),
    budget: numberOf('budget', values.budget!, 0.01, 100, false),
    part,
    point: values.point === undefined ? undefined : numberOf('point', values.point, 0, 2 ** 31 - 1),
    plant: nameOf('plant', values.plant, scenario.plants),
  };
}

const { name, values } = parsed();
const { scenario } = await scenarios[name]!();
const command = commandOf(values, scenario);
const tell = (line: string): unknown => process.stderr.write(`${line}\n`);
tell(`${name}: ${scenario.about}`);
const outcome = await scenario.run(command, tell);
for (const line of failureLines(name, command, outcome)) tell(line);
process.stdout.write(`${tables(outcome)}\n\n${jsonLine(name, command, outcome)}\n`);
if (!outcome.promises.every(isKept)) process.exitCode = 1;
