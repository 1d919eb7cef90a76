// A real collector whose every fsync stalls, with real senders and an agent that press on.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promise } from '../../collector/queue/breach.ts';
import type { Collector } from '../../end-to-end/stack.ts';
import { ObservedAgent } from './observed-agent.ts';
import type { Part, Tally } from './part.ts';
import { metric, promiseAnswers, promiseSoon, residentBytes, startCollector } from './real-collector.ts';
import { promiseStored, Senders } from './senders.ts';
import { stall } from './strace.ts';

const MIB = 1024 * 1024;

/** Seconds of each fsync, at the points. */
const stalls = [0.3, 1, 3, 10, 30] as const;
/** Several exporters, so that their cursors' fsyncs stand in all threads that Node.js has for files. */
const settings = [
  'exporters.debug/one=',
  'exporters.debug/two=',
  'service.pipelines.traces.exporters=[store, debug/one, debug/two]',
  'service.telemetry.logs.level=warn',
];
const requestBytesMax = 2 * MIB;
/** Together they would hold more than that. */
const senderCount = 64;
const spanBytes = 16 * 1024;
/** What the process may take beside the requests: as they are allowed once in front of the queue and once in it, and garbage. */
const growthMax = 2 * requestBytesMax + 128 * MIB;
const lookMs = 100;
const clockErrorMs = 1;

export const part: Part = {
  processesOnly: true,
  async open(directory, _seed, plant) {
    const tryAt = async (point: number): Promise<Tally> => {
      const options = { dataDir: join(directory, `${point}`), plant };
      const collector = await startCollector({
        ...options,
        settings: [...settings, `service.requests.max_size=${requestBytesMax}`],
      });
      const agent = await ObservedAgent.start(collector);
      const senders = new Senders(collector.endpoints.http, senderCount, spanBytes);
      try {
        await promiseSoon('nothing is taken', () => senders.acknowledged.length > senderCount);
        await pressOn(collector, senders, stalls[point]!);
        const before = senders.acknowledged.length;
        await promiseSoon(
          'nothing is taken any more',
          () => senders.acknowledged.length > before + senderCount,
        );
        await senders.stop();
        const spans = await agent.stop(collector);
        const items = (await promiseStored(senders, collector)) + spans.length;
        await collector.ledger();
        return { faults: 1, restarts: 0, items };
      } finally {
        agent.kill();
        collector.child.process.kill('SIGKILL');
      }
    };
    return { count: stalls.length, least: 1, tryAt, timeoutMs: 180_000 };
  },
};

/** Stalls until something that was sent meanwhile is acknowledged, and looks at what is promised until then. */
async function pressOn(collector: Collector, senders: Senders, seconds: number): Promise<void> {
  const residentBefore = await residentBytes(collector);
  const stalled = await stall(collector.child.process.pid!, seconds);
  const since = performance.now();
  const meanwhile = () => senders.acknowledged.filter(({ sentAt }) => sentAt > since);
  while (meanwhile().length === 0 && collector.child.running) {
    await promiseAnswers(collector);
    const held = await metric(collector, 'tricord_requests_bytes');
    promise(held <= requestBytesMax, 'unbounded', `${held} bytes of requests`);
    const growth = (await residentBytes(collector)) - residentBefore;
    promise(growth <= growthMax, 'unbounded', `${Math.round(growth / MIB)} MiB more memory`);
    await delay(lookMs);
  }
  // Before the end of the stalls, which lets those that are under way go on at once.
  const shortest = Math.min(...meanwhile().map(({ sentAt, answeredAt }) => answeredAt - sentAt));
  await stalled.end();
  promise(collector.child.running, 'crashed', collector.child.tail());
  const told = `acknowledged after ${Math.round(shortest)} ms, with an fsync of ${seconds} s`;
  promise(shortest >= seconds * 1000 - clockErrorMs, 'early', told);
  promise(senders.refusals > 0, 'unbounded', 'nobody was told to come later');
}
