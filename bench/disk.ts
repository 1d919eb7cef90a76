// Where a benchmark of the disk writes: a folder on a real disk, and the name of its file system.
import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A mount, as a line of `/proc/mounts` tells it. */
interface Mount {
  readonly point: string;
  readonly type: string;
}

const MEMORY = new Set(['tmpfs', 'ramfs']);

/** Spaces and their like are octal in there. */
const plain = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The file system that a path lies on, by the text of `/proc/mounts`. */
export function fileSystemOf(path: string, mounts: string): string {
  const holds = ({ point }: Mount): boolean =>
    path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
  const holding = mounts
    .split('\n')
    .map(line => line.split(' '))
    .filter(fields => fields.length > 2)
    .map(([, point, type]): Mount => ({ point: plain(point!), type: type! }))
    .filter(holds);
  // Of several mounts at one point the last one is seen.
  const nearest = holding.reduce<Mount | undefined>(
    (best, mount) => (best === undefined || mount.point.length >= best.point.length ? mount : best),
    undefined,
  );
  return nearest?.type ?? 'unknown';
}

function mountsHere(): string {
  try {
    return readFileSync('/proc/mounts', 'utf8');
  } catch {
    return ''; // Another system than Linux.
  }
}

export interface BenchDisk {
  readonly folder: string;
  readonly fileSystem: string;
}

/** The system's folder for temporary files, or, where that is kept in memory, one beside the repository's builds. */
export function benchDisk(): BenchDisk {
  const beside = join(import.meta.dirname, 'dist');
  mkdirSync(beside, { recursive: true });
  const mounts = mountsHere();
  const disks = [tmpdir(), beside].map(path => {
    const folder = realpathSync(path);
    return { folder, fileSystem: fileSystemOf(folder, mounts) };
  });
  return disks.find(({ fileSystem }) => !MEMORY.has(fileSystem)) ?? disks[1]!;
}

/** Runs `use` with a folder on the disk, which is gone afterwards. */
export async function withFolder<T>(disk: BenchDisk, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(disk.folder, 'tricord-bench-'));
  try {
    return await use(folder);
  } finally {
    await remove(folder);
  }
}

/** A folder is gone for good when this resolves: whoever writes next does not pay for it. */
export async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const parent = await open(dirname(folder));
  await parent.sync();
  await parent.close();
}
