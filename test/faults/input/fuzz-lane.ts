// Runs a thread that fuzzes, and watches it from outside: one that never comes back, or dies, is a finding like any other.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Command } from '../scenario.ts';
import { Board, type Finding, type FuzzOutcome, limitMsOf, shown } from './fuzz.ts';

/** What each decoder gets on a whole budget. */
const RUN_MS = 240_000;
const EXECUTIONS_LEAST = 300;
const HEAP_MB_MAX = 1024;
/** How often it is looked whether the thread still gets on, and how far over its bound an input must be by then. */
const LOOK_MS = 500;
const PATIENCE_MS = 1500;

const nothing = { executions: 0, read: 0, corpus: 0, blocks: 0, knownBlocks: 0, slowestMs: 0 };

export async function fuzz(decoder: string, command: Command): Promise<FuzzOutcome> {
  const memory = Board.memory();
  const board = new Board(memory);
  const runMs = (RUN_MS * command.budget) / 100;
  const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url), {
    workerData: { decoder, command, runMs, least: EXECUTIONS_LEAST, board: memory },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  const found = (kind: Finding['kind'], why: string): FuzzOutcome => {
    const message = `${why} for ${shown(board.input)}`;
    return { ...nothing, executions: board.point + 1, findings: [{ kind, point: board.point, message }] };
  };
  const { promise: hung, stop } = hangs(board);
  const died = once(worker, 'error').then(([error]) => {
    // What is thrown while nothing is read is a mistake of the tool.
    if (board.turn % 2 === 0) throw error as Error;
    const isMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
    return found(isMemory ? 'grew' : 'crashed', String(error));
  });
  const done = once(worker, 'message').then(([outcome]) => outcome as FuzzOutcome);
  for (const each of [died, done]) each.catch(() => undefined);
  try {
    return await Promise.race([done, died, hung.then(ms => found('hung', `more than ${ms} ms`))]);
  } finally {
    stop();
    await worker.terminate();
  }
}

/** Resolves with a time that an input has had when it has had far too much. */
function hangs(board: Board): { readonly promise: Promise<number>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<number>();
  let turn = board.turn;
  let since = performance.now();
  const timer = setInterval(() => {
    if (board.turn !== turn || turn % 2 === 0) {
      turn = board.turn;
      since = performance.now();
      return;
    }
    const most = limitMsOf(board.input) + PATIENCE_MS;
    if (performance.now() - since > most) resolve(most);
  }, LOOK_MS);
  return { promise, stop: () => clearInterval(timer) };
}
