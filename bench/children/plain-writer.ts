// Workload: a plain loop that appends to one file, each write followed by an fdatasync before the next one.
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { settings } from '../parent.ts';
import { inTurns } from './disk-turns.ts';
import { exportRequest } from './stream-request.ts';

export interface PlainSettings {
  readonly folder: string;
  /** Bytes of one write, about. */
  readonly bytes: number;
  readonly slices: number;
  /** Whether the thread stands still for each call, or has them made by the runtime's threads, as the queue does. */
  readonly blocking: boolean;
}

const { folder, bytes, slices, blocking } = settings<PlainSettings>();
const request = exportRequest(bytes);
const path = join(folder, 'plain');

interface Loop {
  readonly append: () => Promise<void>;
  readonly close: () => Promise<void>;
}

function blockingLoop(): Loop {
  const file = openSync(path, 'wx');
  const append = async (): Promise<void> => {
    const written = writeSync(file, request.bytes);
    if (written !== request.bytes.length) throw new Error(`a write of ${written} bytes`);
    fdatasyncSync(file);
  };
  return { append, close: async () => closeSync(file) };
}

async function threadedLoop(): Promise<Loop> {
  const file = await open(path, 'wx');
  const append = async (): Promise<void> => {
    const { bytesWritten } = await file.write(request.bytes);
    if (bytesWritten !== request.bytes.length) throw new Error(`a write of ${bytesWritten} bytes`);
    await file.datasync();
  };
  return { append, close: () => file.close() };
}

const { append, close } = blocking ? blockingLoop() : await threadedLoop();
await inTurns(slices, { request, producers: 1, append, close: () => close().then(() => ({})) });
