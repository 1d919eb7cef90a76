// Damage of every kind at every byte: what is undamaged stays, and what is not is counted.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Queue } from '../../../collector/queue/queue.ts';
import {
  type Change,
  changed,
  cursorName,
  cutAt,
  type Damage,
  diskOf,
  flipped,
  flippedAt,
  makePlaces,
  makeSample,
  promiseKept,
  type Sample,
  settledCursor,
} from './sample-log.ts';
import { batchOf, instance, openScratch, readAll, readerName, scratchDirectory, textOf } from './scratch.ts';

type Look = (queue: Queue, texts: string[]) => void;

async function sampleOf(t: TestContext, reused = false): Promise<Sample> {
  return makeSample(await scratchDirectory(t), reused);
}

/** Opens the sample with files changed, in real files; gives what is read to `look`. */
async function openDamaged(t: TestContext, sample: Sample, change: Change, look: Look): Promise<void> {
  const directory = join(await baseOf(t), `${Math.random()}`);
  await mkdir(directory);
  for (const [name, bytes] of changed(sample, change)) await writeFile(join(directory, name), bytes);
  const queue = await openScratch(t, directory);
  look(queue, (await readAll(queue)).map(textOf));
  await queue.close();
  await rm(directory, { recursive: true });
}

/** In memory, for the many; every `realEvery`th in real files too. */
async function holdDamage(t: TestContext, sample: Sample, damage: Damage, at: number): Promise<void> {
  const look: Look = (queue, texts) => promiseKept(queue.stats(), texts, damage);
  if (at % realEvery === 0) await openDamaged(t, sample, damage.change, look);
  const queue = await openScratch(t, '/queue', { disk: diskOf(sample, damage.change) });
  look(queue, (await readAll(queue)).map(textOf));
  await queue.close();
}

const realEvery = 17;

const bases = new WeakMap<TestContext, Promise<string>>();

function baseOf(t: TestContext): Promise<string> {
  const base = bases.get(t) ?? scratchDirectory(t);
  bases.set(t, base);
  return base;
}

describe('damage', () => {
  it('by a cut at every byte loses only what was cut off', async t => {
    for (const { sample, name } of await makePlaces(await scratchDirectory(t))) {
      assert.deepEqual([sample.segments.length, sample.records.length], [3, 9]);
      const { length: whole } = sample.files.get(name)!;
      for (let at = 0; at <= whole; at++) await holdDamage(t, sample, cutAt(sample, name, at), at);
    }
  });

  it('of one bit at every byte loses at most the record around it', async t => {
    for (const { sample, name } of await makePlaces(await scratchDirectory(t))) {
      const { length: whole } = sample.files.get(name)!;
      for (let at = 0; at < whole; at++) await holdDamage(t, sample, flippedAt(sample, name, at, at % 8), at);
    }
  });

  it('of a segment in the file of an older one leaves out what that one has left', async t => {
    const sample = await sampleOf(t, true);
    const { end } = sample.records.at(-1)!;
    const name = sample.segments.at(-1)!;
    const left = sample.files.get(name)!.subarray(end);
    assert.ok(left.includes('older 4'), 'the file holds something of the older segment');
    const whole = await openScratch(t, '/queue', { disk: diskOf(sample) });
    assert.deepEqual([whole.stats().damaged, whole.stats().tornBytes], [0n, 0n]);
    const grown = Buffer.concat([sample.files.get(name)!, Buffer.alloc(77)]);
    const torn = await openScratch(t, '/queue', { disk: diskOf(sample, new Map([[name, grown]])) });
    assert.deepEqual([torn.stats().damaged, torn.stats().tornBytes], [0n, 77n], 'and not what it grew by');
  });

  it('is what an older segment has left that begins like a record, as far as anybody can see', async t => {
    const sample = await sampleOf(t, true);
    const name = sample.segments.at(-1)!;
    const { start, end } = sample.records.at(-1)!;
    const bytes = Buffer.from(sample.files.get(name)!);
    bytes.copy(bytes, end, start, start + 3);
    const alike = { ...sample, files: new Map([...sample.files, [name, bytes]]) };
    for (let count = 0; count < 3; count++) {
      const damage = cutAt(alike, name, end + count);
      assert.equal(damage.reported, count > 0);
      await holdDamage(t, alike, damage, end + count);
    }
  });

  it('is searched for the next record in one buffer, however much there is', async t => {
    const sample = await sampleOf(t, true);
    const name = sample.segments.at(-1)!;
    const { end } = sample.records.at(-1)!;
    const left = Buffer.alloc(8 << 20, 'older');
    const disk = diskOf(
      sample,
      new Map([[name, Buffer.concat([sample.files.get(name)!.subarray(0, end), left])]]),
    );
    const targets = new Set<ArrayBufferLike>();
    const open = disk.open.bind(disk);
    disk.open = async (path, access) => {
      const file = await open(path, access);
      const read = file.read.bind(file);
      file.read = (target, position) => {
        targets.add(target.buffer);
        return read(target, position);
      };
      return file;
    };
    const queue = await openScratch(t, '/queue', { disk });
    assert.equal(queue.stats().recovered, 9n);
    const bytes = [...targets].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    assert.ok(bytes < 2 << 20, `${bytes} bytes of memory to read ${left.length}`);
  });

  it('of a length never makes a large allocation', async t => {
    const sample = await sampleOf(t);
    const { segment, start } = sample.records[4]!;
    for (const length of [0, 0xffff_ffff, 0x7fff_ffff, 5000]) {
      const bytes = Buffer.from(sample.files.get(segment)!);
      bytes.writeUInt32LE(length, start + 8);
      const before = process.memoryUsage().arrayBuffers;
      await openDamaged(t, sample, new Map([[segment, bytes]]), (queue, texts) => {
        assert.equal(texts.length, 8);
        assert.equal(queue.stats().damaged, 1n);
        assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
      });
    }
  });

  it('by a tail of zeros or garbage is cut off, once', async t => {
    const sample = await sampleOf(t);
    const name = sample.segments.at(-1)!;
    const whole = sample.files.get(name)!;
    for (const tail of [Buffer.alloc(100_000), Buffer.alloc(5000, 'garbage'), whole.subarray(0, 300)]) {
      const directory = await scratchDirectory(t);
      for (const [file, bytes] of sample.files) await writeFile(join(directory, file), bytes);
      await writeFile(join(directory, name), Buffer.concat([whole, tail]));
      for (const tornBytes of [BigInt(tail.length), 0n]) {
        const queue = await openScratch(t, directory);
        const stats = queue.stats();
        assert.deepEqual([stats.recovered, stats.damaged, stats.tornBytes], [9n, 0n, tornBytes]);
        await queue.close();
      }
      assert.deepEqual(await readFile(join(directory, name)), whole);
    }
  });

  it('by a missing segment is counted, and the others stay', async t => {
    const sample = await sampleOf(t);
    const missing = sample.segments[1]!;
    await openDamaged(t, sample, new Map([[missing, null]]), (queue, texts) => {
      assert.deepEqual(
        texts,
        sample.records.filter(record => record.segment !== missing).map(record => record.text),
      );
      assert.equal(queue.stats().damaged, 1n);
    });
  });

  it('by records at a place where they were not written is not believed', async t => {
    const sample = await sampleOf(t);
    const [first, second] = sample.segments;
    const whole = sample.files.get(first!)!;
    const { start, end } = sample.records[0]!;
    const copied = Buffer.concat([
      whole,
      whole.subarray(start, end),
      sample.files.get(second!)!.subarray(40),
    ]);
    await openDamaged(t, sample, new Map([[first!, copied]]), (_, texts) => {
      assert.deepEqual(
        texts,
        sample.records.map(record => record.text),
      );
    });
  });

  it('by a read error while starting is none when it passes, and one place when it stays', async t => {
    const sample = await sampleOf(t);
    for (let failing = 0; failing < 6; failing++) {
      const disk = diskOf(sample);
      let reads = 0;
      disk.fault = operation => (operation === 'read' && reads++ === failing ? 'EIO' : undefined);
      const queue = await openScratch(t, '/queue', { disk });
      assert.equal(reads, 7);
      assert.deepEqual([queue.stats().recovered, queue.stats().damaged], [9n, 0n]);
    }
    const disk = diskOf(sample);
    const path = `/queue/${sample.segments[1]}`;
    disk.fault = (operation, failed) => (operation === 'read' && failed === path ? 'EIO' : undefined);
    const queue = await openScratch(t, '/queue', { disk });
    assert.deepEqual(
      [queue.stats().recovered, queue.stats().damaged],
      [6n, 2n],
      'its header and its records',
    );
  });

  it('of a cursor at every byte reads again from the oldest record', async t => {
    const sample = await sampleOf(t);
    const cursor = settledCursor(sample, 5);
    const check = async (bytes: Buffer, texts: number, damaged: bigint): Promise<void> => {
      await openDamaged(t, sample, new Map([[cursorName, bytes]]), (opened, read) => {
        assert.equal(read.length, texts);
        assert.equal(opened.stats().damaged, damaged);
      });
    };
    await check(cursor, 4, 0n);
    for (let at = 0; at < cursor.length; at++) {
      await check(flipped(cursor, at, at % 8), 9, 1n);
      await check(cursor.subarray(0, at), 9, 1n);
    }
    await check(Buffer.concat([cursor, Buffer.alloc(1)]), 9, 1n);
  });

  it('behind which an unacknowledged batch is missing lets it come again, once', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    const offerOf = (sequence: bigint) =>
      batchOf(`${sequence}`, { origin: { instance: instance(3), sequence } });
    await queue.offer(offerOf(1n));
    await Promise.all([2n, 3n, 4n].map(sequence => queue.offer(offerOf(sequence))));
    const batches = await queue.reader(readerName).read(1000, AbortSignal.timeout(5000));
    await queue.close();
    const [name] = (await readdir(directory)).filter(file => file.endsWith('.wal'));
    const bytes = await readFile(join(directory, name!));
    const second = batches.find(batch => textOf(batch) === '2')!;
    bytes.fill(0, Number(second.position & 0xffff_ffffn), Number(second.position & 0xffff_ffffn) + 61);
    await writeFile(join(directory, name!), bytes);
    for (let restart = 0; restart < 2; restart++) {
      const again = await openScratch(t, directory);
      assert.equal(again.durableSequence(instance(3)), 1n);
      await again.offer(batchOf('makes a segment'));
      await again.close();
    }
    const last = await openScratch(t, directory);
    for (const sequence of [2n, 3n, 4n, 5n]) await last.offer(offerOf(sequence));
    assert.equal(last.durableSequence(instance(3)), 5n);
    assert.equal(last.stats().duplicates, 2n);
    assert.deepEqual(
      (await readAll(last))
        .map(textOf)
        .filter(text => text.length === 1)
        .sort(),
      ['1', '2', '3', '4', '5'],
    );
  });

  it('of the disk under a live queue is noticed: a deleted segment is counted, the rest is read', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory, { segmentBytes: 4096, hotBytesMax: 0 });
    await Promise.all(Array.from({ length: 9 }, (_, index) => queue.offer(batchOf(`${index}`.padEnd(1500)))));
    const segments = (await readdir(directory)).filter(file => file.endsWith('.wal')).sort();
    assert.equal(segments.length, 5);
    await unlink(join(directory, segments[1]!));
    const texts = (await readAll(queue)).map(batch => textOf(batch).trim());
    assert.deepEqual(texts, ['0', '1', '4', '5', '6', '7', '8']);
    assert.equal(queue.stats().damaged, 1n);
  });
});
