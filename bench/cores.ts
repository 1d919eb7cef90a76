// Gives processes a core of their own, so that the one that is measured has a whole one and no more.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The service that is measured runs on the first core with all its threads; load and receivers share the second. */
export const Core = { service: 0, others: 1 } as const;

/** Whether {@link pin} does anything: Linux, with `taskset` and two cores. */
export const canPin: boolean = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Keeps a process, with all the threads that it has and will have, on one core; where that is possible. */
export function pin(pid: number, core: number): void {
  if (!canPin) return;
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
  if (status !== 0) throw new Error(`taskset failed: ${stderr}`);
}
