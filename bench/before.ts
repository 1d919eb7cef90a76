// The agent of an earlier checkout as one more contestant: what a change has done to every figure, in one run.
import { AsyncLocalStorage } from 'node:async_hooks';
import { resolve } from 'node:path';
import { type Contestant, type Ratio, ratio, type Scenario } from './scenario.ts';

const OURS = 'tricord';
const root = resolve(import.meta.dirname, '..');

/** The checkout that the contestant being measured has its agent from. */
const checkout = new AsyncLocalStorage<string>();

/** Options of a workload's runtime that give it the agent of the contestant's checkout; none where it has this one's anyway. */
export function agentFlags(): string[] {
  return checkout.getStore() === undefined ? [] : ['--require', './children/agent-of.cjs'];
}

export function agentEnvironment(): Record<string, string> {
  const folder = checkout.getStore();
  return folder === undefined ? {} : { BENCH_AGENT_OF: folder };
}

/**
 * Each contestant with our agent a second time, with that of a checkout, which is built; and every figure of the one over that of
 * the other.
 */
export function withBefore(scenario: Scenario, folder: string): Scenario {
  const from = ({ measure, ...rest }: Contestant, name: string, where: string): Contestant => ({
    ...rest,
    name,
    measure: turn => checkout.run(where, measure, turn),
  });
  const ours = scenario.contestants.filter(({ name }) => name.includes(OURS));
  const contestants = scenario.contestants.flatMap(contestant =>
    ours.includes(contestant)
      ? [from(contestant, contestant.name, root), from(contestant, before(contestant), folder)]
      : [contestant],
  );
  const ratios = ours.flatMap(contestant =>
    scenario.columns.map(({ figure }): Ratio => {
      const name = `${contestant.name === OURS ? '' : `${contestant.name} `}${figure}_to_before`;
      return ratio(name, figure, [contestant.name, before(contestant)]);
    }),
  );
  return { ...scenario, contestants, ratios: [...scenario.ratios, ...ratios] };
}

const before = ({ name }: Contestant): string => `${name} (before)`;
