// The contestants of `wal` that append to the disk: our queue, and plain loops of the same sizes.
import type { PlainSettings } from './children/plain-writer.ts';
import type { QueueSettings } from './children/queue-appender.ts';
import { type BenchDisk, remove, withFolder } from './disk.ts';
import { type Contestant, type Figures, requireDelivered } from './scenario.ts';
import type { Turn } from './turns.ts';
import { Workload } from './workload.ts';

const KIB = 1024;
/** Bytes of a batch, about. */
export const sizes: readonly number[] = [4 * KIB, 64 * KIB, 512 * KIB];
/** Requests that receivers have under way in the queue at a time. */
export const PRODUCERS = 16;

const SLICES = 6;
const SLICE_MS = 250;

export const nameOf = (what: string, bytes: number): string => `${bytes / KIB} KiB: ${what}`;
export const group = (fsync: QueueSettings['fsync']): string => `queue, ${fsync}, ${PRODUCERS} producers`;
export const alone = 'queue, always, 1 producer';
export const plain = 'plain loop';
export const blocking = 'plain loop, blocking';

type SettingsIn<T> = Omit<T, 'folder' | 'bytes' | 'slices'>;

/** Those of one size that sync each time stand side by side, and work in turns of a quarter of a second. */
export function appenders(disk: BenchDisk): Contestant[] {
  return sizes.flatMap(bytes => {
    const heat = `${bytes / KIB} KiB`;
    const queue = (name: string, settings: SettingsIn<QueueSettings>): Contestant => ({
      name: nameOf(name, bytes),
      // Without an fsync the kernel writes when it likes, and would do so in the others' turns.
      ...(settings.fsync === 'always' && { heat }),
      measure: turn => measure('children/queue-appender.ts', disk, { ...settings, bytes }, turn),
    });
    const loop = (name: string, settings: SettingsIn<PlainSettings>): Contestant => ({
      ...{ name: nameOf(name, bytes), heat },
      measure: turn => measure('children/plain-writer.ts', disk, { ...settings, bytes }, turn),
    });
    return [
      loop(blocking, { blocking: true }),
      loop(plain, { blocking: false }),
      queue(alone, { producers: 1, fsync: 'always' }),
      queue(group('always'), { producers: PRODUCERS, fsync: 'always' }),
      queue(group('interval'), { producers: PRODUCERS, fsync: 'interval' }),
      queue(group('never'), { producers: PRODUCERS, fsync: 'never' }),
    ];
  });
}

function measure(entry: string, disk: BenchDisk, settings: object, turn: Turn): Promise<Figures> {
  return withFolder(disk, async folder => {
    const workload = new Workload({ entry, settings: { ...settings, folder, slices: SLICES } });
    try {
      await workload.next('ready');
      for (let slice = 0; slice < SLICES; slice++) {
        await turn.take(async () => {
          workload.send('turn', SLICE_MS);
          await workload.next('turned');
        });
      }
      // When this turn comes, the others' slices are over: what it costs the disk to forget the files disturbs nobody.
      return await turn.take(() => ended(workload, folder));
    } finally {
      await workload.kill();
    }
  });
}

async function ended(workload: Workload, folder: string): Promise<Figures> {
  const { appended, read, ...figures } = await workload.next<Figures>('figures');
  await workload.ended();
  if (appended !== undefined) requireDelivered('batches', appended, read!);
  await remove(folder);
  return figures;
}
