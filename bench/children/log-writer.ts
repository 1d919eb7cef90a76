// Workload: pino lines with three fields under a sampled span, written to standard output: the null device.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
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
  /** Where nothing is delivered: how long it rests between bursts. */
  readonly restMs?: number;
}

const TRANSPORT_LOADS_MS = 3000;
const TRANSPORT_SETTLES_MS = 250;

const { agent: name, transport, warmUp, lines, burst, restMs } = settings<LogSettings>();
const agent = await startAgent(name);
// Loaded as CommonJS applications load it, which is what instrumentations of modules see without a loader.
const { pino } = createRequire(import.meta.url)('pino') as { pino: typeof Pino };

interface OpenLogger {
  readonly logger: Logger;
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
}

async function openLogger(): Promise<OpenLogger> {
  if (transport === undefined) {
    const flush = restMs === undefined ? agent.flush : (): Promise<void> => delay(restMs);
    return { logger: pino(), flush, close: agent.shutdown };
  }
  const stream = pino.transport({ targets: [{ target: 'pino/file' }, { target: transport }] });
  await delay(TRANSPORT_LOADS_MS);
  // Nothing but time tells when a transport is ready or has delivered: what it sends late is dropped, and the run is void.
  const flush = (): Promise<void> => delay(TRANSPORT_SETTLES_MS);
  const close = async (): Promise<void> => {
    // Its thread does not keep the process alive.
    const alive = setInterval(() => {}, 1000);
    stream.end();
    await once(stream, 'close');
    clearInterval(alive);
  };
  return { logger: pino(stream), flush, close };
}

const { logger, flush, close } = await openLogger();
const skus = ['brass-compass', 'field-notebook', 'sea-chart', 'antique-globe'];

function writeLine(number: number): void {
  logger.info({ sku: skus[number & 3], quantity: number & 7, tenant: 'acme' }, 'order placed');
}

await trace.getTracer('bench').startActiveSpan('bench', async span => {
  await inBursts(warmUp, burst, writeLine, flush);
  const meter = new UsageMeter();
  await inBursts(lines, burst, writeLine, flush);
  const usage = await meter.stop();
  span.end();
  await close();
  report(perOperation(usage, lines));
});
