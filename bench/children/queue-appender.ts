// Workload: producers that offer batches to the collector's queue, each the next one when the last is acknowledged.
import { join } from 'node:path';
import type { FsyncMode, Reader } from '../../collector/queue/queue.ts';
import { openQueue } from '../../collector/queue/wal.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { settings } from '../parent.ts';
import { inTurns } from './disk-turns.ts';
import { exportRequest } from './stream-request.ts';

export interface QueueSettings {
  readonly folder: string;
  /** Bytes of one batch, about. */
  readonly bytes: number;
  readonly slices: number;
  readonly producers: number;
  readonly fsync: FsyncMode;
}

const READ_BYTES_MAX = 4 * 1024 * 1024;

const { folder, bytes, slices, producers, fsync } = settings<QueueSettings>();
const request = exportRequest(bytes);
const queue = await openQueue({ directory: join(folder, 'wal'), readers: ['reader'], fsync });
const stop = new AbortController();

/** Reads and settles as an exporter does that is never behind; resolves with how many batches there were. */
async function readAll(reader: Reader): Promise<number> {
  for (let count = 0; ; ) {
    const batches = await reader.read(READ_BYTES_MAX, stop.signal);
    if (batches.length === 0) return count;
    count += batches.length;
    reader.done(batches.at(-1)!.position);
  }
}

const reading = readAll(queue.reader('reader'));
let appended = 0;

async function append(): Promise<void> {
  await queue.offer({ signal: Signal.traces, payload: request.bytes, items: request.items, source: 'otlp' });
  appended++;
}

async function close(): Promise<{ appended: number; read: number }> {
  stop.abort();
  const read = await reading;
  await queue.close();
  return { appended, read };
}

await inTurns(slices, { request, producers, append, close });
