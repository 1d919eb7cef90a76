// Scenario `memory`: what an agent adds to the resident memory of a service under load, and whether that stays so.
import { setTimeout as delay } from 'node:timers/promises';
import { minutes } from './duration.ts';
import { addedRatio, type Contestant, type Figures, type Ratio, type Scenario } from './scenario.ts';
import { Service, type ServiceAgent } from './service.ts';
import { median } from './statistics.ts';

const MINUTES = minutes(0.5);
/** Before that, heaps still grow towards the size at which they stay. */
const FLAT_AFTER_MINUTES = 5;
/**
 * The young generation of each has from the start the size at which it stays: V8 doubles it by and by, the sooner the more
 * requests there were, and after half a minute every contestant would be at another one.
 */
const execArgv = ['--min-semi-space-size=32'];
const LOOK_EVERY_MS = 250;
const ADDED_MB_MAX = 30;
/** Of the median of the last quarter over that of the second: what a run's noise is, and no leak. */
const GROWTH_MB_MAX = 5;

async function measure(agent: ServiceAgent): Promise<Figures> {
  const options = { framework: 'express', agent, sampled: 0.05, execArgv } as const;
  return Service.during(options, async service => {
    const { rssBytes: idleBytes } = await service.usage();
    const rssMb: number[] = [];
    let loading = true;
    const load = service.load(MINUTES * 60).finally(() => {
      loading = false;
    });
    while (loading) {
      await Promise.race([load, delay(LOOK_EVERY_MS)]);
      const { rssBytes } = await service.usage();
      rssMb.push(rssBytes / 1e6);
    }
    const { answered, seconds } = await load;
    const quarter = (number: number): number[] =>
      rssMb.slice((rssMb.length * (number - 1)) / 4, (rssMb.length * number) / 4);
    return {
      idleMb: idleBytes / 1e6,
      rssMb: median([...quarter(3), ...quarter(4)]),
      growthMb: median(quarter(4)) - median(quarter(2)),
      perSecond: answered / seconds,
    };
  });
}

const contestant = (agent: ServiceAgent): Contestant => ({ name: agent, measure: () => measure(agent) });

const growth: Ratio = {
  name: 'growth_mb',
  needs: ['tricord'],
  of: round => round.tricord!.growthMb!,
  target: { atMost: GROWTH_MB_MAX },
  unit: 'MB',
};

export const scenario: Scenario = {
  name: 'memory',
  about:
    'Resident memory of the Express service of `http` at 5 % sampling, asked as fast as it answers over 32 connections: the ' +
    `median over the second half of ${MINUTES * 60} s (\`--minutes N\` for longer), and by how much the last quarter's median ` +
    'lies above that of the second. The young generation has 32 MiB from the start, which is what it grows to within some ' +
    'minutes, with an agent and without.',
  contestants: [
    contestant('none'),
    contestant('tricord'),
    contestant('opentelemetry'),
    contestant('dd-trace'),
  ],
  columns: [
    { figure: 'idleMb', heading: 'listening, MB', digits: 0 },
    { figure: 'rssMb', heading: 'under load, MB', digits: 0 },
    { figure: 'growthMb', heading: 'growth, MB', digits: 1 },
    { figure: 'perSecond', heading: 'requests/s', digits: 0 },
  ],
  ratios: [
    {
      name: 'added_mb',
      needs: ['none', 'tricord'],
      of: round => round.tricord!.rssMb! - round.none!.rssMb!,
      target: { atMost: ADDED_MB_MAX },
      unit: 'MB',
    },
    addedRatio('added_to_opentelemetry', 'rssMb', ['none', 'tricord', 'opentelemetry'], { atMost: 1 / 5 }),
    ...(MINUTES < FLAT_AFTER_MINUTES ? [] : [growth]),
  ],
};
