// What `tricord/register` does: starts the agent and instruments the application's libraries, once per thread.
import { workerData } from 'node:worker_threads';
import { readableOptions, start, type Tricord } from '../index.ts';
import { beSilent, reportFault, tell } from './fault.ts';
import { installInstrumentations, selectedInstrumentations } from './installation.ts';
import { isSupportedNode, NODE_MIN } from './node-version.ts';
import { reportStart } from './start-report.ts';
import { installStockInstrumentations, judgeStockNames } from './stock.ts';

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
    if (agent.options.doctor) reportStart(agent.options);
    const own = installInstrumentations(agent.options);
    installStockInstrumentations(agent.options.otelInstrumentations, own);
  } catch (error) {
    reportFault('the start', error);
  }
}

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
  judgeStockNames(options.otelInstrumentations);
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
