// The queue as its users see it: what is offered is read, once, in order, over restarts; what is settled goes.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { OfferError } from '../../../collector/component.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { MemoryDisk } from './memory-disk.ts';
import {
  batchOf,
  instance,
  openScratch,
  readAll,
  readExactly,
  readerName,
  scratchDirectory,
  textOf,
} from './scratch.ts';

describe('offer and read', () => {
  it('gives every field of a batch back, from memory and from disk', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    const origin = { instance: instance(7), sequence: 2n ** 63n };
    const before = Date.now();
    const batch = batchOf('hello', { signal: 3, items: 4_000_000_000, source: 'otlp/é', origin });
    await queue.offer(batch);
    await queue.offer(batchOf(''));
    const hot = await readExactly(queue.reader(readerName), 2);
    await queue.close();
    const again = await openScratch(t, directory);
    const cold = await readExactly(again.reader(readerName), 2);
    for (const [first, second] of [hot, cold]) {
      assert.ok(first!.receivedAt >= before && first!.receivedAt <= Date.now());
      const { position: _, receivedAt: __, ...fields } = first!;
      assert.deepEqual({ ...fields, payload: textOf(first!) }, { ...batch, payload: 'hello' });
      assert.equal(textOf(second!), '');
      assert.equal(second!.origin, undefined);
      assert.ok(second!.position > first!.position);
    }
    assert.deepEqual(
      hot.map(read => [read.position, read.receivedAt]),
      cold.map(read => [read.position, read.receivedAt]),
    );
    assert.equal(again.stats().recovered, 2n);
  });

  it('reads up to bytesMax, but at least one batch', async t => {
    const queue = await openScratch(t, await scratchDirectory(t));
    await Promise.all(['aaaa', 'bbbb', 'cccc'].map(text => queue.offer(batchOf(text))));
    const reader = queue.reader(readerName);
    const signal = AbortSignal.timeout(5000);
    assert.deepEqual((await reader.read(8, signal)).map(textOf), ['aaaa', 'bbbb']);
    reader.seek(0n);
    assert.deepEqual((await reader.read(7, signal)).map(textOf), ['aaaa']);
    assert.deepEqual((await reader.read(1, signal)).map(textOf), ['bbbb']);
  });

  it('waits for an offer, for an abort, and for the close', async t => {
    const queue = await openScratch(t, await scratchDirectory(t));
    const reader = queue.reader(readerName);
    const read = reader.read(100, AbortSignal.timeout(5000));
    await queue.offer(batchOf('late'));
    assert.deepEqual((await read).map(textOf), ['late']);
    const abort = new AbortController();
    const aborted = reader.read(100, abort.signal);
    abort.abort();
    assert.deepEqual(await aborted, []);
    const closed = reader.read(100, new AbortController().signal);
    await queue.close();
    assert.deepEqual(await closed, []);
  });

  it('gives what is left, and does not wait, when the signal has aborted', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    await Promise.all(['a', 'b'].map(text => queue.offer(batchOf(text))));
    await queue.close();
    const reader = (await openScratch(t, directory)).reader(readerName);
    assert.equal(reader.idle(), false);
    for (const text of ['a', 'b']) {
      assert.deepEqual((await reader.read(1, AbortSignal.abort())).map(textOf), [text]);
    }
    assert.equal(reader.idle(), true);
    assert.deepEqual(await reader.read(1, AbortSignal.abort()), []);
  });

  it('leaves no listener on a signal that lives long', async t => {
    const queue = await openScratch(t, await scratchDirectory(t));
    const { signal } = new AbortController();
    for (let index = 0; index < 20; index++) {
      const read = queue.reader(readerName).read(1, signal);
      await queue.offer(batchOf('x'));
      await read;
    }
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('commits all that wait with one fsync', async t => {
    const queue = await openScratch(t, await scratchDirectory(t));
    await queue.offer(batchOf('opens the segment'));
    const { fsyncs } = queue.stats();
    await Promise.all(Array.from({ length: 500 }, (_, index) => queue.offer(batchOf(`${index}`))));
    assert.equal(queue.stats().fsyncs - fsyncs, 1n);
    const batches = await readAll(queue);
    assert.deepEqual(
      batches.slice(1).map(textOf),
      Array.from({ length: 500 }, (_, index) => `${index}`),
    );
  });

  it('goes over many segments, and from disk to memory, without a gap', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, { segmentBytes: 4096, hotBytesMax: 3000 });
    const texts = Array.from({ length: 300 }, (_, index) => `${index}`.padEnd(index % 200, '.'));
    for (const text of texts) void queue.offer(batchOf(text));
    assert.deepEqual((await readAll(queue)).map(textOf), texts);
    assert.ok(queue.stats().segments > 5);
  });

  it('refuses for ever what can never be taken', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), { segmentBytes: 4096, bytesMax: 16_384 });
    const permanent = (error: unknown): boolean => error instanceof OfferError && !error.retryable;
    const bytes = 16_384 / 2 - 60;
    await assert.rejects(queue.offer(batchOf('x'.repeat(bytes + 1))), permanent);
    await queue.offer(batchOf('x'.repeat(bytes)));
    await assert.rejects(queue.offer(batchOf('', { items: 2 ** 32 })), permanent);
    await assert.rejects(queue.offer(batchOf('', { items: -1 })), permanent);
    await assert.rejects(queue.offer(batchOf('', { source: 'x'.repeat(256) })), permanent);
    await queue.offer(batchOf('', { source: 'x'.repeat(255) }));
    const short = { instance: new Uint8Array(15), sequence: 1n };
    await assert.rejects(queue.offer(batchOf('', { origin: short })), permanent);
    await assert.rejects(
      queue.offer(batchOf('', { origin: { instance: instance(1), sequence: 0n } })),
      permanent,
    );
  });
});

describe('cursors', () => {
  it('begin behind what is settled after a restart', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    await Promise.all(['a', 'b', 'c'].map(text => queue.offer(batchOf(text))));
    const reader = queue.reader(readerName);
    const batches = await readExactly(reader, 3);
    reader.done(batches[1]!.position);
    await queue.close();
    const again = await openScratch(t, directory);
    assert.deepEqual((await readAll(again)).map(textOf), ['c']);
  });

  it('are one for each reader, under any name', async t => {
    const directory = await scratchDirectory(t);
    const readers = ['otlp/backup', '../up', '.', '__proto__'];
    const queue = await openScratch(t, directory, { readers });
    await queue.offer(batchOf('a'));
    await queue.offer(batchOf('b'));
    for (const [index, name] of readers.entries()) {
      const batches = await readExactly(queue.reader(name), 2);
      if (index < 2) queue.reader(name).done(batches[index]!.position);
    }
    await queue.close();
    const again = await openScratch(t, directory, { readers });
    const left: string[][] = [];
    for (const name of readers) left.push((await readAll(again, name)).filter(isNoMarker).map(textOf));
    assert.deepEqual(left, [['b'], [], ['a', 'b'], ['a', 'b']]);
    assert.throws(() => again.reader('other'), /opened without a reader other/);
    await assert.rejects(openQueue({ directory: await scratchDirectory(t), readers: [''] }), RangeError);
  });

  it('are saved now and then, however fast readers go on', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const disk = new MemoryDisk();
    const saved = Promise.withResolvers<void>();
    const rename = disk.rename.bind(disk);
    let saves = 0;
    disk.rename = async (from, to) => {
      saves++;
      await saved.promise;
      await rename(from, to);
    };
    const queue = await openScratch(t, '/queue', { disk });
    const batches = ['a', 'b', 'c', 'd'].map(text => queue.offer(batchOf(text)));
    await Promise.all(batches);
    const reader = queue.reader(readerName);
    const positions = (await readExactly(reader, 4)).map(batch => batch.position);
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    };
    reader.done(positions[0]!);
    await turns();
    reader.done(positions[1]!);
    saved.resolve();
    await turns();
    assert.equal(saves, 1, 'the first at once, and what came meanwhile not at once');
    t.mock.timers.tick(200);
    await turns();
    assert.equal(saves, 2, 'but soon');
    reader.done(positions[2]!);
    await queue.close();
    assert.equal(saves, 3, 'and at the end');
    const again = await openScratch(t, '/queue', { disk: disk.afterKill() });
    assert.deepEqual((await readAll(again)).map(textOf), ['d']);
  });

  it('delete the segments that all readers are done with', async t => {
    const directory = await scratchDirectory(t);
    const options = { readers: ['fast', 'slow'], segmentBytes: 4096 };
    const queue = await openScratch(t, directory, options);
    await Promise.all(Array.from({ length: 50 }, () => queue.offer(batchOf('x'.repeat(1000)))));
    const segments = queue.stats().segments;
    assert.ok(segments > 10);
    const fast = await readExactly(queue.reader('fast'), 50);
    queue.reader('fast').done(fast.at(-1)!.position);
    const slow = await readExactly(queue.reader('slow'), 50);
    queue.reader('slow').done(slow[24]!.position);
    await queue.close();
    const left = (await segmentFiles(directory)).length;
    assert.ok(left < segments && left > segments / 3, `${left} of ${segments}`);
    const again = await openScratch(t, directory, options);
    assert.equal((await readAll(again, 'slow')).length, 25);
    again.reader('slow').done(slow[49]!.position);
    await again.close();
    assert.equal((await segmentFiles(directory)).length, 1);
  });

  it('seek: reading starts behind the position, and no position is given out twice', async t => {
    const queue = await openScratch(t, await scratchDirectory(t));
    const reader = queue.reader(readerName);
    const far = (41n << 32n) | 1000n;
    reader.seek(far);
    await queue.offer(batchOf('a'));
    const [first] = await readExactly(reader, 1);
    assert.ok(first!.position > far);
    await queue.offer(batchOf('b'));
    await readExactly(reader, 1);
    reader.seek(first!.position);
    assert.deepEqual((await readExactly(reader, 1)).map(textOf), ['b']);
    reader.seek(0n);
    assert.deepEqual((await readExactly(reader, 2)).map(textOf), ['a', 'b']);
  });
});

describe('fsync', () => {
  const options = { directory: '/queue', fsyncIntervalMs: 5 };
  const readBack = async (t: TestContext, disk: MemoryDisk): Promise<string[]> => {
    return (await readAll(await openScratch(t, '/queue', { disk }))).map(textOf);
  };

  it('always: what is acknowledged survives a power loss at once', async t => {
    const disk = new MemoryDisk();
    await (await openScratch(t, '/queue', { ...options, disk })).offer(batchOf('a'));
    assert.deepEqual(
      await readBack(
        t,
        disk.afterCrash(() => 1),
      ),
      ['a'],
    );
  });

  it('interval: it survives a killed process at once, a power loss after the next fsync', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...options, fsync: 'interval', disk });
    await queue.offer(batchOf('a'));
    const { fsyncs } = queue.stats();
    while (queue.stats().fsyncs === fsyncs) await new Promise(setImmediate);
    await queue.offer(batchOf('b'));
    assert.deepEqual(
      await readBack(
        t,
        disk.afterCrash(() => 1),
      ),
      ['a'],
    );
    const killed = new MemoryDisk();
    await (await openScratch(t, '/queue', { ...options, fsync: 'interval', disk: killed })).offer(
      batchOf('c'),
    );
    assert.deepEqual(await readBack(t, killed.afterKill()), ['c']);
  });

  it('never: it survives a killed process, and a close', async t => {
    const killed = new MemoryDisk();
    await (await openScratch(t, '/queue', { ...options, fsync: 'never', disk: killed })).offer(batchOf('a'));
    assert.deepEqual(await readBack(t, killed.afterKill()), ['a']);
    const closed = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...options, fsync: 'never', disk: closed });
    await queue.offer(batchOf('b'));
    await queue.close();
    assert.deepEqual(
      await readBack(
        t,
        closed.afterCrash(() => 1),
      ),
      ['b'],
    );
  });
});

function isNoMarker(batch: Parameters<typeof textOf>[0]): boolean {
  return !textOf(batch).startsWith('end-');
}

async function segmentFiles(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter(name => name.endsWith('.wal'));
}
