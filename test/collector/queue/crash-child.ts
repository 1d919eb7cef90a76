// The process that the crash test kills: offers without end, and prints each batch that was acknowledged.
import { writeSync } from 'node:fs';
import { openQueue } from '../../../collector/queue/wal.ts';

const [directory, tag, mode] = process.argv.slice(2) as [string, string, 'keep' | 'settle'];
const queue = await openQueue({ directory, readers: ['store'], segmentBytes: 16_384 });
const instance = Buffer.alloc(16, 1);
let sequence = queue.durableSequence(instance);
let count = 0;

/** Alternately of the stream, where a number tells it, and of plain OTLP, where only the text does. */
async function offerForEver(stream: boolean): Promise<never> {
  for (;;) {
    const number = stream ? ++sequence : BigInt(++count);
    const text = stream ? `stream ${number}` : `plain ${tag} ${number}`;
    const payload = Buffer.from(text.padEnd(Number(number % 40n) * 50));
    await queue.offer({
      signal: 1,
      payload,
      items: 1,
      origin: stream ? { instance, sequence: number } : undefined,
    });
    writeSync(1, `${text}\n`);
  }
}

const reader = queue.reader('store');
const forEver = new AbortController().signal;

/** Reads all, and in mode `settle` is done with it: so that there are cursors to save and segments to delete. Says so before. */
async function readForEver(): Promise<never> {
  for (;;) {
    const batches = await reader.read(4096, forEver);
    if (mode === 'keep') continue;
    const texts = batches.map(batch => `done ${Buffer.from(batch.payload).toString().trim()}\n`);
    writeSync(1, texts.join(''));
    reader.done(batches.at(-1)!.position);
  }
}

await Promise.all([...Array.from({ length: 8 }, (_, index) => offerForEver(index === 0)), readForEver()]);
