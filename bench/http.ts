// Scenario `http`: what a request to a small service costs more with an agent in front of the service.
import { canPin } from './cores.ts';
import { addedRatio, type Contestant, type Figures, type Ratio, ratio, type Scenario } from './scenario.ts';
import { type Framework, Service, type ServiceAgent, type ServiceOptions } from './service.ts';

/** Long enough for the slowest of them to have its code compiled. */
const WARM_UP_SECONDS = 4;
const SECONDS = 4;

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

/** Requests per second that each framework serves without an agent, measured when it is first asked for. */
const maxima = new Map<Framework, Promise<number>>();

function bareMaximum(framework: Framework): Promise<number> {
  const known = maxima.get(framework);
  if (known !== undefined) return known;
  const measured = Service.during({ framework, agent: 'none', sampled: 0 }, async service => {
    await service.load(WARM_UP_SECONDS);
    const { answered, seconds } = await service.load(SECONDS);
    return answered / seconds;
  });
  maxima.set(framework, measured);
  return measured;
}

async function measure(options: ServiceOptions): Promise<Figures> {
  const perSecond = (await bareMaximum(options.framework)) / 2;
  return Service.during(options, async service => {
    await service.load(WARM_UP_SECONDS);
    const before = await service.usage();
    const full = await service.load(SECONDS);
    const after = await service.usage();
    const paced = await service.load(SECONDS, perSecond);
    return {
      processMicros: (after.processMicros - before.processMicros) / full.answered,
      mainMicros: (after.mainMicros - before.mainMicros) / full.answered,
      perSecond: full.answered / full.seconds,
      p50Ms: paced.p50Ms,
      p99Ms: paced.p99Ms,
      pacePercent: (paced.answered / paced.seconds / perSecond) * 100,
      generatorPercent: full.cpuShare * 100,
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

export const scenario: Scenario = {
  name: 'http',
  about:
    'A small service with pino and prom-client on Express, Fastify and bare node:http, ' +
    (canPin ? 'on one core with all its threads, ' : 'on all cores, which load and receivers share, ') +
    'asked over 32 keep-alive connections by another process: as fast as it answers, then at half of what it answers ' +
    'without an agent. Each request looks a product up, writes a log line, and is measured by a counter and a histogram. ' +
    'tricord and OpenTelemetry send spans, metrics and log records; dd-trace sends spans.',
  contestants: frameworks.flatMap(framework =>
    variants.map((variant): Contestant => {
      const options = { framework, ...variant };
      return { name: nameOf(options), measure: () => measure(options) };
    }),
  ),
  columns: [
    { figure: 'processMicros', heading: 'CPU, µs/request', digits: 1 },
    { figure: 'mainMicros', heading: 'main thread, µs/request', digits: 1 },
    { figure: 'perSecond', heading: 'requests/s', digits: 0 },
    { figure: 'p50Ms', heading: 'p50 at half rate, ms', digits: 2 },
    { figure: 'p99Ms', heading: 'p99 at half rate, ms', digits: 2 },
    { figure: 'pacePercent', heading: 'of half rate, %', digits: 0 },
    { figure: 'generatorPercent', heading: 'load generator’s core, %', digits: 0 },
  ],
  ratios: frameworks.flatMap(ratiosOf),
};
