// Segments and cursors of the queue as anybody may have left them: the queue opens, and gives what its checksums vouch for.
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { encodeCursor } from '../../../../collector/queue/cursor.ts';
import { positionOf } from '../../../../collector/queue/position.ts';
import { encodeRecordHeader, RecordKind, recordHeaderBytes } from '../../../../collector/queue/record.ts';
import { encodeSegmentHeader, segmentHeaderBytes } from '../../../../collector/queue/segment.ts';
import { openQueue } from '../../../../collector/queue/wal.ts';
import { MemoryDisk } from '../../../collector/queue/memory-disk.ts';
import { readAll, readerName } from '../../../collector/queue/scratch.ts';
import { chosen, type Decoder, holds } from '../decoder.ts';
import { bodyOf } from '../requests.ts';

const [number, marker] = [7, 0x5ac3e1f0];
const segmentName = '00000007-5ac3e1f0.wal';
/** Bits of the first byte. */
const [REPAIRED, CURSOR] = [1, 2];

interface RecordParts {
  readonly kind: number;
  readonly source: string;
  readonly text: string;
}

function segmentOf(records: readonly RecordParts[]): Buffer {
  const head = { number, marker, previousNumber: 0, previousLength: 0, createdAt: 1_800_000_000_000 };
  const parts: Buffer[] = [encodeSegmentHeader(head)];
  let offset = segmentHeaderBytes;
  for (const [at, { kind, source, text }] of records.entries()) {
    const body = Buffer.from(source + text);
    const bytes = Buffer.concat([Buffer.alloc(recordHeaderBytes), body]);
    const origin =
      kind === RecordKind.batch
        ? { instance: new Uint8Array(16).fill(1), sequence: BigInt(at + 1) }
        : undefined;
    const lengths = {
      length: body.length,
      sourceLength: source.length,
      bodyCrc: crc32(body),
      group: segmentHeaderBytes,
    };
    encodeRecordHeader(
      bytes,
      0,
      { kind, signal: 1, items: 1, receivedAt: 1_800_000_000_000, origin, ...lengths },
      marker,
      offset,
    );
    parts.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat(parts);
}

/** Each record that has its marker gets checksums that fit what it says now. */
function repaired(segment: Buffer): Buffer {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(marker);
  for (let at = segment.indexOf(mark, segmentHeaderBytes); at >= 0; at = segment.indexOf(mark, at + 4)) {
    const end = at + recordHeaderBytes;
    if (end > segment.length) break;
    const length = segment.readUInt32LE(at + 8);
    segment.writeUInt32LE(crc32(segment.subarray(end, end + length)), at + 12);
    segment.writeUInt32LE(crc32(segment.subarray(at + 8, end), at), at + 4);
  }
  if (segment.length >= segmentHeaderBytes) segment.writeUInt32LE(crc32(segment.subarray(0, 36)), 36);
  return segment;
}

const batch = (text: string, source = ''): RecordParts => ({ kind: RecordKind.batch, source, text });
const horizon = (kind: number): RecordParts => ({
  kind,
  source: '',
  text: `${'\u0001'.repeat(16)}\u0002${'\0'.repeat(7)}`,
});
const sample = segmentOf([
  horizon(RecordKind.horizon),
  batch('one'),
  horizon(RecordKind.ahead),
  batch('two', 'otlp'),
]);
const cursor = encodeCursor(readerName, positionOf(number, segmentHeaderBytes));

const record = fc.record({
  kind: fc.nat(4),
  source: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  text: fc.string(),
});

export const decoder: Decoder = {
  seeds: [chosen(0, sample), chosen(REPAIRED, sample), chosen(CURSOR, cursor)],
  words: [
    Buffer.from('TRICWAL\n'),
    Buffer.from('TCUR'),
    sample.subarray(segmentHeaderBytes, segmentHeaderBytes + 4),
    Buffer.alloc(60),
    Buffer.alloc(4, 0xff),
  ],
  inputs: fc
    .tuple(fc.nat(1), fc.array(record, { maxLength: 5 }))
    .map(([choice, records]) => chosen(choice, segmentOf(records))),
  async read(input) {
    const choice = input[0] ?? 0;
    const bytes = Buffer.from(bodyOf(input));
    const isCursor = (choice & CURSOR) !== 0;
    const segment = isCursor ? sample : choice & REPAIRED ? repaired(bytes) : bytes;
    const files: [string, Buffer][] = [[`/queue/${segmentName}`, segment]];
    if (isCursor) files.push([`/queue/${readerName}.cursor`, bytes]);
    const disk = MemoryDisk.of(files);
    const queue = await openQueue({ directory: '/queue', readers: [readerName], disk }).catch(error => {
      if (/format version/.test((error as Error).message)) return undefined;
      throw error;
    });
    if (queue === undefined) return 'refused';
    const payloads = (await readAll(queue)).map(({ payload }) => Buffer.from(payload));
    const { damaged, tornBytes } = queue.stats();
    await queue.close();
    for (const payload of payloads)
      holds(segment.includes(payload), `${payload.toString('hex')} was never written`);
    if (segment.equals(sample) && !isCursor)
      holds(payloads.join() === 'one,two', `${payloads} of an undamaged segment`);
    return damaged > 0n || tornBytes > 0n ? 'refused' : 'read';
  },
};
