// The bugs that the storage scenario must find, as changes of the queue's sources.
import type { Edit } from '../plant.ts';

export const plants: Readonly<Record<string, readonly Edit[]>> = {
  /** The fsync comes, but nobody waits for it. */
  'ack-before-fsync': [
    {
      file: 'collector/queue/log.ts',
      text: `if (this.#options.fsync === 'always') await this.flush();`,
      instead: `if (this.#options.fsync === 'always') void this.flush().catch(() => undefined);`,
    },
  ],
  /** Whatever has a record's marker is believed. */
  'no-crc': [
    {
      file: 'collector/queue/record.ts',
      text: 'if (source.readUInt32LE(at + 4) !== headerCrc(source, at, offset)) return undefined;',
      instead: '',
    },
    { file: 'collector/queue/scan.ts', text: 'crc32(body) !== header.bodyCrc', instead: 'false' },
  ],
  /** A batch that comes again is appended again. */
  'no-dedup': [
    {
      file: 'collector/queue/durable-queue.ts',
      text: `origin === undefined ? 'new' : this.#horizon.state(origin)`,
      instead: `'new' as string`,
    },
  ],
  /** A failed fsync is tried again, and what it then says is believed. */
  'trust-failed-fsync': [
    {
      file: 'collector/queue/log.ts',
      text: 'await writer.sync();',
      instead: 'await writer.sync().catch(() => writer.sync());',
    },
  ],
  /** What an older segment has left in a file looks like a part of the newer one. */
  'one-marker': [
    {
      file: 'collector/queue/log.ts',
      text: 'marker: this.#markerOf(this.#nextNumber)',
      instead: 'marker: this.#markerOf(1)',
    },
  ],
  /** How long a batch has waited is what the wall clock says. */
  'age-by-wall-clock': [
    {
      file: 'collector/queue/log.ts',
      text: 'segment.lastAt = performance.now();',
      instead: 'segment.lastAt = Date.now();',
    },
    {
      file: 'collector/queue/durable-queue.ts',
      text: 'performance.now() - oldest.lastAt',
      instead: 'Date.now() - oldest.lastAt',
    },
  ],
};
