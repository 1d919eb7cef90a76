// Which files to merge: many small ones of the same table and hour cost every query that looks at the hour.
import type { StoreFile } from './manifest.ts';

/** So many files of one level make one of the next: each row is written again once per level. */
export const FAN_IN = 8;
/** More bytes than this are not merged in one go. */
const MERGE_BYTES_MAX = 512 * 1024 * 1024;
/** A partition that got no rows for so long is taken to be complete, and becomes one file. */
const QUIET_MS = 3_600_000;

/** The next files to merge, of one table and partition; null when all is well. */
export function mergeable<File extends StoreFile>(
  files: readonly File[],
  now: number,
): readonly [File, ...File[]] | null {
  const partitions = Map.groupBy(files, file => `${file.table}/${file.partition}`);
  for (const together of partitions.values()) {
    const quiet = together.every(file => file.arrived <= now - QUIET_MS);
    const levels = Map.groupBy(together, file => file.level);
    const groups = quiet ? [together] : [...levels.values()].filter(level => level.length >= FAN_IN);
    for (const group of groups) {
      const fitting = smallestFirst(group);
      if (fitting.length > 1) return fitting as readonly File[] as readonly [File, ...File[]];
    }
  }
  return null;
}

function smallestFirst<File extends StoreFile>(files: readonly File[]): File[] {
  const fitting: File[] = [];
  let bytes = 0;
  for (const file of files.toSorted((a, b) => a.bytes - b.bytes)) {
    bytes += file.bytes;
    if (bytes > MERGE_BYTES_MAX) break;
    fitting.push(file);
  }
  return fitting;
}
