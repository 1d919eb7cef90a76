// Scenario `event-loop`: how long an application has to wait for its turn while spans are made at a high rate.
import type { AgentName } from './agents/agent.ts';
import type { RateSettings } from './children/steady-span-maker.ts';
import { Collector } from './collector.ts';
import { Core, canPin, pin } from './cores.ts';
import { type Contestant, ratio, requireDelivered, type Scenario } from './scenario.ts';
import { figuresOf } from './workload.ts';

const PER_SECOND = 50_000;
const load = { warmUp: 2 * PER_SECOND, spans: 5 * PER_SECOND, perSecond: PER_SECOND };

/** @param drops the peer cannot deliver at this rate: it is shown with what arrived, as its run cannot be valid */
function contestant(agent: AgentName, drops = false): Contestant {
  const measure: Contestant['measure'] = () =>
    Collector.during(async collector => {
      // What the application waits for is to be its agent, and not the collector of the same small machine.
      pin(collector.process.process.pid!, Core.others);
      const env = {
        ...collector.environment,
        OTEL_TRACES_SAMPLER: 'parentbased_always_on',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
      };
      const settings: RateSettings = { agent, ...load };
      const figures = await figuresOf({ entry: 'children/steady-span-maker.ts', settings, env });
      const arrived = await collector.received('spans');
      if (!drops) requireDelivered('spans', agent === 'none' ? 0 : load.warmUp + load.spans, arrived);
      return { ...figures, arrived };
    });
  return { name: agent, measure };
}

export const scenario: Scenario = {
  name: 'event-loop',
  about:
    'Delay of the event loop at 50,000 spans per second, 50 in each millisecond, of nine attributes and one event each, and ' +
    `the pauses of the garbage collector. ${canPin ? 'The collector is kept to one core. ' : ''}` +
    'What OpenTelemetry’s default queue drops at this rate is not held against it: see what arrived.',
  contestants: [contestant('none'), contestant('tricord'), contestant('opentelemetry', true)],
  columns: [
    { figure: 'delayP50Ms', heading: 'delay p50, ms', digits: 2 },
    { figure: 'delayP99Ms', heading: 'delay p99, ms', digits: 2 },
    { figure: 'delayMaxMs', heading: 'delay max, ms', digits: 1 },
    { figure: 'gcPauseMs', heading: 'GC pauses, ms', digits: 1 },
    { figure: 'gcPauses', heading: 'pauses', digits: 0 },
    { figure: 'utilization', heading: 'event loop busy', digits: 3 },
    { figure: 'arrived', heading: 'arrived', digits: 0 },
  ],
  ratios: [
    ratio('delay_p99_to_bare', 'delayP99Ms', ['tricord', 'none'], { atMost: 1.2 }),
    ratio('gc_pauses_to_opentelemetry', 'gcPauseMs', ['tricord', 'opentelemetry'], { atMost: 1 }),
  ],
};
