// Workload: spans at a steady rate, while the delay of the event loop is watched.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type AgentName, startAgent } from '../agents/agent.ts';
import { atRate } from '../pace.ts';
import { report, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';
import { spanWork } from './span-work.ts';

export interface RateSettings {
  readonly agent: AgentName;
  readonly warmUp: number;
  readonly spans: number;
  readonly perSecond: number;
}

const RESOLUTION_MS = 1;

const { agent: name, warmUp, spans, perSecond } = settings<RateSettings>();
const agent = await startAgent(name);
const makeSpan = spanWork();

await atRate(warmUp, perSecond, makeSpan);
const meter = new UsageMeter();
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
await atRate(spans, perSecond, makeSpan);
delay.disable();
const usage = await meter.stop();
await agent.flush().catch(() => {});
await agent.shutdown().catch(() => {});
const ms = (nanoseconds: number): number => nanoseconds / 1e6;
report({
  ...perOperation(usage, spans),
  delayP50Ms: ms(delay.percentile(50)),
  delayP99Ms: ms(delay.percentile(99)),
  delayMaxMs: ms(delay.max),
});
