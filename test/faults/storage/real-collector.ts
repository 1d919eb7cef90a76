// A real collector from the sources, as a process whose disk, clock or limits are worked on from outside.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../../../scripts/child.ts';
import { promise } from '../../collector/queue/breach.ts';
import { Collector, type Endpoints, eventually } from '../../end-to-end/stack.ts';
import { root } from '../../source-tree.ts';

const main = fileURLToPath(new URL('./collector-child.ts', import.meta.url));
const readyWithinMs = 30_000;
/** How long anybody waits for the page, whatever the disk does. */
const patienceMs = 5000;

export interface RealCollectorOptions {
  readonly dataDir: string;
  readonly plant: string | undefined;
  readonly files?: readonly string[];
  /** As `--set` takes them. */
  readonly settings?: readonly string[];
  readonly through?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listened before. */
  readonly at?: Partial<Endpoints>;
}

export async function startCollector(options: RealCollectorOptions): Promise<Collector> {
  const { dataDir, plant = '', files = [], settings = [], through = [], env = {}, at = {} } = options;
  const free = '127.0.0.1:0';
  const all = [
    `receivers.otlp.protocols.grpc.endpoint=${at.grpc ?? free}`,
    `receivers.otlp.protocols.http.endpoint=${at.http ?? free}`,
    `service.web.endpoint=${at.web ?? free}`,
    ...settings,
  ];
  const child = await Child.start({
    name: 'collector',
    cwd: root,
    args: [
      ...['--disable-warning=ExperimentalWarning', '--conditions=source'],
      ...[main, plant, '--data-dir', dataDir],
      ...files.flatMap(file => ['--config', file]),
      ...all.flatMap(setting => ['--set', setting]),
    ],
    through,
    env,
    ready: /"msg":"ready"/,
    readyWithinMs,
  });
  return new Collector(child);
}

/** Bytes of memory that the process has now. */
export async function residentBytes({ child }: Collector): Promise<number> {
  const status = await readFile(`/proc/${child.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

export async function metric(collector: Collector, series: string): Promise<number> {
  const text = await (await fetch(`${collector.url}/metrics`)).text();
  const line = text.split('\n').find(each => each.startsWith(`${series} `));
  promise(line !== undefined, 'crashed', `the collector does not count ${series}`);
  return Number(line.slice(series.length + 1));
}

/** @throws Breach unless health, ledger and page are there, soon */
export async function promiseAnswers(collector: Collector): Promise<void> {
  for (const path of ['/healthz', '/ledger', '/']) {
    const signal = AbortSignal.timeout(patienceMs);
    const asked = fetch(`${collector.url}${path}`, { signal, headers: { accept: 'application/json' } });
    const status = await asked.then(
      async response => {
        await response.arrayBuffer();
        return response.status;
      },
      error => (error as Error).message,
    );
    promise(typeof status === 'number' && status < 500, 'stuck', `${path} answers ${status}`);
  }
}

/** @throws Breach when it does not come about */
export async function promiseSoon(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  try {
    await eventually(async () => {
      if (!(await holds())) throw new Error(what);
    });
  } catch (error) {
    promise(false, 'stuck', (error as Error).message);
  }
}
