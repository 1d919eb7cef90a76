// The file of a segment that is settled becomes that of a later one, and what it held is never seen again.
import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Queue } from '../../../collector/queue/queue.ts';
import { spareName } from '../../../collector/queue/spare.ts';
import { MemoryDisk } from './memory-disk.ts';
import {
  batchOf,
  openScratch,
  readAll,
  readExactly,
  readerName,
  scratchDirectory,
  textOf,
} from './scratch.ts';

const small = { segmentBytes: 4096, bytesMax: 24_576 } as const;

/** Offers batches of a kilobyte, each settled as soon as it is read; and waits until the segments before the newest are gone. */
async function passOn(queue: Queue, count: number, look?: () => Promise<void>): Promise<void> {
  const reader = queue.reader(readerName);
  for (let index = 0; index < count; index++) {
    await queue.offer(batchOf(`passed ${index}`.padEnd(1000)));
    const [batch] = await readExactly(reader, 1);
    reader.done(batch!.position);
    while (queue.stats().bytes > small.segmentBytes) await new Promise(setImmediate);
    await look?.();
  }
}

const segmentsIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter(name => name.endsWith('.wal'));

describe('the spare segment file', () => {
  it('is used again, so that a log that moves on needs two files', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, small);
    const files = new Set<number>();
    const names = new Set<string>();
    await passOn(queue, 30, async () => {
      for (const name of await segmentsIn(directory)) {
        names.add(name);
        files.add((await stat(join(directory, name))).ino);
      }
    });
    assert.ok(names.size >= 9, `${names.size} segments`);
    assert.equal(files.size, 2);
  });

  it('leaves nothing of its own behind the end when the process ends in order, nor a file', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, small);
    await passOn(queue, 10);
    const { bytes } = queue.stats();
    const [name] = await segmentsIn(directory);
    assert.ok((await stat(join(directory, name!))).size > bytes, 'the file is longer than the segment');
    assert.ok((await readdir(directory)).includes(spareName));
    await queue.close();
    assert.equal((await stat(join(directory, name!))).size, bytes);
    assert.ok(!(await readdir(directory)).includes(spareName));
  });

  it('holds no record after a crash but those of its newest segment', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...small, disk });
    await passOn(queue, 11);
    await queue.offer(batchOf('kept'));
    const again = await openScratch(t, '/queue', { ...small, disk: disk.afterKill() });
    const { damaged, tornBytes } = again.stats();
    assert.deepEqual([damaged, tornBytes], [0n, 0n]);
    const texts = (await readAll(again)).map(textOf);
    assert.equal(texts.at(-1), 'kept');
    assert.ok(
      texts.length <= 3,
      `${texts.length} batches, of which the cursor's delay may show the last ones again`,
    );
  });

  it('that a crash has left is deleted at the start', async t => {
    const directory = await scratchDirectory(t);
    await writeFile(join(directory, spareName), Buffer.alloc(5000, 'old'));
    await openScratch(t, directory, small);
    assert.ok(!(await readdir(directory)).includes(spareName));
  });

  it('takes no room that the queue may not have, together with all segments', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...small, disk });
    const batch = batchOf('x'.repeat(1000));
    const isTaken = (): Promise<boolean> =>
      queue.offer(batch).then(
        () => true,
        () => false,
      );
    while (await isTaken());
    const full = queue.stats();
    const perSegment = Math.ceil(Number(full.appended) / full.segments);
    const reader = queue.reader(readerName);
    reader.done((await readExactly(reader, perSegment, 1)).at(-1)!.position);
    while (queue.stats().segments === full.segments) await new Promise(setImmediate);
    while (queue.stats().segments < full.segments && (await isTaken()));
    const heads = full.segments * 104;
    assert.ok(queue.stats().appended > full.appended);
    assert.ok((await roomOf(disk)) <= small.bytesMax + heads, `${await roomOf(disk)} bytes`);
  });

  it('makes room when the disk has none: nothing is refused for it', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...small, disk });
    await passOn(queue, 7);
    const spare = `/queue/${spareName}`;
    assert.ok(disk.content(spare) !== undefined);
    disk.fault = operation =>
      operation === 'write' && disk.content(spare) !== undefined ? 'ENOSPC' : undefined;
    await queue.offer(batchOf('y'));
    assert.equal(disk.content(spare), undefined);
    assert.deepEqual((await readAll(queue)).map(textOf), ['y']);
  });

  it('is no file that the disk has refused to sync', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...small, disk });
    await queue.offer(batchOf('a'));
    let failing = true;
    disk.fault = operation => (operation === 'sync' && failing ? 'EIO' : undefined);
    const retried = queue.offer(batchOf('b'));
    await assert.rejects(retried);
    failing = false;
    await queue.offer(batchOf('c'));
    const reader = queue.reader(readerName);
    reader.done((await readExactly(reader, 2)).at(-1)!.position);
    while (queue.stats().segments > 1) await new Promise(setImmediate);
    assert.ok(queue.stats().retired > 0n);
    assert.equal(disk.content(`/queue/${spareName}`), undefined);
  });
});

async function roomOf(disk: MemoryDisk): Promise<number> {
  const paths = (await disk.list('/queue')).filter(name => name.endsWith('.wal') || name === spareName);
  return paths.reduce((sum, name) => sum + disk.content(`/queue/${name}`)!.length, 0);
}
