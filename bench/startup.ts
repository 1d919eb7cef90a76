// Scenario `startup`: how much later a service listens with an agent in front of it.
import { receiving } from './receiver.ts';
import { addedRatio, type Contestant, type Figures, type Scenario } from './scenario.ts';
import { receiverOf, Service, type ServiceAgent } from './service.ts';
import { median } from './statistics.ts';

/** Starts in one round; of which the median counts. */
const STARTS = 5;
const MS_MAX = 60;

function measure(agent: ServiceAgent): Promise<Figures> {
  return receiving(receiverOf(agent), async receiver => {
    const services: Pick<Service, 'startMs' | 'listening'>[] = [];
    for (let i = 0; i < STARTS; i++) {
      const service = await Service.start({ framework: 'express', agent, sampled: 1 }, receiver);
      services.push(service);
      await service.stop();
    }
    return {
      startMs: median(services.map(({ startMs }) => startMs)),
      sinceStartMs: median(services.map(({ listening }) => listening.sinceStartMs)),
    };
  });
}

const contestant = (agent: ServiceAgent): Contestant => ({ name: agent, measure: () => measure(agent) });

export const scenario: Scenario = {
  name: 'startup',
  about:
    'From the start of the process until the Express service with pino and prom-client listens, as its parent sees it; all ' +
    `files are in the page cache. Each round is the median of ${STARTS} starts.`,
  contestants: [
    contestant('none'),
    contestant('tricord'),
    contestant('opentelemetry'),
    contestant('dd-trace'),
  ],
  columns: [
    { figure: 'startMs', heading: 'start to listening, ms', digits: 0 },
    { figure: 'sinceStartMs', heading: 'of which within the runtime, ms', digits: 0 },
  ],
  ratios: [
    {
      name: 'added_ms',
      needs: ['none', 'tricord'],
      of: round => round.tricord!.startMs! - round.none!.startMs!,
      target: { atMost: MS_MAX },
      unit: 'ms',
    },
    addedRatio('added_to_opentelemetry', 'startMs', ['none', 'tricord', 'opentelemetry'], { atMost: 1 / 5 }),
    addedRatio('added_to_dd_trace', 'startMs', ['none', 'tricord', 'dd-trace'], { atMost: 1 / 5 }),
  ],
};
