// Damage of every kind at every byte: what is undamaged stays, and what is not is counted.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { QueuedBatch } from '../../../collector/component.ts';
import type { Queue } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, instance, openScratch, readAll, readerName, scratchDirectory, textOf } from './scratch.ts';

/** A small queue: three segments of three records each. */
interface Sample {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Segment names, oldest first. */
  readonly segments: readonly string[];
  readonly records: readonly SampleRecord[];
}

interface SampleRecord {
  readonly text: string;
  readonly segment: string;
  readonly start: number;
  readonly end: number;
}

async function makeSample(t: TestContext): Promise<Sample> {
  const directory = await scratchDirectory(t);
  const batches: QueuedBatch[] = [];
  for (let process = 0; process < 3; process++) {
    const queue = await openQueue({ directory, readers: [readerName] });
    for (let index = 0; index < 3; index++) {
      const origin = { instance: instance(1), sequence: BigInt(process * 3 + index + 1) };
      await queue.offer(batchOf(`${process}.${index} ${'x'.repeat(index * 10)}`, { origin }));
    }
    batches.push(...(await queue.reader(readerName).read(10_000, AbortSignal.timeout(5000))).slice(-3));
    queue.reader(readerName).seek(0n);
    await queue.close();
  }
  const files = new Map<string, Buffer>();
  for (const name of await readdir(directory)) files.set(name, await readFile(join(directory, name)));
  const segments = [...files.keys()].filter(name => name.endsWith('.wal')).sort();
  const records: SampleRecord[] = [];
  for (const name of segments) {
    const number = BigInt(`0x${name.slice(0, 8)}`);
    const own = new Map(batches.filter(b => b.position >> 32n === number).map(b => [b.position, b]));
    for (const batch of own.values()) {
      const start = Number(batch.position & 0xffff_ffffn);
      records.push({
        text: textOf(batch),
        segment: name,
        start,
        end: start + 60 + batch.payload.length,
      });
    }
  }
  return { files, segments, records };
}

type Change = ReadonlyMap<string, Buffer | null>;
type Look = (queue: Queue, texts: string[]) => void;

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

/** The same in memory, for the many; every `realEvery`th in real files. */
async function openDamagedQuickly(t: TestContext, sample: Sample, change: Change, at: number, look: Look) {
  if (at % realEvery === 0) await openDamaged(t, sample, change, look);
  const files = [...changed(sample, change)].map(([name, bytes]) => [`/queue/${name}`, bytes] as const);
  const queue = await openScratch(t, '/queue', { disk: MemoryDisk.of(files) });
  look(queue, (await readAll(queue)).map(textOf));
  await queue.close();
}

const realEvery = 17;

function* changed(sample: Sample, change: Change): Generator<readonly [name: string, bytes: Buffer]> {
  for (const [name, bytes] of new Map([...sample.files, ...change])) if (bytes !== null) yield [name, bytes];
}

const bases = new WeakMap<TestContext, Promise<string>>();

function baseOf(t: TestContext): Promise<string> {
  const base = bases.get(t) ?? scratchDirectory(t);
  bases.set(t, base);
  return base;
}

function reported(queue: Queue): boolean {
  const { damaged, tornBytes } = queue.stats();
  return damaged > 0n || tornBytes > 0n;
}

describe('damage', () => {
  it('by a cut at every byte loses only what was cut off', async t => {
    const sample = await makeSample(t);
    assert.deepEqual([sample.segments.length, sample.records.length], [3, 9]);
    for (const name of sample.segments) {
      const whole = sample.files.get(name)!;
      const isLast = name === sample.segments.at(-1);
      for (let length = 0; length <= whole.length; length++) {
        const kept = sample.records.filter(({ segment, end }) => segment !== name || end <= length);
        const change = new Map([[name, whole.subarray(0, length)]]);
        await openDamagedQuickly(t, sample, change, length, (queue, texts) => {
          assert.deepEqual(
            texts,
            kept.map(record => record.text),
            `${name} cut at ${length}`,
          );
          const atBorder = kept.some(({ segment, end }) => segment === name && end === length);
          const invisible =
            length === whole.length || (isLast && (atBorder || isHeadBorder(sample, name, length)));
          assert.equal(reported(queue), !invisible, `${name} cut at ${length}`);
        });
      }
    }
  });

  it('of one bit at every byte loses at most the record around it', async t => {
    const sample = await makeSample(t);
    for (const name of sample.segments) {
      const whole = sample.files.get(name)!;
      for (let at = 0; at < whole.length; at++) {
        const flipped = Buffer.from(whole);
        flipped[at]! ^= 1 << (at % 8);
        const kept = sample.records.filter(
          ({ segment, start, end }) => segment !== name || at < start || at >= end,
        );
        await openDamagedQuickly(t, sample, new Map([[name, flipped]]), at, (queue, texts) => {
          assert.deepEqual(
            texts,
            kept.map(record => record.text),
            `${name} flipped at ${at}`,
          );
          assert.ok(reported(queue), `${name} flipped at ${at}: nothing reported`);
        });
      }
    }
  });

  it('of a length never makes a large allocation', async t => {
    const sample = await makeSample(t);
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
    const sample = await makeSample(t);
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
    const sample = await makeSample(t);
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
    const sample = await makeSample(t);
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
    const sample = await makeSample(t);
    const files = [...changed(sample, new Map())].map(([name, bytes]) => [`/queue/${name}`, bytes] as const);
    for (let failing = 0; failing < 6; failing++) {
      const disk = MemoryDisk.of(files);
      let reads = 0;
      disk.fault = operation => (operation === 'read' && reads++ === failing ? 'EIO' : undefined);
      const queue = await openScratch(t, '/queue', { disk });
      assert.equal(reads, 7);
      assert.deepEqual([queue.stats().recovered, queue.stats().damaged], [9n, 0n]);
    }
    const disk = MemoryDisk.of(files);
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
    const sample = await makeSample(t);
    const directory = await scratchDirectory(t);
    for (const [file, bytes] of sample.files) await writeFile(join(directory, file), bytes);
    const queue = await openScratch(t, directory);
    const batches = await queue.reader(readerName).read(1 << 20, AbortSignal.timeout(5000));
    queue.reader(readerName).done(batches[4]!.position);
    await queue.close();
    const cursor = await readFile(join(directory, 'store.cursor'));
    const check = async (bytes: Buffer, texts: number, damaged: bigint): Promise<void> => {
      await openDamaged(t, sample, new Map([['store.cursor', bytes]]), (opened, read) => {
        assert.equal(read.length, texts);
        assert.equal(opened.stats().damaged, damaged);
      });
    };
    await check(cursor, 4, 0n);
    for (let at = 0; at < cursor.length; at++) {
      const flipped = Buffer.from(cursor);
      flipped[at]! ^= 1 << (at % 8);
      await check(flipped, 9, 1n);
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

/** Nothing, or the end of the header, or of the horizon behind it: a segment that nothing was appended to. */
function isHeadBorder(sample: Sample, name: string, length: number): boolean {
  const starts = sample.records.filter(record => record.segment === name).map(record => record.start);
  return length === 0 || length === 40 || length === Math.min(...starts);
}
