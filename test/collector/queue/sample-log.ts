// A small log on disk, and what must be read of it after a cut or a flipped bit.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { QueuedBatch } from '../../../collector/component.ts';
import { cursorSuffix, encodeCursor } from '../../../collector/queue/cursor.ts';
import { offsetOf, positionOf, segmentOf } from '../../../collector/queue/position.ts';
import type { Queue, QueueStats } from '../../../collector/queue/queue.ts';
import { recordHeaderBytes } from '../../../collector/queue/record.ts';
import { segmentHeaderBytes } from '../../../collector/queue/segment.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { promise } from './breach.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, instance, readerName, textOf } from './scratch.ts';

export const cursorName: string = readerName + cursorSuffix;

/** Three segments of three records each, and a cursor that is done with none of them. */
export interface Sample {
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

/** Files of the sample that are others, or with null are not there. */
export type Change = ReadonlyMap<string, Buffer | null>;

const processes = 3;

/** @param reused the third segment lies in the file of one that was longer, as a process leaves it that does not close */
export async function makeSample(directory: string, reused = false): Promise<Sample> {
  const batches: QueuedBatch[] = [];
  if (reused) await makeOlder(directory);
  let files = new Map<string, Buffer>();
  for (let process = 0; process < processes; process++) {
    const queue = await openQueue({ directory, readers: [readerName] });
    if (reused && process === processes - 1) await settleOldest(queue);
    for (let index = 0; index < 3; index++) {
      const origin = { instance: instance(1), sequence: BigInt(process * 3 + index + 1) };
      await queue.offer(batchOf(`${process}.${index} ${'x'.repeat(index * 10)}`, { origin }));
    }
    batches.push(...(await queue.reader(readerName).read(10_000, AbortSignal.timeout(5000))).slice(-3));
    queue.reader(readerName).seek(0n);
    files = await filesOf(directory);
    await queue.close();
  }
  const segments = [...files.keys()].filter(name => name.endsWith('.wal')).sort();
  const records = segments.flatMap(segment => {
    const own = batches.filter(batch => segmentOf(batch.position) === Number.parseInt(segment, 16));
    return own.map(batch => recordOf(batch, segment));
  });
  return { files, segments, records };
}

/** A segment of a sample. */
export interface Place {
  readonly sample: Sample;
  readonly name: string;
}

/** Every kind of segment there is: those of a sample, and then the newest of one in the file of an older segment. */
export async function makePlaces(directory: string): Promise<Place[]> {
  const [fresh, reused] = [
    await makeSample(join(directory, 'fresh')),
    await makeSample(join(directory, 'reused'), true),
  ];
  const places = fresh.segments.map(name => ({ sample: fresh, name }));
  return [...places, { sample: reused, name: reused.segments.at(-1)! }];
}

async function filesOf(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(directory)) files.set(name, await readFile(join(directory, name)));
  return files;
}

async function makeOlder(directory: string): Promise<void> {
  const queue = await openQueue({ directory, readers: [readerName] });
  for (let index = 0; index < 5; index++) await queue.offer(batchOf(`older ${index}`.padEnd(100)));
  await queue.close();
}

/** Until the file of the oldest segment is free. */
async function settleOldest(queue: Queue): Promise<void> {
  const reader = queue.reader(readerName);
  const batches = await reader.read(10_000, AbortSignal.timeout(5000));
  const oldest = batches.filter(({ position }) => segmentOf(position) === segmentOf(batches[0]!.position));
  reader.done(oldest.at(-1)!.position);
  while (queue.stats().segments === processes) await new Promise(setImmediate);
}

function recordOf(batch: QueuedBatch, segment: string): SampleRecord {
  const start = offsetOf(batch.position);
  return { text: textOf(batch), segment, start, end: start + recordHeaderBytes + batch.payload.length };
}

export function* changed(
  sample: Sample,
  change: Change,
): Generator<readonly [name: string, content: Buffer]> {
  for (const [name, bytes] of new Map([...sample.files, ...change])) if (bytes !== null) yield [name, bytes];
}

/** A change of the sample, and what must be true of the queue that is opened on it. */
export interface Damage {
  /** What was done, for messages. */
  readonly title: string;
  readonly change: Change;
  /** What is read, in order. */
  readonly kept: readonly string[];
  /** Whether the queue counts something as damaged or torn. */
  readonly reported: boolean;
}

/** The sample in memory, under `/queue`. */
export function diskOf(sample: Sample, change: Change = new Map()): MemoryDisk {
  return MemoryDisk.of([...changed(sample, change)].map(([name, bytes]) => [`/queue/${name}`, bytes]));
}

/** A segment that ends after `length` bytes. */
export function cutAt(sample: Sample, name: string, length: number): Damage {
  const whole = sample.files.get(name)!;
  const kept = sample.records.filter(({ segment, end }) => segment !== name || end <= length);
  const atBorder = kept.some(({ segment, end }) => segment === name && end === length);
  const isLast = name === sample.segments.at(-1);
  const invisible =
    length === whole.length ||
    (isLeftover(sample, name, length) && !beginsLikeRecord(sample, name, length)) ||
    (isLast && (atBorder || isHeadBorder(sample, name, length)));
  return {
    title: `${name} cut at ${length}`,
    change: new Map([[name, whole.subarray(0, length)]]),
    kept: kept.map(record => record.text),
    reported: !invisible,
  };
}

/** A segment with one bit turned over in the byte at `at`. */
export function flippedAt(sample: Sample, name: string, at: number, bit: number): Damage {
  const kept = sample.records.filter(
    ({ segment, start, end }) => segment !== name || at < start || at >= end,
  );
  return {
    title: `bit ${bit} of ${name} flipped at ${at}`,
    change: new Map([[name, flipped(sample.files.get(name)!, at, bit)]]),
    kept: kept.map(record => record.text),
    reported: !isLeftover(sample, name, at),
  };
}

export function flipped(content: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(content);
  copy[at]! ^= 1 << bit;
  return copy;
}

/** The cursor of a reader that is done with the first `count` records. */
export function settledCursor({ records }: Sample, count: number): Buffer {
  const { segment, start } = records[count - 1]!;
  return encodeCursor(readerName, positionOf(Number.parseInt(segment, 16), start));
}

/** A cursor with one bit turned over: its reader begins at the oldest record. */
export function cursorFlippedAt(sample: Sample, at: number, bit: number): Damage {
  return {
    title: `bit ${bit} of the cursor flipped at ${at}`,
    change: new Map([[cursorName, flipped(settledCursor(sample, 5), at, bit)]]),
    kept: sample.records.map(record => record.text),
    reported: true,
  };
}

/** @throws Breach when anything else was read than what is kept, or nothing tells of the damage */
export function promiseKept(stats: QueueStats, texts: readonly string[], damage: Damage): void {
  const { title, kept, reported } = damage;
  for (const text of kept) promise(texts.includes(text), 'lost', `${text} with ${title}`);
  promise(new Set(texts).size === texts.length, 'twice', `${texts} with ${title}`);
  for (const text of texts) promise(kept.includes(text), 'invented', `${text} with ${title}`);
  promise(texts.join() === kept.join(), 'invented', `another order with ${title}`);
  const says = stats.damaged > 0n || stats.tornBytes > 0n;
  promise(says || !reported, 'silent', title);
  promise(reported || !says, 'invented', `damage where there is none: ${title}`);
}

/** Behind the last record of the newest segment: what a longer one has left in its file. */
function isLeftover({ records, segments }: Sample, name: string, at: number): boolean {
  return name === segments.at(-1) && at >= records.at(-1)!.end;
}

/** So few bytes of the leftover that by chance they are the first of the marker: nothing tells them from a record that was torn. */
function beginsLikeRecord({ files, records }: Sample, name: string, length: number): boolean {
  const { start, end } = records.at(-1)!;
  const bytes = files.get(name)!;
  const count = length - end;
  return count > 0 && count < 4 && bytes.subarray(end, length).equals(bytes.subarray(start, start + count));
}

/** Nothing, or the end of the header, or of a record behind it that is no batch: a segment that nothing was appended to. */
function isHeadBorder(sample: Sample, name: string, length: number): boolean {
  const bytes = sample.files.get(name)!;
  const first = sample.records.find(record => record.segment === name)!.start;
  const borders = new Set([0]);
  for (let at = segmentHeaderBytes; at <= first; at += recordHeaderBytes + bytes.readUInt32LE(at + 8))
    borders.add(at);
  return borders.has(length);
}
