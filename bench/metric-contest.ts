// One contestant of the metric scenarios: measures as fast as it can, and checks that every measurement arrived.
import type { AgentName } from './agents/agent.ts';
import type { MetricSettings } from './children/metric-maker.ts';
import { Collector } from './collector.ts';
import { type Column, type Contestant, type Figures, requireDelivered } from './scenario.ts';
import { figuresOf, Workload } from './workload.ts';

type Instrument = MetricSettings['instrument'];

/** Until the code of the fastest is compiled as it stays: it makes this many in some hundred milliseconds. */
const WARM_UP = 3_000_000;
const OPERATIONS = 3_000_000;

/** The series whose sum is the number of measurements. */
const counts: Readonly<Record<Instrument, string>> = {
  counter: 'bench_requests_total',
  histogram: 'bench_duration_milliseconds_count',
};

export const metricColumns: readonly Column[] = [
  { figure: 'mainNs', heading: 'main thread, ns/op', digits: 1 },
  { figure: 'processNs', heading: 'process, ns/op', digits: 1 },
  { figure: 'heapBytes', heading: 'heap, B/op', digits: 0 },
  { figure: 'gcPauseMs', heading: 'GC pauses, ms', digits: 1 },
  { figure: 'arrived', heading: 'arrived', digits: 0 },
];

const load = { warmUp: WARM_UP, operations: OPERATIONS };

/** An agent behind the OpenTelemetry API; exemplars are on where the agent has them. */
export function metricContestant(agent: AgentName, instrument: Instrument): Contestant {
  const measure: Contestant['measure'] = () =>
    Collector.during(async collector => {
      const env = {
        ...collector.environment,
        OTEL_METRICS_EXPORTER: 'otlp',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_METRICS_EXEMPLAR_FILTER: 'trace_based',
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        OTEL_METRIC_EXPORT_TIMEOUT: '1000',
      };
      const settings: MetricSettings = { agent, instrument, ...load };
      const figures = await figuresOf({ entry: 'children/metric-maker.ts', settings, env });
      const arrived = await collector.sum(counts[instrument]);
      requireDelivered('measurements', agent === 'none' ? 0 : WARM_UP + OPERATIONS, arrived);
      return { ...figures, arrived };
    });
  return { name: agent, measure };
}

/** prom-client delivers nothing by itself: what arrives is the text that a scrape would read. */
export function promClientContestant(instrument: Instrument): Contestant {
  const settings: MetricSettings<'prom-client'> = { agent: 'prom-client', instrument, ...load };
  const measure: Contestant['measure'] = async () => {
    const workload = new Workload({ entry: 'children/prom-client-maker.ts', settings });
    try {
      const exposition = await workload.next<string>('exposition');
      const figures = await workload.next<Figures>('figures');
      const arrived = sumOf(exposition, counts[instrument]);
      requireDelivered('measurements', WARM_UP + OPERATIONS, arrived);
      return { ...figures, arrived };
    } finally {
      await workload.kill();
    }
  };
  return { name: 'prom-client', measure };
}

/** The sum of a family's samples in the Prometheus text format. */
function sumOf(exposition: string, name: string): number {
  const samples = exposition.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'gm'));
  return [...samples].reduce((sum, sample) => sum + Number(sample[1]), 0);
}
