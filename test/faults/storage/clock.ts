// A real collector and a real agent whose wall clock is wrong, and is set while they run.
import { once } from 'node:events';
import { join } from 'node:path';
import { promise } from '../../collector/queue/breach.ts';
import { seededRandom } from '../../collector/queue/memory-disk.ts';
import type { Collector, FoundSpan } from '../../end-to-end/stack.ts';
import { FakeClock, millisecondsOf, type Offset } from './fake-clock.ts';
import { ObservedAgent } from './observed-agent.ts';
import type { Part, Tally } from './part.ts';
import { metric, promiseAnswers, promiseSoon, startCollector } from './real-collector.ts';
import { promiseStored, Senders } from './senders.ts';

/** The clock at the start, and what it is set to one after another. */
type Steps = readonly [Offset, ...Offset[]];

const steps: readonly Steps[] = [
  ['+0h', '+3d', '+0h'],
  ['+0h', '-1h', '+0h'],
  ['+3d', '+0h'],
  ['-3d', '+0h'],
];
const drawn: readonly Offset[] = ['-3d', '-1h', '+0h', '+1h', '+3d', '+8d'];
const drawnPoints = 8;
const drawnSteps = 6;

/**
 * Ages less than the clock is set by, and more than a point takes; and an exporter that leaves all in the queue, in segments
 * that are full before the clock is set.
 */
const settings = [
  'service.queue.max_age=1h',
  'service.queue.segment_size=4KiB',
  'exporters.store.retention.age=1h',
  'exporters.store.flush.interval=100ms',
  'exporters.otlp/away.endpoint=http://127.0.0.1:1',
  'service.pipelines.traces.exporters=[store, otlp/away]',
  'service.telemetry.logs.level=error',
];
const senderCount = 4;
const spanBytes = 100;
/** What is stored at each setting of the clock, at the least, and the times that the store looks for what is too old. */
const acknowledgedLeast = 50;
const flushesLeast = 3;
const toleranceMs = 1000;

export const part: Part = {
  processesOnly: true,
  async open(directory, seed, plant) {
    const tryAt = async (point: number): Promise<Tally> => {
      const [first, ...later] = steps[point] ?? stepsBy(seed + point);
      const clock = await FakeClock.at(join(directory, `clock-${point}`), first);
      const options = { dataDir: join(directory, `${point}`), plant, settings, env: clock.env };
      const since = performance.now();
      let collector = await startCollector(options);
      const agent = await ObservedAgent.start(collector, clock.env);
      const senders = new Senders(collector.endpoints.http, senderCount, spanBytes);
      try {
        await promiseUnmoved(collector, senders);
        for (const offset of later) {
          await clock.set(offset);
          await promiseUnmoved(collector, senders);
        }
        await senders.stop();
        const spans = await agent.stop(collector);
        promiseTimes(spans, [first, ...later].map(millisecondsOf), performance.now() - since);
        await promiseStored(senders, collector);
        collector.child.process.kill('SIGKILL');
        await once(collector.child.process, 'exit');
        const items = senders.acknowledged.length + spans.length;
        // What a clock that was behind has marked is too old for any that is right.
        if (millisecondsOf(first) < 0) return { faults: later.length, restarts: 0, items };
        collector = await startCollector(options);
        await promiseStored(senders, collector);
        return { faults: later.length, restarts: 1, items };
      } finally {
        agent.kill();
        collector.child.process.kill('SIGKILL');
      }
    };
    return { count: steps.length + drawnPoints, least: 2, tryAt, timeoutMs: 120_000 };
  },
};

function stepsBy(seed: number): Steps {
  const random = seededRandom(seed);
  const draw = (): Offset => drawn[Math.floor(random() * drawn.length)]!;
  return [draw(), ...Array.from({ length: drawnSteps }, draw), '+0h'];
}

/** Under this clock, too, everything is taken, and nothing that is there is given up. */
async function promiseUnmoved(collector: Collector, senders: Senders): Promise<void> {
  const flushes = (): Promise<number> => metric(collector, 'tricord_store_flushes_total');
  const taken = senders.acknowledged.length + acknowledgedLeast;
  const flushed = (await flushes()) + flushesLeast;
  const refusals = (): boolean => senders.refusals > 0;
  await promiseSoon('nothing is taken', () => refusals() || senders.acknowledged.length > taken);
  promise(!refusals(), 'stuck', 'refused, with room in the queue');
  await promiseSoon('the store does not flush', async () => (await flushes()) >= flushed);
  await promiseAnswers(collector);
  const { rows } = await collector.ledger();
  const dropped = rows.flatMap(row => Object.values(row.dropped)).reduce((sum, one) => sum + one, 0);
  promise(dropped === 0, 'lost', `${dropped} items dropped`);
}

/** Durations are what the monotonic clock says, and times are of a clock that there was. */
function promiseTimes(spans: readonly FoundSpan[], offsets: readonly number[], tookMs: number): void {
  const now = Date.now();
  const earliest = now - tookMs + Math.min(...offsets) - toleranceMs;
  const latest = now + Math.max(...offsets) + toleranceMs;
  for (const { name, startTimeUnixNano, endTimeUnixNano } of spans) {
    const start = Number(startTimeUnixNano) / 1e6;
    const duration = Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
    promise(duration >= 0 && duration <= tookMs, 'invented', `${name} took ${duration} ms`);
    promise(
      start >= earliest && start <= latest,
      'invented',
      `${name} began at ${new Date(start).toISOString()}`,
    );
  }
}
