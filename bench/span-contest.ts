// One contestant of the span scenarios: makes spans, and checks how many arrived.
import type { AgentName } from './agents/agent.ts';
import type { SpanSettings } from './children/span-maker.ts';
import { Collector } from './collector.ts';
import { type Column, type Contestant, requireDelivered } from './scenario.ts';
import { figuresOf } from './workload.ts';

/** The default queue of a BatchSpanProcessor: with smaller bursts than this nobody drops. */
const BURST = 2048;
const RECORDED = { warmUp: 16 * BURST, spans: 64 * BURST, burst: BURST };
const UNSAMPLED = { warmUp: 128 * BURST, spans: 512 * BURST, burst: BURST };

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
