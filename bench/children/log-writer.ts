// Workload: pino lines with three fields under a sampled span, written to standard output: the null device.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { trace } from '@opentelemetry/api';
import type { Logger, pino as Pino } from 'pino';
import { type AgentName, startAgent } from '../agents/agent.ts';
import { inBursts } from '../pace.ts';
import { report, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';

export interface LogSettings {
  readonly agent: AgentName;
  /** A pino transport that also gets the lines, in its own thread. */
  readonly transport?: string;
  readonly warmUp: number;
  readonly lines: number;
  readonly burst: number;
}

const { agent: name, transport, warmUp, lines, burst } = settings<LogSettings>();
const agent = await startAgent(name);
// Loaded as CommonJS applications load it, which is what instrumentations of modules see without a loader.
const { pino } = createRequire(import.meta.url)('pino') as { pino: typeof Pino };

/** The logger, and how to have its lines delivered. */
function openLogger(): { logger: Logger; close(): Promise<unknown> } {
  if (transport === undefined) return { logger: pino(), close: async () => {} };
  const targets = [{ target: 'pino/file' }, { target: transport, options: { resourceAttributes: {} } }];
  const stream = pino.transport({ targets });
  const close = (): Promise<unknown> => {
    const closed = once(stream, 'close');
    stream.end();
    return closed;
  };
  return { logger: pino(stream), close };
}

const { logger, close } = openLogger();
const skus = ['brass-compass', 'field-notebook', 'sea-chart', 'antique-globe'];

function writeLine(number: number): void {
  logger.info({ sku: skus[number & 3], quantity: number & 7, tenant: 'acme' }, 'order placed');
}

await trace.getTracer('bench').startActiveSpan('bench', async span => {
  await inBursts(warmUp, burst, writeLine, agent.flush);
  const meter = new UsageMeter();
  await inBursts(lines, burst, writeLine, agent.flush);
  const usage = await meter.stop();
  span.end();
  await close();
  await agent.shutdown();
  report(perOperation(usage, lines));
});
