// Scenario `log`: what observing a pino line adds to writing it.
import type { LogSettings } from './children/log-writer.ts';
import { Collector } from './collector.ts';
import { addedRatio, type Contestant, requireDelivered, type Scenario } from './scenario.ts';
import { figuresOf, type WorkloadOptions } from './workload.ts';

/** The default queue of a BatchLogRecordProcessor: with smaller bursts than this nobody drops. */
const BURST = 2048;
const flushed = { warmUp: 16 * BURST, lines: 64 * BURST, burst: BURST };
/** About what a delivery takes: after it the processor is cold, with an agent or without. */
const REST_MS = 5;
/** Where nothing tells that a burst is delivered: smaller ones, and fewer, as each has to be waited for. */
const awaited = { warmUp: 4 * BURST, lines: 32 * BURST, burst: BURST / 2 };

type Setup = Pick<LogSettings, 'agent' | 'transport' | 'restMs'> & Pick<WorkloadOptions, 'execArgv'>;

function contestant(name: string, { execArgv = [], ...setup }: Setup): Contestant {
  const measure: Contestant['measure'] = () =>
    Collector.during(async collector => {
      const env = {
        ...collector.environment,
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'grpc',
      };
      const load = setup.transport === undefined ? flushed : awaited;
      const settings: LogSettings = { ...load, ...setup };
      const figures = await figuresOf({ entry: 'children/log-writer.ts', settings, env, execArgv });
      const arrived = await collector.received('log_records');
      requireDelivered('lines', name === 'none' ? 0 : load.warmUp + load.lines, arrived);
      return { ...figures, arrived };
    });
  return { name, measure };
}

export const scenario: Scenario = {
  name: 'log',
  about:
    'A pino line with three fields under a sampled span, written to standard output and also delivered as a log record: ' +
    'what that adds to the bare line on the main thread. OpenTelemetry: instrumentation-pino, BatchLogRecordProcessor, ' +
    'OTLP/gRPC. Bursts of 2,048 lines, each delivered before the next one; the bare application rests for 5 ms there, as a ' +
    'processor that has idled costs the next burst a fifth. pino-opentelemetry-transport works in a thread of its own, and ' +
    'so does the output then.',
  contestants: [
    contestant('none', { agent: 'none', restMs: REST_MS }),
    contestant('tricord', { agent: 'tricord', execArgv: ['--require', 'tricord/register'] }),
    contestant('opentelemetry', { agent: 'opentelemetry-pino' }),
    contestant('pino-transport', { agent: 'none', transport: 'pino-opentelemetry-transport' }),
  ],
  columns: [
    { figure: 'mainNs', heading: 'main thread, ns/line', digits: 0 },
    { figure: 'processNs', heading: 'process, ns/line', digits: 0 },
    { figure: 'heapBytes', heading: 'heap, B/line', digits: 0 },
    { figure: 'gcPauseMs', heading: 'GC pauses, ms', digits: 1 },
    { figure: 'arrived', heading: 'arrived', digits: 0 },
  ],
  ratios: [
    addedRatio('added_main_cpu_to_opentelemetry', 'mainNs', ['none', 'tricord', 'opentelemetry'], {
      atMost: 1 / 8,
    }),
  ],
};
