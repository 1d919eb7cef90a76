// Opens the queue of a directory: options, lock, recovery, cursors.
import { queueBounds, segmentBytesFor } from './bounds.ts';
import { CursorFile } from './cursor.ts';
import { Horizon, instancesFor } from './dedup.ts';
import { nodeDisk } from './disk.ts';
import { type Cursor, DurableQueue, type Settings } from './durable-queue.ts';
import { origin } from './position.ts';
import type { Queue, QueueEvent, QueueOptions } from './queue.ts';
import { recover, refuseForeign, type Warn } from './recovery.ts';

const MIB = 1024 * 1024;

const defaults = {
  bytesMax: queueBounds.bytes_default,
  waitingBytesMax: 64 * MIB,
  hotBytesMax: 32 * MIB,
  ageMaxMs: Number.POSITIVE_INFINITY,
  whenFull: 'refuse',
  fsync: 'always',
  fsyncIntervalMs: 200,
  disk: nodeDisk,
  onEvent: (_event: QueueEvent): void => undefined,
} as const;

/** Stream instances whose last sequence is remembered. */
const instancesMax = 65_536;

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
  const segments = { segmentBytes: segmentBytesFor(options.bytesMax ?? defaults.bytesMax) };
  const settings = { ...defaults, ...segments, ...given } as Settings;
  const { segmentBytes, bytesMax, waitingBytesMax, hotBytesMax, fsyncIntervalMs } = settings;
  const { segment_bytes_min, segment_bytes_max, segments_min } = queueBounds;
  checkBounds('segmentBytes', segmentBytes, segment_bytes_min, segment_bytes_max);
  checkBounds('bytesMax', bytesMax, segments_min * segmentBytes, Number.MAX_SAFE_INTEGER);
  if (settings.ageMaxMs !== defaults.ageMaxMs)
    checkBounds('ageMaxMs', settings.ageMaxMs, 1, Number.MAX_SAFE_INTEGER);
  checkBounds('waitingBytesMax', waitingBytesMax, 1, Number.MAX_SAFE_INTEGER);
  checkBounds('hotBytesMax', hotBytesMax, 0, Number.MAX_SAFE_INTEGER);
  checkBounds('fsyncIntervalMs', fsyncIntervalMs, 1, 2 ** 31 - 1);
  return settings;
}

function checkBounds(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} of the queue is ${least} to ${most}, not ${value}`);
  }
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
