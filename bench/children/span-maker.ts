// Workload: spans as an HTTP instrumentation makes them, recorded or not, in bursts, when its turn has come.
import { type AgentName, startAgent } from '../agents/agent.ts';
import { inBursts } from '../pace.ts';
import { heard, report, say, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';
import { spanWork } from './span-work.ts';

export interface SpanSettings {
  readonly agent: AgentName;
  readonly turns: number;
  /** The first turns, which are not measured. */
  readonly warmUps: number;
  /** In one turn. */
  readonly spans: number;
  readonly burst: number;
}

const { agent: name, turns, warmUps, spans, burst } = settings<SpanSettings>();
const agent = await startAgent(name);
const makeSpan = spanWork();

async function takeTurn(): Promise<void> {
  await heard('turn');
  await inBursts(spans, burst, makeSpan, agent.flush);
  say('taken');
}

for (let taken = 0; taken < warmUps; taken++) await takeTurn();
const meter = new UsageMeter();
for (let taken = warmUps; taken < turns; taken++) await takeTurn();
const usage = await meter.stop();
await agent.shutdown();
report(perOperation(usage, (turns - warmUps) * spans));
