// Buffers outside of the heap: how often they make the runtime collect everything.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { countBuffersAsHeap } from '../../collector/buffer-accounting.ts';

const NEWEST_WITHOUT = 12.4;

async function collections(mode: 'as-heap' | 'as-ever'): Promise<number> {
  const child = join(import.meta.dirname, 'buffer-child.ts');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    // How many collections there are depends on how fast they are, unless they have no threads of their own.
    ...['--single-threaded-gc', '--disable-warning=ExperimentalWarning', '--conditions=source', child, mode],
  ]);
  assert.equal(stderr, '');
  return Number(stdout);
}

const skip = Number.parseFloat(process.versions.v8) < 13.6 && 'this V8 does not know the flag';

it('a stream of buffers brings about fewer collections of the whole heap', { skip }, async () => {
  const asEver = await collections('as-ever');
  const asHeap = await collections('as-heap');
  assert.ok(asHeap > 0 && asHeap * 2 < asEver, `${asHeap} instead of ${asEver}`);
});

it('a V8 that does not know the flag is left alone', () => {
  assert.equal(countBuffersAsHeap(NEWEST_WITHOUT), false);
});
