// One thread of a part: plants the bug if there is one, loads the part, and tries its points one after another.
import { parentPort, workerData } from 'node:worker_threads';
import type { Breach, BreachKind } from '../../collector/queue/breach.ts';
import { plant } from '../plant.ts';
import type { LaneTask } from './lanes.ts';
import { noBreaches, type PartOutcome, type Points, Unavailable } from './part.ts';
import { parts } from './parts.ts';
import { plants } from './plants.ts';

/** After so many a part has shown what it has to show. */
const breachesMax = 20;
const pointMs = 60_000;

const task = workerData as LaneTask;
parentPort!.postMessage(await run());

async function run(): Promise<PartOutcome> {
  const { command, directory } = task;
  const planted = command.plant === undefined ? undefined : plant(plants[command.plant]!);
  const { part } = await parts[task.part]!();
  if (!part.processesOnly) planted?.();
  try {
    const points = await part.open(directory, command.seed, command.plant);
    return await tryAll(points);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const nothing = { points: 0, faults: 0, restarts: 0, items: 0 };
    return { ...nothing, breaches: noBreaches, examples: [], skipped: error.message };
  }
}

async function tryAll(points: Points): Promise<PartOutcome> {
  const breaches: Record<BreachKind, number> = { ...noBreaches };
  const examples: { point: number; message: string }[] = [];
  const total = { points: 0, faults: 0, restarts: 0, items: 0 };
  for (const point of chosen(points)) {
    total.points++;
    try {
      const { faults, restarts, items } = await guarded(points.tryAt(point), points.timeoutMs ?? pointMs);
      total.faults += faults;
      total.restarts += restarts;
      total.items += items;
    } catch (error) {
      breaches[kindOf(error)]++;
      examples.push({ point, message: (error as Error).message });
    }
    if (examples.length === breachesMax) break;
  }
  return { ...total, breaches, examples, skipped: undefined };
}

/** Of the points, spread evenly, as many as the budget allows; of these the ones that are this thread's. */
function* chosen({ count, least }: Points): Generator<number> {
  const { budget, point } = task.command;
  if (point !== undefined) {
    if (point >= count) throw new Error(`${task.part} has the points 0 to ${count - 1}`);
    return yield point;
  }
  const number = Math.min(count, Math.max(least, Math.ceil((count * budget) / 100)));
  for (let index = task.lane; index < number; index += task.lanes) yield Math.floor((index * count) / number);
}

/** Also fails on what nobody catches, and on what does not end. */
async function guarded<T>(result: Promise<T>, withinMs: number): Promise<T> {
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const deadline = setTimeout(() => reject(new Error(`not done within ${withinMs} ms`)), withinMs);
  process.on('uncaughtException', reject);
  try {
    return await Promise.race([result, broken]);
  } finally {
    clearTimeout(deadline);
    process.off('uncaughtException', reject);
  }
}

function kindOf(error: unknown): BreachKind {
  return (error as Partial<Breach>).kind ?? 'crashed';
}
