// Goes through the points of a part in two threads, and adds up what they found.
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Command } from '../scenario.ts';
import { noBreaches, type PartOutcome } from './part.ts';

const lanes = 2;
const examplesMax = 3;

/** What a thread is told: of all points it tries every `lanes`th, from the `lane`th on. */
export interface LaneTask {
  readonly part: string;
  readonly directory: string;
  readonly command: Command;
  readonly lane: number;
  readonly lanes: number;
}

/** @throws Error when the part cannot be tried at all, which says nothing about the promises */
export async function runPart(part: string, command: Command): Promise<PartOutcome> {
  const base = await mkdtemp(join(tmpdir(), 'tricord-faults-'));
  try {
    const count = command.point === undefined ? lanes : 1;
    const tasks = Array.from({ length: count }, (_, lane) => {
      return { part, directory: join(base, `${lane}`), command, lane, lanes: count };
    });
    return (await Promise.all(tasks.map(runLane))).reduce(sum);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function runLane(task: LaneTask): Promise<PartOutcome> {
  await mkdir(task.directory);
  const worker = new Worker(new URL('./lane-worker.ts', import.meta.url), { workerData: task });
  const ended = once(worker, 'exit').then(() => {
    throw new Error(`${task.part}: the thread has ended without a result`);
  });
  const [outcome] = await Promise.race([once(worker, 'message'), ended]);
  await worker.terminate();
  return outcome as PartOutcome;
}

function sum(one: PartOutcome, other: PartOutcome): PartOutcome {
  const breaches = { ...noBreaches };
  for (const { breaches: counts } of [one, other]) {
    for (const kind of Object.keys(breaches) as (keyof typeof breaches)[]) breaches[kind] += counts[kind];
  }
  return {
    points: one.points + other.points,
    faults: one.faults + other.faults,
    restarts: one.restarts + other.restarts,
    items: one.items + other.items,
    breaches,
    examples: [...one.examples, ...other.examples].sort((a, b) => a.point - b.point).slice(0, examplesMax),
    skipped: one.skipped ?? other.skipped,
  };
}
