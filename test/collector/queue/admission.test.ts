// The bounds of the queue: the last offer that is taken, the first that is refused, and how room comes back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OfferError } from '../../../collector/component.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, openScratch, readExactly, readerName, scratchDirectory } from './scratch.ts';

const headerBytes = 60;
const segmentHeadBytes = 40;

function isFull(error: unknown): boolean {
  return (
    error instanceof OfferError && error.retryable && error.retryAfterMs > 0 && /full/.test(error.message)
  );
}

describe('bytesMax', () => {
  it('takes the last byte and refuses the next', async t => {
    const bounds = { segmentBytes: 4096, bytesMax: 16_384 };
    const queue = await openScratch(t, await scratchDirectory(t), bounds);
    const record = batchOf('x'.repeat(2000 - headerBytes));
    for (let index = 0; index < 7; index++) await queue.offer(record);
    const left = queue.bytesFree();
    assert.equal(left, 16_384 - queue.stats().bytes);
    assert.equal(queue.stats().bytes, 7 * 2000 + 4 * segmentHeadBytes);
    await assert.rejects(queue.offer(batchOf('x'.repeat(left - headerBytes + 1))), isFull);
    assert.equal(queue.bytesFree(), 0);
    await assert.rejects(queue.offer(batchOf('small')), isFull, 'a small one overtook the refused one');
    assert.equal(queue.stats().refused, 2n);
  });

  it('is taken exactly', async t => {
    const queue = await openScratch(t, '/queue', {
      disk: new MemoryDisk(),
      segmentBytes: 4096,
      bytesMax: 16_384,
    });
    const record = batchOf('x'.repeat(2000 - headerBytes));
    for (let index = 0; index < 7; index++) await queue.offer(record);
    await queue.offer(batchOf('x'.repeat(queue.bytesFree() - headerBytes)));
    assert.equal(queue.stats().bytes, 16_384 + segmentHeadBytes, 'the head of a new segment comes on top');
    assert.equal(queue.bytesFree(), 0);
  });

  it('has room again when readers are done, without a restart', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), { segmentBytes: 4096, bytesMax: 16_384 });
    const reader = queue.reader(readerName);
    for (let round = 0; round < 5; round++) {
      let taken = 0;
      try {
        for (;;) {
          await queue.offer(batchOf('x'.repeat(1000)));
          taken++;
        }
      } catch (error) {
        assert.ok(isFull(error));
      }
      assert.ok(taken >= 8, `${taken} in round ${round}`);
      const batches = await readExactly(reader, taken);
      reader.done(batches.at(-1)!.position);
      while (queue.bytesFree() < 10_000) await new Promise(setImmediate);
    }
  });

  it('never stands still over a record larger than a segment', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), { segmentBytes: 4096, bytesMax: 16_384 });
    const reader = queue.reader(readerName);
    for (let round = 0; round < 4; round++) {
      await queue.offer(batchOf('x'.repeat(8000)));
      const [batch] = await readExactly(reader, 1);
      reader.done(batch!.position);
      while (queue.bytesFree() < 8100) await new Promise(setImmediate);
    }
    assert.ok(queue.stats().segments <= 2);
  });

  it('must hold four segments', async t => {
    const directory = await scratchDirectory(t);
    const open = (segmentBytes: number, bytesMax: number) =>
      openQueue({ directory, readers: [], segmentBytes, bytesMax });
    await assert.rejects(open(4096, 16_383), RangeError);
    await assert.rejects(open(4095, 1 << 30), RangeError);
    await (await open(4096, 16_384)).close();
  });

  it('decides how large a segment is when nobody says', async t => {
    const directory = await scratchDirectory(t);
    await (await openQueue({ directory, readers: [], bytesMax: 16_384 })).close();
    await assert.rejects(openQueue({ directory, readers: [], bytesMax: 16_383 }), RangeError);
  });
});

describe('waitingBytesMax', () => {
  it('bounds what is in memory while the disk stalls', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { disk, waitingBytesMax: 100_000 });
    await queue.offer(batchOf('opens the segment'));
    const stall = Promise.withResolvers<void>();
    disk.stall = stall.promise;
    const size = 10_000;
    const offers = Array.from({ length: 10 }, () => queue.offer(batchOf('x'.repeat(size - headerBytes))));
    assert.equal(queue.bytesFree(), 0);
    await assert.rejects(queue.offer(batchOf('')), isFull);
    stall.resolve();
    disk.stall = undefined;
    await Promise.all(offers);
    assert.equal(queue.bytesFree(), 100_000);
    await queue.offer(batchOf('x'));
  });

  it('counts a small record as 1 KiB, for the objects around it', async t => {
    const queue = await openScratch(t, '/queue', { disk: new MemoryDisk(), waitingBytesMax: 10 * 1024 });
    const offers = Array.from({ length: 10 }, () => queue.offer(batchOf('x')));
    await assert.rejects(queue.offer(batchOf('x')), isFull);
    await Promise.all(offers);
  });

  it('takes a single record of any size that the queue takes', async t => {
    const queue = await openScratch(t, '/queue', { disk: new MemoryDisk(), waitingBytesMax: 1000 });
    await queue.offer(batchOf('x'.repeat(5000)));
  });
});
