// The disk refuses: no false acknowledgement, no crash, and the queue goes on by itself when the disk does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { OfferError } from '../../../collector/component.ts';
import type { QueueEvent } from '../../../collector/queue/queue.ts';
import { faultWays, liveWithFault } from './fault-life.ts';
import { MemoryDisk } from './memory-disk.ts';
import {
  batchOf,
  closeQueues,
  eventLog,
  openScratch,
  readAll,
  readExactly,
  readerName,
  scratchDirectory,
  textOf,
} from './scratch.ts';

describe('disk errors', () => {
  for (const way of faultWays) {
    const { fault, forEver, settles } = way;
    const times = forEver ? 'until it is mended' : 'once';
    it(`${fault} at every operation, ${times}, with readers that ${settles ? 'settle' : 'wait'}`, async () => {
      let from = 0;
      while ((await liveWithFault(from, way)).hit) from++;
      assert.ok(from > 20, `only ${from} operations`);
    });
  }

  it('a failed fsync is never tried again: the segment is given up, and the group appended to a new one', async t => {
    const disk = new MemoryDisk();
    const { events, onEvent } = eventLog();
    const queue = await openScratch(t, '/queue', { disk, onEvent });
    await queue.offer(batchOf('before'));
    let syncs = 0;
    let failedPath = '';
    disk.fault = (operation, path) => {
      if (operation !== 'sync') return undefined;
      if (path === failedPath) assert.fail('synced again');
      if (syncs++ > 0) return undefined;
      failedPath = path;
      return 'EIO';
    };
    await Promise.all([queue.offer(batchOf('during')), queue.offer(batchOf('with it'))]);
    disk.fault = () => undefined;
    assert.deepEqual([queue.stats().retired, queue.stats().diskErrors, queue.stats().segments], [1n, 1n, 2]);
    assert.match(events[0]!.message, /given up after a failed fsync/);
    const again = await openScratch(t, '/queue', { disk: disk.afterCrash(() => 0.4) });
    assert.deepEqual((await readAll(again)).map(textOf), ['before', 'during', 'with it']);
    assert.equal(again.stats().damaged, 0n);
  });

  it('a file that may not get larger is followed by the next one, and nobody is refused', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { disk });
    await queue.offer(batchOf('before'));
    let limited = '';
    disk.fault = (operation, path) => {
      if (operation !== 'write') return undefined;
      limited ||= path;
      return path === limited ? 'EFBIG' : undefined;
    };
    for (const text of ['during', 'after']) await queue.offer(batchOf(text));
    const { refused, diskErrors, retired, segments } = queue.stats();
    assert.deepEqual(
      { refused, diskErrors, retired, segments },
      { refused: 0n, diskErrors: 1n, retired: 0n, segments: 2 },
    );
    const again = await openScratch(t, '/queue', { disk: disk.afterCrash(() => 0.4) });
    assert.deepEqual((await readAll(again)).map(textOf), ['before', 'during', 'after']);
  });

  it('refuses, retryably, what is larger than any file may get', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { disk });
    await queue.offer(batchOf('before'));
    disk.fault = operation => (operation === 'write' ? 'EFBIG' : undefined);
    await assert.rejects(queue.offer(batchOf('x')), (error: OfferError) => error.retryable);
    disk.fault = () => undefined;
    await queue.offer(batchOf('y'));
    assert.deepEqual((await readAll(queue)).map(textOf), ['before', 'y']);
  });

  it('says once that the disk refuses, and once that it takes batches again', async t => {
    const disk = new MemoryDisk();
    const { events, onEvent } = eventLog();
    const queue = await openScratch(t, '/queue', { disk, onEvent });
    disk.fault = operation => (operation === 'write' ? 'ENOSPC' : undefined);
    for (let index = 0; index < 3; index++)
      await assert.rejects(queue.offer(batchOf('x')), /\/queue: ENOSPC/);
    disk.fault = () => undefined;
    for (let index = 0; index < 3; index++) await queue.offer(batchOf('y'));
    assert.deepEqual(
      events.map(event => event.level),
      ['error', 'info'],
    );
    assert.deepEqual([queue.stats().refused, queue.stats().diskErrors], [3n, 3n]);
  });

  it('a cursor that cannot be saved stays, and is saved later', async t => {
    const disk = new MemoryDisk();
    const failed = Promise.withResolvers<QueueEvent>();
    const queue = await openScratch(t, '/queue', { disk, onEvent: failed.resolve });
    await queue.offer(batchOf('a'));
    const reader = queue.reader(readerName);
    const [first] = await reader.read(100, AbortSignal.timeout(5000));
    disk.fault = (operation, path) => (operation === 'sync' && path.endsWith('.tmp') ? 'EIO' : undefined);
    reader.done(first!.position);
    assert.match((await failed.promise).message, /cursor of store cannot be saved/);
    disk.fault = () => undefined;
    await queue.close();
    const again = await openScratch(t, '/queue', { disk: disk.afterKill() });
    assert.deepEqual(await readAll(again), []);
  });

  it('a full file system refuses retryably and is used again when there is room', async t => {
    const directory = await mountSmall(t);
    if (directory === undefined) return;
    const queue = await openScratch(t, join(directory, 'queue'), { segmentBytes: 65_536 });
    await writeFile(join(directory, 'ballast'), Buffer.alloc(256 * 1024));
    const texts: string[] = [];
    const offer = async (): Promise<boolean> => {
      const text = `${texts.length}`.padEnd(10_000);
      try {
        await queue.offer(batchOf(text));
        texts.push(text);
        return true;
      } catch (error) {
        assert.ok(error instanceof OfferError && error.retryable);
        return false;
      }
    };
    while (await offer());
    assert.equal(await offer(), false);
    assert.ok(texts.length > 5);
    await rm(join(directory, 'ballast'));
    for (let index = 0; index < 10; index++) assert.ok(await offer());
    await queue.close();
    const again = await openScratch(t, join(directory, 'queue'));
    assert.deepEqual((await readAll(again)).map(textOf), texts);
    assert.equal(again.stats().damaged, 0n);
    await again.close();
  });

  it('a file system smaller than a segment is no dead end: what readers are done with makes room', async t => {
    const directory = await mountSmall(t);
    if (directory === undefined) return;
    const queue = await openScratch(t, join(directory, 'queue'), { segmentBytes: 1 << 20 });
    const reader = queue.reader(readerName);
    for (let round = 0; round < 3; round++) {
      let taken = 0;
      for (const batch = batchOf('x'.repeat(20_000)); ; taken++) {
        const taking = queue.offer(batch).catch(() => 'refused');
        if ((await taking) === 'refused') break;
      }
      assert.ok(taken > 10, `${taken} in round ${round}`);
      const before = queue.stats().bytes;
      reader.done((await readExactly(reader, taken)).at(-1)!.position);
      while (queue.stats().bytes >= before) await new Promise(setImmediate);
    }
  });

  it('a deleted directory refuses, and a new one is used', async t => {
    const directory = join(await scratchDirectory(t), 'queue');
    await mkdir(directory);
    const queue = await openScratch(t, directory, { segmentBytes: 4096 });
    await queue.offer(batchOf('x'.repeat(4000)));
    await rm(directory, { recursive: true });
    await assert.rejects(queue.offer(batchOf('y'.repeat(4000))), /ENOENT/);
    await mkdir(directory);
    await queue.offer(batchOf('z'));
    assert.equal((await readdir(directory)).filter(name => name.endsWith('.wal')).length, 1);
  });
});

/** A tmpfs of 512 KiB; undefined, and the test is skipped, where mounting is not allowed. */
async function mountSmall(t: TestContext): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'tricord-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    t.skip(`a tmpfs cannot be mounted: ${(error as Error).message.split('\n').at(-2)}`);
    await rmdir(directory);
    return undefined;
  }
  t.after(async () => {
    await closeQueues(t);
    execFileSync('umount', ['--lazy', directory]);
    await rmdir(directory);
  });
  return directory;
}
