// A small log on disk, and what must be read of it after a cut or a flipped bit.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { QueuedBatch } from '../../../collector/component.ts';
import { cursorSuffix, encodeCursor } from '../../../collector/queue/cursor.ts';
import { offsetOf, positionOf, segmentOf } from '../../../collector/queue/position.ts';
import type { QueueStats } from '../../../collector/queue/queue.ts';
import { recordHeaderBytes } from '../../../collector/queue/record.ts';
import { segmentHeaderBytes } from '../../../collector/queue/segment.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { promise } from './breach.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, instance, readerName, textOf } from './scratch.ts';

export const cursorName: string = readerName + cursorSuffix;

/** Three segments of three records each, and a cursor that is done with nothing. */
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

export async function makeSample(directory: string): Promise<Sample> {
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
  const records = segments.flatMap(segment => {
    const own = batches.filter(batch => segmentOf(batch.position) === Number.parseInt(segment, 16));
    return own.map(batch => recordOf(batch, segment));
  });
  return { files, segments, records };
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
  const invisible = length === whole.length || (isLast && (atBorder || isHeadBorder(sample, name, length)));
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
    reported: true,
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

/** Nothing, or the end of the header, or of the horizon behind it: a segment that nothing was appended to. */
function isHeadBorder(sample: Sample, name: string, length: number): boolean {
  const starts = sample.records.filter(record => record.segment === name).map(record => record.start);
  return length === 0 || length === segmentHeaderBytes || length === Math.min(...starts);
}
