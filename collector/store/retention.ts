// Which files have to go: those that are too old, then the oldest hours until the rest fits.
import type { StoreFile } from './manifest.ts';

export interface Retention {
  /** Files whose latest row arrived longer ago than this are dropped. */
  readonly ageMs: number;
  /** Bytes of all files together. */
  readonly bytes: number;
}

/**
 * Age counts from arrival, not from the rows' own times: old data that is brought in stays as long as new data does.
 * Bytes are brought down by whole hours over all signals, so that what is left still belongs together.
 */
export function expired<File extends StoreFile>(
  files: readonly File[],
  retention: Retention,
  now: number,
): Set<File> {
  const gone = new Set(files.filter(file => file.arrived < now - retention.ageMs));
  const hours = Map.groupBy(
    files.filter(file => !gone.has(file)),
    file => Math.abs(file.partition),
  );
  let bytes = files.reduce((sum, file) => (gone.has(file) ? sum : sum + file.bytes), 0);
  for (const hour of [...hours.keys()].sort((a, b) => a - b)) {
    if (bytes <= retention.bytes) break;
    for (const file of hours.get(hour)!) {
      gone.add(file);
      bytes -= file.bytes;
    }
  }
  return gone;
}
