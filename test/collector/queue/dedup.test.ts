// A batch that comes again is recognised, over restarts, for as long as the horizon reaches.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Batch } from '../../../collector/component.ts';
import { Horizon, instancesFor } from '../../../collector/queue/dedup.ts';
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

function numbered(fill: number, sequence: bigint): Batch {
  return batchOf(`${fill}/${sequence}`, { origin: { instance: instance(fill), sequence } });
}

describe('resends', () => {
  it('are dropped and counted, while the first is under way, after it, and after a restart', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    await Promise.all([
      queue.offer(numbered(1, 1n)),
      queue.offer(numbered(1, 2n)),
      queue.offer(numbered(1, 1n)),
    ]);
    await queue.offer(numbered(1, 2n));
    assert.deepEqual([queue.stats().appended, queue.stats().duplicates], [2n, 2n]);
    await queue.close();
    const again = await openScratch(t, directory);
    assert.equal(again.durableSequence(instance(1)), 2n);
    assert.equal(again.durableSequence(instance(2)), 0n);
    await again.offer(numbered(1, 2n));
    await again.offer(numbered(1, 3n));
    await again.offer(numbered(2, 1n));
    assert.deepEqual((await readAll(again)).map(textOf), ['1/1', '1/2', '1/3', '2/1']);
  });

  it('of a batch under way resolve with it, and fail with it', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { disk });
    disk.fault = operation => (operation === 'write' ? 'EIO' : undefined);
    const results = await Promise.allSettled([queue.offer(numbered(1, 1n)), queue.offer(numbered(1, 1n))]);
    assert.deepEqual(
      results.map(result => result.status),
      ['rejected', 'rejected'],
    );
    assert.equal(queue.durableSequence(instance(1)), 0n);
    disk.fault = () => undefined;
    await Promise.all([queue.offer(numbered(1, 1n)), queue.offer(numbered(1, 1n))]);
    assert.equal(queue.stats().appended, 1n);
  });

  it('are recognised when the segments that held the first are deleted', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, { segmentBytes: 4096 });
    await queue.offer(numbered(1, 7n));
    await Promise.all(Array.from({ length: 10 }, () => queue.offer(batchOf('x'.repeat(4000)))));
    const batches = await readExactly(queue.reader(readerName), 11);
    queue.reader(readerName).done(batches.at(-1)!.position);
    await queue.close();
    assert.equal((await readdir(directory)).filter(name => name.endsWith('.wal')).length, 1);
    for (let restart = 0; restart < 3; restart++) {
      const again = await openScratch(t, directory, { segmentBytes: 4096 });
      assert.equal(again.durableSequence(instance(1)), 7n);
      await again.offer(numbered(1, 7n));
      assert.equal(again.stats().duplicates, 1n);
      await again.offer(batchOf('makes a segment'));
      await again.close();
    }
  });
});

describe('the horizon', () => {
  it('forgets the least recently used instance, never one that is under way', () => {
    const horizon = new Horizon(3);
    for (const fill of [1, 2, 3]) horizon.settle({ instance: instance(fill), sequence: 5n });
    horizon.claim({ instance: instance(1), sequence: 6n });
    horizon.settle({ instance: instance(4), sequence: 1n });
    assert.deepEqual(
      [1, 2, 3, 4].map(fill => horizon.durableSequence(instance(fill))),
      [5n, 0n, 5n, 1n],
    );
    for (const fill of [5, 6, 7]) horizon.settle({ instance: instance(fill), sequence: 1n });
    assert.equal(horizon.durableSequence(instance(1)), 5n);
    assert.equal(horizon.state({ instance: instance(1), sequence: 6n }), 'waiting');
    assert.equal(horizon.size, 3);
  });

  it('remembers what is ahead until the missing one comes, or a newer one shows that it never will', () => {
    const origin = (sequence: bigint) => ({ instance: instance(1), sequence });
    const horizon = new Horizon(10);
    horizon.settle(origin(1n));
    for (const sequence of [3n, 4n, 6n]) horizon.settleAhead(origin(sequence));
    const states = (): string =>
      [1n, 2n, 3n, 4n, 5n, 6n, 7n].map(sequence => horizon.state(origin(sequence))[0]).join('');
    assert.equal(states(), 'dnddndn');
    const copy = new Horizon(10);
    copy.mergeDurable(horizon.encodeDurable());
    copy.mergeAhead(horizon.encodeAhead());
    horizon.settle(origin(2n));
    assert.equal(states(), 'ddddndn');
    assert.equal(horizon.durableSequence(instance(1)), 4n);
    horizon.settle(origin(7n));
    assert.equal(states(), 'ddddddd');
    assert.equal(horizon.encodeAhead().length, 0);
    assert.equal(copy.durableSequence(instance(1)), 1n);
    assert.equal(copy.state(origin(6n)), 'durable');
    assert.equal(copy.state(origin(2n)), 'new');
  });

  it('takes at most a quarter of a segment', () => {
    assert.equal(instancesFor(64 * 1024 * 1024, 65_536), 65_536);
    assert.equal(instancesFor(4096, 65_536), 42);
  });
});
