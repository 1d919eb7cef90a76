// Workload: spans as an HTTP instrumentation makes them, recorded or not, in bursts.
import { type AgentName, startAgent } from '../agents/agent.ts';
import { inBursts } from '../pace.ts';
import { report, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';
import { spanWork } from './span-work.ts';

export interface SpanSettings {
  readonly agent: AgentName;
  readonly warmUp: number;
  readonly spans: number;
  readonly burst: number;
}

const { agent: name, warmUp, spans, burst } = settings<SpanSettings>();
const agent = await startAgent(name);
const makeSpan = spanWork();

await inBursts(warmUp, burst, makeSpan, agent.flush);
const meter = new UsageMeter();
await inBursts(spans, burst, makeSpan, agent.flush);
const usage = await meter.stop();
await agent.shutdown();
report(perOperation(usage, spans));
