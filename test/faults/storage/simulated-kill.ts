// Kills a process at one operation of a simulated disk, which forgets nothing of what it was told.
import type { MemoryDisk } from '../../collector/queue/memory-disk.ts';

/** Whether the life on the disk has come to its operation `at`, counted from 0, and ended there. */
export async function isKilledAt(disk: MemoryDisk, at: number, live: () => Promise<void>): Promise<boolean> {
  let left = at;
  disk.fault = () => (left-- === 0 ? 'crash' : undefined);
  return await Promise.race([live().then(() => false), disk.crashed.then(() => true)]);
}
