// Breaks the disk under the collector's queue in every way that there is, and counts what the queue promises about it.
import type { BreachKind } from '../collector/queue/breach.ts';
import type { Command, Failure, FaultScenario, Figures, Outcome, PromiseOutcome } from './scenario.ts';
import { runPart } from './storage/lanes.ts';
import type { PartOutcome } from './storage/part.ts';
import { parts } from './storage/parts.ts';
import { plants } from './storage/plants.ts';

export const scenario: FaultScenario = {
  about: "the collector's queue under crashes, damage, I/O errors and power losses",
  parts: Object.keys(parts),
  plants: Object.keys(plants),
  async run(command: Command, tell): Promise<Outcome> {
    const names = command.part === undefined ? Object.keys(parts) : [command.part];
    const outcomes = new Map<string, PartOutcome>();
    for (const name of names) {
      const before = performance.now();
      const outcome = await runPart(name, command);
      const seconds = Math.round((performance.now() - before) / 1000);
      tell(
        `${name}: ${outcome.skipped === undefined ? `${outcome.points} points in ${seconds} s` : 'skipped'}`,
      );
      outcomes.set(name, outcome);
    }
    const ran = [...outcomes].filter(([, { skipped }]) => skipped === undefined);
    return {
      figures: Object.fromEntries(ran.map(([name, outcome]) => [name, figuresOf(outcome)])),
      promises: promisesOf(command, new Map(ran)),
      failures: ran.flatMap(([name, outcome]) => failuresOf(name, outcome, command)),
      skipped: Object.fromEntries(
        [...outcomes].flatMap(([name, { skipped }]) => (skipped === undefined ? [] : [[name, skipped]])),
      ),
    };
  },
};

function figuresOf({ points, faults, restarts, items, breaches }: PartOutcome): Figures {
  return { points, faults, restarts, items, ...breaches };
}

type Value = (outcome: PartOutcome) => number;

interface Row {
  readonly name: string;
  readonly of: readonly string[];
  readonly value: Value;
  readonly target: PromiseOutcome['target'];
  /** How much there is to find: no promise of a smaller budget, or of some parts alone. */
  readonly whole?: true;
}

const broken =
  (...kinds: readonly BreachKind[]): Value =>
  ({ breaches }) =>
    kinds.reduce((sum, kind) => sum + breaches[kind], 0);

const none = { atMost: 0 };
const crashes = ['cut', 'kill', 'crash'];
const errors = ['io-error', 'call-error'];
/** Processes that go on under load while the machine around them is not what it should be. */
const strains = ['slow-fsync', 'full-disk', 'clock'];

/** Every kind of breach in every part breaks one of them. */
const rows: readonly Row[] = [
  { name: 'crashes', of: crashes, value: ({ faults }) => faults, target: { atLeast: 10_000 }, whole: true },
  { name: 'acknowledged items lost by a crash', of: crashes, value: broken('lost'), target: none },
  { name: 'items shown twice after a crash', of: crashes, value: broken('twice'), target: none },
  {
    name: 'starts after a crash that needed a hand',
    of: crashes,
    value: broken('stuck', 'crashed'),
    target: none,
  },
  { name: 'undamaged records lost to a flipped bit', of: ['flip'], value: broken('lost'), target: none },
  { name: 'damage that nothing reported', of: ['cut', 'flip'], value: broken('silent'), target: none },
  { name: 'false acknowledgements by a failing disk', of: errors, value: broken('lost'), target: none },
  { name: 'errors that nobody caught', of: errors, value: broken('crashed'), target: none },
  { name: 'mended disks that were not used again', of: errors, value: broken('stuck'), target: none },
  {
    name: 'lives with power losses',
    of: ['power-loss'],
    value: ({ points }) => points,
    target: { atLeast: 100_000 },
    whole: true,
  },
  { name: 'acknowledged items lost with the power', of: ['power-loss'], value: broken('lost'), target: none },
  { name: 'items shown twice after a power loss', of: ['power-loss'], value: broken('twice'), target: none },
  {
    name: 'starts after a power loss that needed a hand',
    of: ['power-loss'],
    value: broken('stuck', 'crashed'),
    target: none,
  },
  {
    name: 'starts after damage that needed a hand',
    of: ['flip'],
    value: broken('stuck', 'crashed'),
    target: none,
  },
  {
    name: 'acknowledged items lost on a slow or full disk, or by a wrong clock',
    of: strains,
    value: broken('lost'),
    target: none,
  },
  { name: 'items shown twice after that', of: strains, value: broken('twice'), target: none },
  {
    name: 'processes that did not go on by themselves after that',
    of: strains,
    value: broken('stuck', 'crashed'),
    target: none,
  },
  { name: 'acknowledgements before their fsync', of: ['slow-fsync'], value: broken('early'), target: none },
  {
    name: 'bounds on memory passed while the disk stalls',
    of: ['slow-fsync'],
    value: broken('unbounded'),
    target: none,
  },
  { name: 'full disks that nothing counted', of: ['full-disk'], value: broken('silent'), target: none },
  {
    name: 'items, damage or times that are not there',
    of: Object.keys(parts),
    value: broken('invented'),
    target: none,
  },
  {
    name: 'items shown twice after damage or errors',
    of: ['flip', ...errors],
    value: broken('twice'),
    target: none,
  },
];

function promisesOf({ budget, part }: Command, outcomes: ReadonlyMap<string, PartOutcome>): PromiseOutcome[] {
  const asked = part === undefined ? Object.keys(parts) : [part];
  const isWhole = (of: readonly string[]): boolean =>
    budget === 100 && of.every(name => asked.includes(name));
  const judged = rows.filter(
    ({ of, whole }) => (!whole || isWhole(of)) && of.some(name => outcomes.has(name)),
  );
  return judged.map(({ name, of, value, target }) => {
    const values = of
      .map(name => outcomes.get(name))
      .map(outcome => (outcome === undefined ? 0 : value(outcome)));
    return { name, value: values.reduce((sum, one) => sum + one), target };
  });
}

function failuresOf(part: string, { examples }: PartOutcome, { seed }: Command): Failure[] {
  return examples.map(({ point, message }) => {
    return {
      message: `${part}, point ${point}: ${message}`,
      repeat: `--part ${part} --seed ${seed} --point ${point}`,
    };
  });
}
