// One contestant of the span scenarios: makes spans in turn with the others, and checks how many arrived.
import type { AgentName } from './agents/agent.ts';
import type { SpanSettings } from './children/span-maker.ts';
import { Collector } from './collector.ts';
import { type Column, type Contestant, type Figures, requireDelivered } from './scenario.ts';
import type { Turn } from './turns.ts';
import { Workload, type WorkloadOptions } from './workload.ts';

/** The default queue of a BatchSpanProcessor: with smaller bursts than this nobody drops. */
const BURST = 2048;
/** Short turns: a slow moment of the machine is everybody's. */
const TURNS = { turns: 36, warmUps: 4 };
const RECORDED = { ...TURNS, spans: 8 * BURST, burst: BURST };
const UNSAMPLED = { ...TURNS, spans: 16 * BURST, burst: BURST };

export const spanColumns: readonly Column[] = [
  { figure: 'mainNs', heading: 'main thread, ns/span', digits: 0 },
  { figure: 'processNs', heading: 'process, ns/span', digits: 0 },
  { figure: 'heapBytes', heading: 'heap, B/span', digits: 0 },
  { figure: 'gcPauseMs', heading: 'GC pauses, ms', digits: 1 },
  { figure: 'rssMb', heading: 'RSS, MB', digits: 0 },
  { figure: 'arrived', heading: 'arrived', digits: 0 },
];

export function spanContestant(agent: AgentName, sampler: 'always_on' | 'always_off'): Contestant {
  const measure: Contestant['measure'] = turn =>
    Collector.during(async collector => {
      const env = {
        ...collector.environment,
        OTEL_TRACES_SAMPLER: `parentbased_${sampler}`,
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
      };
      const settings: SpanSettings = { agent, ...(sampler === 'always_on' ? RECORDED : UNSAMPLED) };
      const figures = await figuresInTurns(turn, { entry: 'children/span-maker.ts', settings, env });
      const arrived = await collector.received('spans');
      const recorded = agent !== 'none' && sampler === 'always_on';
      requireDelivered('spans', recorded ? settings.turns * settings.spans : 0, arrived);
      return { ...figures, arrived };
    });
  return { name: agent, heat: 'all', measure };
}

async function figuresInTurns(turn: Turn, options: WorkloadOptions): Promise<Figures> {
  const workload = new Workload(options);
  try {
    for (let taken = 0; taken < TURNS.turns; taken++) {
      await turn.take(async () => {
        workload.send('turn');
        await workload.next('taken');
      });
    }
    const figures = await workload.next<Figures>('figures');
    await workload.ended();
    return figures;
  } finally {
    await workload.kill();
  }
}
