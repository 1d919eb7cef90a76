// Scenario `http`: what a request to a small service costs more with an agent in front of the service.
import { canPin } from './cores.ts';
import {
  addedRatio,
  type Column,
  type Contestant,
  type Figures,
  type Ratio,
  ratio,
  type Scenario,
} from './scenario.ts';
import { type Framework, Service, type ServiceAgent, type ServiceOptions, type Turnover } from './service.ts';
import { median } from './statistics.ts';
import type { Turn } from './turns.ts';

/**
 * Long enough for the slowest of them to have its code compiled, which goes by the number of calls: within the first ten
 * seconds, some twenty thousand requests, a service was seen to get three times as fast.
 */
const WARM_UP_SECONDS = 10;
/** So short that the machine is the same for all of them, and so many that one disturbed turn does not count. */
const TURN_SECONDS = 1;
const TURNS = 3;
const PACED_SECONDS = 3;

const frameworks: readonly Framework[] = ['express', 'fastify', 'bare'];

const variants: readonly { readonly agent: ServiceAgent; readonly sampled: number }[] = [
  { agent: 'none', sampled: 0 },
  { agent: 'tricord', sampled: 0.05 },
  { agent: 'tricord', sampled: 1 },
  { agent: 'opentelemetry', sampled: 0.05 },
  { agent: 'opentelemetry', sampled: 1 },
  { agent: 'dd-trace', sampled: 0.05 },
  { agent: 'dd-trace', sampled: 1 },
];

function nameOf({ framework, agent, sampled }: ServiceOptions): string {
  return agent === 'none' ? framework : `${framework}, ${agent} ${sampled * 100} %`;
}

/** Requests per second that each framework serves without an agent, as it was measured last. */
const maxima = new Map<Framework, number>();

async function bareMaximum(framework: Framework): Promise<number> {
  const known = maxima.get(framework);
  if (known !== undefined) return known;
  const bare = { framework, agent: 'none', sampled: 0 } as const;
  const measured = await Service.during(bare, async service => {
    await service.load(WARM_UP_SECONDS);
    const { answered, seconds } = await service.load(PACED_SECONDS);
    return answered / seconds;
  });
  maxima.set(framework, measured);
  return measured;
}

/** All of a framework stand side by side, idle, and are asked for a second each, in turns. */
export function measure(options: ServiceOptions, turn: Turn): Promise<Figures> {
  return Service.during(options, async service => {
    await turn.take(() => service.turnover(WARM_UP_SECONDS));
    const runs: Turnover[] = [];
    const middle = (of: (run: Turnover) => number): number => median(runs.map(of));
    for (let number = 0; number < TURNS; number++)
      runs.push(await turn.take(() => service.turnover(TURN_SECONDS)));
    const perSecond = middle(run => run.perCoreSecond);
    if (options.agent === 'none') maxima.set(options.framework, perSecond);
    const [pace, paced] = await turn.take(async () => {
      const half = (await bareMaximum(options.framework)) / 2;
      return [half, await service.turnover(PACED_SECONDS, half)] as const;
    });
    // Nobody begins to look for what has arrived while another one is measured.
    await turn.take(async () => {});
    return {
      processMicros: middle(run => run.processMicros),
      mainMicros: middle(run => run.mainMicros),
      perSecond,
      p50Ms: paced.p50Ms,
      p99Ms: paced.p99Ms,
      pacePercent: (paced.answered / paced.seconds / pace) * 100,
      generatorPercent: middle(run => run.cpuShare) * 100,
    };
  });
}

function ratiosOf(framework: Framework): Ratio[] {
  const name = (agent: ServiceAgent, sampled: number): string => nameOf({ framework, agent, sampled });
  const added = (peer: ServiceAgent, sampled: number, atMost: number): Ratio =>
    addedRatio(
      `${framework}_added_cpu_at_${sampled * 100}_to_${peer.replace('-', '_')}`,
      'processMicros',
      [framework, name('tricord', sampled), name(peer, sampled)],
      { atMost },
    );
  return [
    added('opentelemetry', 0.05, 1 / 8),
    added('opentelemetry', 1, 1 / 6),
    added('dd-trace', 0.05, 1 / 4),
    added('dd-trace', 1, 1 / 4),
    ratio(`${framework}_rate_at_5_to_bare`, 'perSecond', [name('tricord', 0.05), framework], {
      atLeast: 0.75,
    }),
  ];
}

export const columns: readonly Column[] = [
  { figure: 'processMicros', heading: 'CPU, µs/request', digits: 1 },
  { figure: 'mainMicros', heading: 'main thread, µs/request', digits: 1 },
  { figure: 'perSecond', heading: 'requests/s', digits: 0 },
  { figure: 'p50Ms', heading: 'p50 at half rate, ms', digits: 2 },
  { figure: 'p99Ms', heading: 'p99 at half rate, ms', digits: 2 },
  { figure: 'pacePercent', heading: 'of half rate, %', digits: 0 },
  { figure: 'generatorPercent', heading: 'load generator’s core, %', digits: 0 },
];

export const scenario: Scenario = {
  name: 'http',
  about:
    'A small service with pino and prom-client on Express, Fastify and bare node:http, ' +
    (canPin ? 'on one core with all its threads, ' : 'on all cores, which load and receivers share, ') +
    'asked over 32 keep-alive connections by another process: as fast as it answers, then at half of what it answers ' +
    'without an agent. All services of a framework stand side by side and are asked in turns, for a second each; what an ' +
    'agent does after its turn is waited for, and counts as if the core had done it in between. Each request looks a product up, writes a log line, and is measured by a counter and a histogram. ' +
    'tricord and OpenTelemetry send spans, metrics and log records; dd-trace sends spans.',
  contestants: frameworks.flatMap(framework =>
    variants.map((variant): Contestant => {
      const options = { framework, ...variant };
      return { name: nameOf(options), heat: framework, measure: turn => measure(options, turn) };
    }),
  ),
  columns,
  ratios: frameworks.flatMap(ratiosOf),
};
