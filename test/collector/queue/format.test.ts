// The bytes on disk are those of docs/format/wal.md, and a newer version is refused.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { encodeCursor } from '../../../collector/queue/cursor.ts';
import {
  encodeRecordHeader,
  encodeReused,
  type RecordHeader,
  recordHeaderBytes,
} from '../../../collector/queue/record.ts';
import { encodeSegmentHeader } from '../../../collector/queue/segment.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { openScratch, readAll, readerName, scratchDirectory } from './scratch.ts';

const document = readFileSync(new URL('../../../docs/format/wal.md', import.meta.url), 'utf8');
const marker = 0x5ac3e1f0;
const fileName = '00000007-5ac3e1f0.wal';
const instance = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

/** The bytes of a fenced block of the document. */
function golden(label: string): Buffer {
  const block = new RegExp(`\`\`\`hex ${label}\n(.*?)\`\`\``, 's').exec(document)?.[1];
  assert.ok(block !== undefined, label);
  const digits = block.split('\n').map(line => line.slice(4).replaceAll(' ', ''));
  return Buffer.from(digits.join(''), 'hex');
}

function record(fields: Partial<RecordHeader>, body: Buffer, offset: number): Buffer {
  const header = Buffer.alloc(recordHeaderBytes);
  const blank = { kind: 1, signal: 0, items: 0, receivedAt: 1767225600000, origin: undefined } as const;
  const rest = { group: 40, sourceLength: 0, length: body.length, bodyCrc: crc32(body) };
  encodeRecordHeader(header, 0, { ...blank, ...rest, ...fields }, marker, offset);
  return Buffer.concat([header, body]);
}

function horizonEntry(sequence: bigint): Buffer {
  const entry = Buffer.alloc(24);
  entry.set(instance);
  entry.writeBigUInt64LE(sequence, 16);
  return entry;
}

describe('the format', () => {
  it('is written as documented', () => {
    const parts = [
      encodeSegmentHeader({
        number: 7,
        marker,
        previousNumber: 6,
        previousLength: 1234,
        createdAt: 1767225600000,
      }),
      record({ kind: 2 }, horizonEntry(41n), 40),
      record({ kind: 3 }, horizonEntry(43n), 124),
      record(
        {
          signal: 1,
          items: 3,
          receivedAt: 1767225600123,
          origin: { instance, sequence: 42n },
          group: 208,
          sourceLength: 4,
        },
        Buffer.from('otlp\n\x03abc'),
        208,
      ),
      record(
        { signal: 3, items: 1, receivedAt: 1767225600456.5, group: 208 },
        Buffer.from([10, 0]),
        208 + 60 + 9,
      ),
    ];
    assert.equal(Buffer.concat(parts).toString('hex'), golden('segment').toString('hex'));
    const reused = record({ kind: 4 }, encodeReused(67_108_864), 40);
    assert.equal(reused.toString('hex'), golden('reused').toString('hex'));
    const position = (7n << 32n) | 208n;
    assert.equal(encodeCursor('store', position).toString('hex'), golden('cursor').toString('hex'));
  });

  it('is read as documented', async t => {
    const directory = await scratchDirectory(t);
    await writeFile(join(directory, fileName), golden('segment'));
    const queue = await openScratch(t, directory);
    const stats = queue.stats();
    assert.deepEqual([stats.recovered, stats.damaged, stats.tornBytes], [2n, 0n, 0n]);
    assert.equal(queue.durableSequence(instance), 43n);
    const [spans, log] = await readAll(queue);
    assert.deepEqual(
      { ...spans, payload: Buffer.from(spans!.payload).toString() },
      {
        signal: 1,
        payload: '\n\x03abc',
        items: 3,
        source: 'otlp',
        origin: { instance: new Uint8Array(instance), sequence: 42n },
        position: (7n << 32n) | 208n,
        receivedAt: 1767225600123,
      },
    );
    assert.deepEqual([log!.signal, log!.receivedAt, log!.source], [3, 1767225600456.5, undefined]);
  });

  it('has a cursor that is read as documented', async t => {
    const directory = await scratchDirectory(t);
    await writeFile(join(directory, fileName), golden('segment'));
    await writeFile(join(directory, 'store.cursor'), golden('cursor'));
    const queue = await openScratch(t, directory);
    const batches = await readAll(queue);
    assert.deepEqual(
      batches.map(batch => batch.signal),
      [3],
    );
    assert.equal(queue.stats().damaged, 0n);
  });

  it('of a newer version is refused with the file and both versions', async t => {
    const directory = await scratchDirectory(t);
    const newer = golden('segment');
    newer.writeUInt32LE(2, 8);
    newer.writeUInt32LE(crc32(newer.subarray(0, 36)), 36);
    await writeFile(join(directory, fileName), newer);
    const opening = openQueue({ directory, readers: [readerName] });
    await assert.rejects(opening, new RegExp(`${fileName} has format version 2, .* reads version 1`));
    const cursor = golden('cursor');
    cursor.writeUInt32LE(2, 4);
    cursor.writeUInt32LE(crc32('store', crc32(cursor.subarray(0, 16))), 16);
    await writeFile(join(directory, fileName), golden('segment'));
    await writeFile(join(directory, 'store.cursor'), cursor);
    await assert.rejects(openQueue({ directory, readers: [readerName] }), /cursor of store has .* version 2/);
  });
});
