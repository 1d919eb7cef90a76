// What `tricord/register` does: starts the agent and instruments the application's libraries, once per thread.
import { createRequire } from 'node:module';
import { workerData } from 'node:worker_threads';
import { type Options, readableOptions, start, type Tricord } from '../index.ts';
import { beSilent, reportFault, tell } from './fault.ts';
import { installInstrumentations, selectedInstrumentations } from './installation.ts';
import { isSupportedNode, NODE_MIN } from './node-version.ts';

// Built, what it requires is in files beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

const REGISTERED = Symbol.for('tricord.registered');

/** Whatever fails here is told on one line of stderr, and the application runs as it would without us. */
export function register(): void {
  if (isPinoTransport() || !claim()) return;
  if (!isSupportedNode(process.versions.node)) {
    const { major, minor } = NODE_MIN;
    tell(`not started: Node.js ${major}.${minor} or later is needed, this is ${process.versions.node}.`);
    return;
  }
  const agent = started();
  if (agent === undefined) return;
  try {
    if (agent.options.logLevel === 'none') beSilent();
    if (agent.options.doctor) report(agent.options);
    const own = installInstrumentations(agent.options);
    const { otelInstrumentations } = agent.options;
    if (otelInstrumentations.length > 0) stock().installStockInstrumentations(otelInstrumentations, own);
  } catch (error) {
    reportFault('the start', error);
  }
}

function report(options: Readonly<Options>): void {
  const { reportStart } = require('./start-report.ts') as typeof import('./start-report.ts');
  reportStart(options);
}

const stock = (): typeof import('./stock.ts') => require('./stock.ts') as typeof import('./stock.ts');

/** Undefined where there is to be no agent, or can be none. */
function started(): Tricord | undefined {
  try {
    return start();
  } catch (error) {
    reportFault('the start', error);
    judgeNames();
    return undefined;
  }
}

/** Names of what is not installed, for want of an agent, may be wrong as well. */
function judgeNames(): void {
  const options = readableOptions();
  if (options === undefined || options.logLevel === 'none') return;
  selectedInstrumentations(options);
  if (options.otelInstrumentations.length > 0) stock().judgeStockNames(options.otelInstrumentations);
}

/** Threads inherit `--require`. One of thread-stream's only moves lines that the thread which logs them has seen. */
function isPinoTransport(): boolean {
  const data: unknown = workerData;
  return typeof data === 'object' && data !== null && 'dataBuf' in data && 'stateBuf' in data;
}

/** True for the first copy of this module in the thread, in whatever way and from wherever it was loaded. */
function claim(): boolean {
  const global = globalThis as { [REGISTERED]?: true };
  if (global[REGISTERED]) return false;
  global[REGISTERED] = true;
  return true;
}
