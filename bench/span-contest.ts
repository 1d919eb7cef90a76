// One contestant of the span scenarios: makes spans, and checks how many arrived.
import type { AgentName } from './agents/agent.ts';
import type { SpanSettings } from './children/span-maker.ts';
import { Collector } from './collector.ts';
import { type Column, type Contestant, requireDelivered } from './scenario.ts';
import { figuresOf } from './workload.ts';

/** Below the rate at which the peer's main thread, or the machine, is full: then CPU per span is what is compared. */
const PER_SECOND = 10_000;
const RECORDED = { warmUp: 20_000, spans: 50_000, perSecond: PER_SECOND };
const UNSAMPLED = { warmUp: 200_000, spans: 1_000_000 };

export const spanColumns: readonly Column[] = [
  { figure: 'mainNs', heading: 'main thread, ns/span', digits: 0 },
  { figure: 'processNs', heading: 'process, ns/span', digits: 0 },
  { figure: 'heapBytes', heading: 'heap, B/span', digits: 0 },
  { figure: 'gcPauseMs', heading: 'GC pauses, ms', digits: 1 },
  { figure: 'rssMb', heading: 'RSS, MB', digits: 0 },
  { figure: 'arrived', heading: 'arrived', digits: 0 },
];

export function spanContestant(agent: AgentName, sampler: 'always_on' | 'always_off'): Contestant {
  const measure: Contestant['measure'] = () =>
    Collector.during(async collector => {
      const env = {
        ...collector.environment,
        OTEL_TRACES_SAMPLER: `parentbased_${sampler}`,
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        // The default of 2048 would drop at this rate whenever the machine looks elsewhere for a moment.
        OTEL_BSP_MAX_QUEUE_SIZE: '16384',
      };
      const settings: SpanSettings = { agent, ...(sampler === 'always_on' ? RECORDED : UNSAMPLED) };
      const figures = await figuresOf({ entry: 'children/span-maker.ts', settings, env });
      const arrived = await collector.received('spans');
      const recorded = agent !== 'none' && sampler === 'always_on';
      requireDelivered('spans', recorded ? settings.warmUp + settings.spans : 0, arrived);
      return { ...figures, arrived };
    });
  return { name: agent, measure };
}
