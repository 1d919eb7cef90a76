// Temporary directories and batches for the queue's tests.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Batch, QueuedBatch } from '../../../collector/component.ts';
import type { Queue, QueueEvent, QueueOptions, Reader } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';

export const readerName = 'store';

/** How what the test has opened is closed: before its directories are removed. */
const opened = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** An empty directory that is gone after the test. */
export async function scratchDirectory(test: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tricord-queue-'));
  test.after(async () => {
    await closeQueues(test);
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

export async function closeQueues(test: TestContext): Promise<void> {
  for (const close of opened.get(test) ?? []) await close();
}

/** Closes it before the test's directories are removed. */
export function closedInTime(test: TestContext, close: () => Promise<void>): void {
  opened.set(test, [...(opened.get(test) ?? []), close]);
}

/** Opens a queue with one reader; closed before the test's directories are removed, if the test has not done it. */
export async function openScratch(
  test: TestContext,
  directory: string,
  options: Partial<QueueOptions> = {},
): Promise<Queue> {
  const queue = await openQueue({ directory, readers: [readerName], ...options });
  closedInTime(test, () => queue.close());
  return queue;
}

/** A batch whose payload is the text: recognisable after any damage. */
export function batchOf(text: string, more: Partial<Batch> = {}): Batch {
  return { signal: 1, payload: Buffer.from(text), items: 1, ...more };
}

export function instance(fill: number): Uint8Array {
  return new Uint8Array(16).fill(fill);
}

export function textOf(batch: QueuedBatch): string {
  return Buffer.from(batch.payload).toString();
}

/** The next `count` batches. */
export async function readExactly(reader: Reader, count: number, bytesMax = 1 << 20): Promise<QueuedBatch[]> {
  const batches: QueuedBatch[] = [];
  while (batches.length < count) batches.push(...(await reader.read(bytesMax, AbortSignal.timeout(10_000))));
  return batches;
}

/** All that is readable now: an offer that is recognised at the end marks where to stop. */
export async function readAll(queue: Queue, name: string = readerName): Promise<QueuedBatch[]> {
  const marker = `end-${randomUUID()}`;
  await queue.offer(batchOf(marker));
  const reader = queue.reader(name);
  const batches: QueuedBatch[] = [];
  for (;;) {
    const read = await reader.read(1 << 20, AbortSignal.timeout(10_000));
    if (read.length === 0) throw new Error('the marker did not arrive');
    batches.push(...read);
    if (textOf(batches.at(-1)!) === marker) return batches.slice(0, -1);
  }
}

/** Collects events. */
export function eventLog(): { readonly events: QueueEvent[]; readonly onEvent: (event: QueueEvent) => void } {
  const events: QueueEvent[] = [];
  return { events, onEvent: event => events.push(event) };
}
