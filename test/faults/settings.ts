// Wrong settings of every kind: the agent and the doctor name them, and the application runs as it would without an agent.
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { seededRandom } from '../collector/queue/memory-disk.ts';
import { TestCollector } from '../transport/test-collector.ts';
import type { Command, Failure, FaultScenario, Figures, Outcome } from './scenario.ts';
import { WrongCollectors } from './settings/collectors.ts';
import { wrongFiles } from './settings/files.ts';
import { type Breach, bareRun, type Kind, observe, promises } from './settings/observation.ts';
import { agentPlants } from './settings/plants.ts';
import type { CaseSource, Env, SettingCase } from './settings/setting-case.ts';
import { emptyVariables, impossibleSettings, misspellings, several } from './settings/variables.ts';

const partNames = ['misspelled', 'impossible', 'empty', 'several', 'files', 'collectors'] as const;
type PartName = (typeof partNames)[number];
const TOLD_EACH = 100;

/** A point of a part, and what it has shown. */
interface Tried {
  readonly part: PartName;
  readonly point: number;
  readonly env: Env;
  readonly breaches: readonly Breach[];
}

export const scenario: FaultScenario = {
  about: 'misspelled variables, impossible values, unusable files and collectors that are none',
  parts: partNames,
  plants: Object.keys(agentPlants),
  async run(command, tell): Promise<Outcome> {
    const files = wrongFiles();
    const wrong = await WrongCollectors.start();
    const collector = await TestCollector.start();
    try {
      const sources = {
        ...{ misspelled: misspellings, impossible: impossibleSettings, empty: emptyVariables, several },
        ...{ files: files.source, collectors: wrong.source },
      };
      return outcomeOf(command, await tryAll(command, sources, collector.url, tell));
    } finally {
      collector.stop();
      wrong.stop();
      rmSync(files.folder, { recursive: true });
    }
  },
};

type Sources = Readonly<Record<PartName, CaseSource>>;

async function tryAll(
  command: Command,
  sources: Sources,
  collector: string,
  tell: (line: string) => void,
): Promise<Tried[]> {
  const bare = await bareRun();
  const points = pointsOf(command, sources);
  const all = points.length;
  const tried: Tried[] = [];
  const lane = async (): Promise<void> => {
    for (let next = points.shift(); next !== undefined; next = points.shift()) {
      const [part, point] = next;
      const found = caseOf(sources[part], part, point, command.seed);
      const breaches = await observe(found, { bare, collector, bug: command.plant });
      tried.push({ part, point, env: found.env, breaches });
      if (tried.length % TOLD_EACH === 0) tell(`${tried.length} of ${all} environments`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return tried;
}

/** The part is drawn from as well, so that the same numbers of two parts are not alike. */
function caseOf(source: CaseSource, part: PartName, point: number, seed: number): SettingCase {
  const random = seededRandom(seed ^ ((point + 1) * 0x9e3779b1) ^ (partNames.indexOf(part) << 24));
  return source.caseAt(point, random);
}

/** Those that the budget allows, spread over each part from a place that the seed chooses. */
function pointsOf({ seed, budget, part, point }: Command, sources: Sources): (readonly [PartName, number])[] {
  const random = seededRandom(seed);
  return partNames
    .filter(name => part === undefined || name === part)
    .flatMap(name => {
      const { count } = sources[name];
      if (point !== undefined) return point < count ? [[name, point] as const] : [];
      const wanted = Math.max(1, Math.round((count * budget) / 100));
      const first = budget === 100 ? 0 : Math.floor(random() * count);
      return Array.from(
        { length: wanted },
        (_, i) => [name, (first + Math.floor((i * count) / wanted)) % count] as const,
      );
    });
}

function outcomeOf({ seed }: Command, tried: readonly Tried[]): Outcome {
  const all = tried.flatMap(({ breaches }) => breaches);
  const counted = (breaches: readonly Breach[], kind: Kind): number =>
    breaches.filter(([found]) => found === kind).length;
  const kinds = Object.keys(promises) as Kind[];
  const figures = partNames.flatMap(part => {
    const own = tried.filter(each => each.part === part);
    if (own.length === 0) return [];
    const breaches = own.flatMap(each => each.breaches);
    const counts = Object.fromEntries(kinds.map(kind => [kind, counted(breaches, kind)]));
    return [[part, { points: own.length, ...counts }] as readonly [string, Figures]];
  });
  return {
    figures: Object.fromEntries(figures),
    promises: kinds.map(kind => ({ name: promises[kind], value: counted(all, kind), target: { atMost: 0 } })),
    failures: tried.flatMap(each => each.breaches.map(breach => failureOf(each, breach, seed))),
    skipped: {},
  };
}

function failureOf({ part, point, env }: Tried, [kind, message]: Breach, seed: number): Failure {
  return {
    message: `${part}, point ${point}, ${JSON.stringify(env)}: ${promises[kind]}: ${message}`,
    repeat: `--part ${part} --seed ${seed} --point ${point}`,
  };
}
