// The other end of a service's agent, and what must have arrived there after so many requests.
import { setTimeout as delay } from 'node:timers/promises';
import type { TraceCount } from './children/trace-agent.ts';
import { Collector } from './collector.ts';
import { Core, pin } from './cores.ts';
import { SERVICE_MS_MAX } from './duration.ts';
import { VoidRun } from './scenario.ts';
import { Workload } from './workload.ts';

export type ReceiverName = 'none' | 'collector' | 'trace agent';

export interface Receiver {
  /** What the agent needs to send here. */
  readonly environment: Readonly<Record<string, string>>;
  /** Waits for what is on its way. @throws VoidRun unless what so many requests make arrives, and nothing beside it */
  requireAll(requests: number, sampled: number): Promise<void>;
}

/** Agents hold back for five seconds at most. */
const ARRIVES_WITHIN_MS = 12_000;
const LOOK_EVERY_MS = 250;
/** Standard deviations that a sampled count may lie off: beyond chance. */
const DEVIATIONS_MAX = 6;

/** dd-trace makes one of the service's listening: the look-up of its address. */
const STARTUP_TRACES = 1;

/** Runs `use` with a receiver of its own. */
export function receiving<T>(name: ReceiverName, use: (receiver: Receiver) => Promise<T>): Promise<T> {
  if (name === 'collector') return Collector.during(collector => use(collectorReceiver(collector)));
  if (name === 'trace agent') return withTraceAgent(use);
  return use({ environment: {}, requireAll: async () => {} });
}

/** Looks until nothing is amiss. @throws VoidRun with what still is when the time is over */
async function require(amiss: () => Promise<string | undefined>): Promise<void> {
  const deadline = performance.now() + ARRIVES_WITHIN_MS;
  for (;;) {
    const reason = await amiss();
    if (reason === undefined) return;
    if (performance.now() > deadline) throw new VoidRun(reason);
    await delay(LOOK_EVERY_MS);
  }
}

function collectorReceiver(collector: Collector): Receiver {
  pin(collector.process.process.pid!, Core.others);
  return {
    environment: collector.environment,
    requireAll: (requests, sampled) =>
      require(async () => {
        const lines = await collector.received('log_records');
        if (lines !== requests) return `${lines} log records of ${requests} requests arrived`;
        const spans = await collector.received('spans');
        if (!isPlausible(spans, requests, sampled)) return `${spans} spans of ${requests} requests arrived`;
        const measured = await collector.sum('http_server_request_duration_seconds_count');
        return measured === requests
          ? undefined
          : `the durations of ${measured} of ${requests} requests arrived`;
      }),
  };
}

/** OpenTelemetry makes one of Fastify's start. */
const STARTUP_SPANS = 1;

/** Every sampled request makes the same number of spans: a multiple when all are sampled, near one otherwise. */
function isPlausible(spans: number, requests: number, sampled: number): boolean {
  if (requests === 0) return spans === 0;
  const perRequest = Math.max(1, Math.round(spans / (requests * sampled)));
  const deviation = Math.sqrt(requests * sampled * (1 - sampled));
  const beyond = spans - perRequest * requests * sampled;
  const most = perRequest * DEVIATIONS_MAX * deviation;
  return beyond >= -most && beyond <= most + STARTUP_SPANS;
}

async function withTraceAgent<T>(use: (receiver: Receiver) => Promise<T>): Promise<T> {
  const agent = new Workload({ entry: 'children/trace-agent.ts', endsWithinMs: SERVICE_MS_MAX });
  try {
    const port = await agent.next<number>('listening');
    pin(agent.process.pid!, Core.others);
    return await use({
      environment: { DD_TRACE_AGENT_URL: `http://127.0.0.1:${port}`, DD_SERVICE: 'bench' },
      requireAll: requests =>
        require(async () => {
          agent.send('count');
          const { traces } = await agent.next<TraceCount>('counted');
          const expected = requests + STARTUP_TRACES;
          return traces === expected ? undefined : `${traces} of ${expected} traces arrived`;
        }),
    });
  } finally {
    await agent.kill();
  }
}
