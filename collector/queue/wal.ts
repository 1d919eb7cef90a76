// Opens the queue of a directory: options, lock, recovery, cursors.
import { CursorFile } from './cursor.ts';
import { Horizon, instancesFor } from './dedup.ts';
import { nodeDisk } from './disk.ts';
import { type Cursor, DurableQueue, type Settings } from './durable-queue.ts';
import { origin } from './position.ts';
import type { Queue, QueueEvent, QueueOptions } from './queue.ts';
import { recover, refuseForeign, type Warn } from './recovery.ts';

const MIB = 1024 * 1024;

const defaults = {
  segmentBytes: 64 * MIB,
  bytesMax: 4096 * MIB,
  waitingBytesMax: 64 * MIB,
  hotBytesMax: 16 * MIB,
  fsync: 'always',
  fsyncIntervalMs: 200,
  disk: nodeDisk,
  onEvent: (_event: QueueEvent): void => undefined,
} as const;

/** Stream instances whose last sequence is remembered. */
const instancesMax = 65_536;
const segmentBytesMin = 4096;
const segmentBytesMax = 1024 * MIB;

/**
 * Opens the queue of a directory, after a crash too: undamaged records are all there.
 * @throws RangeError for options that contradict each other.
 * @throws Error that names the directory when it cannot be used, is in use, is no queue's, or of a newer version.
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const settings = settingsOf(options);
  const { disk, directory } = settings;
  await disk.makeDirectory(directory).catch(error => {
    throw new Error(`${directory} cannot be made: ${(error as Error).message}`, { cause: error });
  });
  await refuseForeign(disk, directory);
  const lock = disk.lock(directory);
  try {
    const warn: Warn = (message, error) => settings.onEvent({ level: 'warn', message, error });
    const horizon = new Horizon(instancesFor(settings.segmentBytes, instancesMax));
    const recovered = await recover(disk, directory, horizon, warn);
    const cursors = await loadCursors(settings, warn);
    return new DurableQueue(settings, lock, horizon, recovered, cursors);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function settingsOf(options: QueueOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings = { ...defaults, ...given } as Settings;
  const { segmentBytes, bytesMax } = settings;
  if (segmentBytes < segmentBytesMin || segmentBytes > segmentBytesMax) {
    throw new RangeError(`segmentBytes is ${segmentBytesMin} to ${segmentBytesMax}: ${segmentBytes}`);
  }
  if (segmentBytes * 4 > bytesMax) {
    throw new RangeError(`segmentBytes is at most a quarter of bytesMax: ${segmentBytes} of ${bytesMax}`);
  }
  return settings;
}

async function loadCursors(settings: Settings, warn: Warn): Promise<Cursor[]> {
  const cursors: Cursor[] = [];
  for (const name of settings.readers) {
    const file = new CursorFile(settings.disk, settings.directory, name);
    const position = await file.load();
    const damaged = position === undefined;
    if (damaged) warn(`the cursor of ${name} is damaged; it reads from the oldest record again`);
    cursors.push({ name, file, position: position ?? origin, damaged });
  }
  return cursors;
}
