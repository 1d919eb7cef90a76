// The caps on size and age, and the two policies at them: refuse, or drop the oldest and count it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OfferError } from '../../../collector/component.ts';
import type { Queue } from '../../../collector/queue/queue.ts';
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

const small = { segmentBytes: 4096, bytesMax: 16_384, hotBytesMax: 2000 } as const;
const dropping = { ...small, whenFull: 'drop_oldest' } as const;
const hour = 3_600_000;

async function offerMany(queue: Queue, count: number, bytes = 1000): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, index) => `${index}`.padEnd(bytes));
  for (const text of texts) {
    await queue.offer(batchOf(text));
    assert.ok(queue.stats().bytes <= small.bytesMax, `${queue.stats().bytes} bytes on disk`);
  }
  return texts;
}

/** Until something has become true that no event tells. */
async function turnsUntil(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(setImmediate);
}

const refusedForNow = (error: unknown): boolean => error instanceof OfferError && error.retryable;

describe('drop-oldest, at the cap on size', () => {
  it('takes every batch, keeps the newest, and counts each that is gone', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, dropping);
    const texts = await offerMany(queue, 60);
    const { dropped, refused } = queue.stats();
    assert.equal(refused, 0n);
    assert.ok(dropped.size > 40n && dropped.age === 0n, `${dropped.size} dropped`);
    await queue.close();
    const again = await openScratch(t, directory, dropping);
    assert.deepEqual((await readAll(again)).map(textOf), texts.slice(Number(dropped.size)));
    assert.equal(again.stats().damaged, 0n);
  });

  it('counts only what no reader had settled, and a reader goes on behind the gap', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), dropping);
    const texts = await offerMany(queue, 10);
    const reader = queue.reader(readerName);
    const read = await readExactly(reader, 4, 1);
    reader.done(read[3]!.position);
    texts.push(...(await offerMany(queue, 30)));
    const { dropped } = queue.stats();
    const left = (await readAll(queue)).map(textOf);
    assert.deepEqual(left, texts.slice(-left.length));
    assert.equal(Number(dropped.size), texts.length - 4 - left.length);
  });

  it('takes at once what half of the queue holds, and not a byte more', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), dropping);
    const quarter = 'x'.repeat(4096 - 60);
    await Promise.all([queue.offer(batchOf(quarter)), queue.offer(batchOf(quarter))]);
    const offers = await Promise.allSettled([quarter, quarter, ''].map(text => queue.offer(batchOf(text))));
    assert.deepEqual(
      offers.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    await queue.offer(batchOf(''));
  });

  it('refuses, and loses nothing, when the oldest cannot be deleted', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { ...dropping, disk });
    disk.fault = operation => (operation === 'unlink' ? 'EIO' : undefined);
    const texts: string[] = [];
    const offers = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(1000));
    for (const text of offers) {
      await queue.offer(batchOf(text)).then(
        () => texts.push(text),
        error => assert.ok(refusedForNow(error)),
      );
    }
    assert.ok(texts.length < offers.length);
    disk.fault = () => undefined;
    assert.deepEqual((await readAll(queue)).map(textOf), texts);
    await offerMany(queue, 10);
    assert.ok(queue.stats().dropped.size > 0n);
  });
});

describe('the cap on age', () => {
  it('drops what has waited for too long, the newest segment too, and goes on', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), { ...dropping, ageMaxMs: 20 });
    await offerMany(queue, 6);
    await turnsUntil(() => queue.stats().dropped.age === 6n);
    await queue.offer(batchOf('new'));
    assert.deepEqual((await readExactly(queue.reader(readerName), 1)).map(textOf), ['new']);
    assert.equal(queue.stats().dropped.size, 0n);
  });

  it('refuses, when that is the policy, until readers are done with what is too old', async t => {
    const queue = await openScratch(t, await scratchDirectory(t), { ...small, ageMaxMs: 20 });
    await offerMany(queue, 2);
    await turnsUntil(() => queue.bytesFree() === 0);
    await assert.rejects(queue.offer(batchOf('x')), refusedForNow);
    const reader = queue.reader(readerName);
    reader.done((await readExactly(reader, 2)).at(-1)!.position);
    await turnsUntil(() => queue.bytesFree() > 0);
    await queue.offer(batchOf('x'));
    assert.deepEqual(queue.stats().dropped, { size: 0n, age: 0n });
  });

  it('counts the time before a restart', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: hour });
    const disk = new MemoryDisk();
    const options = { ...dropping, ageMaxMs: hour };
    await offerMany(await openScratch(t, '/queue', { ...options, disk }), 3);
    t.mock.timers.setTime(2 * hour + 1);
    const late = await openScratch(t, '/queue', { ...options, disk: disk.afterKill() });
    await turnsUntil(() => late.stats().dropped.age === 3n);
  });

  it('follows no step of the clock while the process runs', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: hour });
    const queue = await openScratch(t, '/queue', { ...small, ageMaxMs: hour, disk: new MemoryDisk() });
    await offerMany(queue, 3);
    t.mock.timers.setTime(100 * hour);
    await queue.offer(batchOf('after the step'));
    await queue.offer(batchOf('and again'));
    assert.equal(queue.stats().refused, 0n);
  });

  it('marks what comes after the clock was set back as if it had not been', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const queue = await openScratch(t, await scratchDirectory(t), small);
    const before = Date.now();
    t.mock.timers.setTime(before - 72 * hour);
    await queue.offer(batchOf('back'));
    t.mock.timers.setTime(before + 72 * hour);
    await queue.offer(batchOf('forward'));
    const [back, forward] = await readAll(queue);
    assert.ok(back!.receivedAt >= before && back!.receivedAt < before + hour);
    assert.equal(forward!.receivedAt, before + 72 * hour);
  });
});
