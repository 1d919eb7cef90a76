// Which files have to go: those that are too old, then the oldest until the rest fits.
import type { StoreFile } from './manifest.ts';
import { tables } from './tables.ts';

export interface Retention {
  /** Files whose latest row arrived longer ago than this are dropped. */
  readonly ageMs: number;
  /** Bytes of all files together. */
  readonly bytes: number;
}

/**
 * Age counts from arrival, not from the rows' own times: old data that is brought in stays as long as new data does.
 * Bytes are brought down hour by hour, within an hour in the order of arrival over all signals, so that what is left
 * belongs together; an hour's dictionaries go last, because the rows point to them.
 */
export function expired<File extends StoreFile>(
  files: readonly File[],
  retention: Retention,
  now: number,
): Set<File> {
  const gone = new Set(files.filter(file => file.arrived < now - retention.ageMs));
  const kept = files.filter(file => !gone.has(file)).sort(oldestFirst);
  let bytes = kept.reduce((sum, file) => sum + file.bytes, 0);
  for (const file of kept) {
    if (bytes <= retention.bytes) break;
    gone.add(file);
    bytes -= file.bytes;
  }
  return gone;
}

function oldestFirst(a: StoreFile, b: StoreFile): number {
  return (
    Math.abs(a.partition) - Math.abs(b.partition) ||
    Number(tables[a.table].dictionary) - Number(tables[b.table].dictionary) ||
    a.arrived - b.arrived
  );
}
