// One process at a time, and only in a directory of the queue's own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openQueue } from '../../../collector/queue/wal.ts';
import { openScratch, readerName, scratchDirectory } from './scratch.ts';

const holder = `
  const { openQueue } = await import(${JSON.stringify(new URL('../../../collector/queue/wal.ts', import.meta.url).href)});
  await openQueue({ directory: process.argv[1], readers: [] });
  process.stdout.write('open');
  setInterval(() => undefined, 1000);
`;

describe('the lock', () => {
  it('refuses a second process with its pid and the path, and is free after SIGKILL', async t => {
    const directory = await scratchDirectory(t);
    const args = ['--conditions=source', '--input-type=module', '-e', holder, directory];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    await assert.rejects(openQueue({ directory, readers: [readerName] }), {
      message: `${directory} is in use by process ${child.pid}`,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await openScratch(t, directory)).close();
  });

  it('refuses a second queue in the same process, and is free after a close', async t => {
    const directory = await scratchDirectory(t);
    const queue = await openScratch(t, directory);
    const again = new RegExp(`in use by process ${process.pid}`);
    await assert.rejects(openQueue({ directory, readers: [readerName] }), again);
    await queue.close();
    await (await openScratch(t, directory)).close();
  });
});

describe('the directory', () => {
  it('is made with its parents', async t => {
    const directory = join(await scratchDirectory(t), 'a', 'b');
    await (await openScratch(t, directory)).close();
  });

  it('is refused when it cannot be made or holds something else', async t => {
    const base = await scratchDirectory(t);
    await writeFile(join(base, 'file'), '');
    const below = join(base, 'file', 'queue');
    await assert.rejects(
      openQueue({ directory: below, readers: [] }),
      new RegExp(`${below} cannot be made: ENOTDIR`),
    );
    await assert.rejects(openQueue({ directory: base, readers: [] }), /no queue's directory: it holds file/);
    await assert.rejects(openQueue({ directory: '/proc/self', readers: [] }), /\/proc\/self /);
    await mkdir(join(base, 'volume', 'lost+found'), { recursive: true });
    await (await openScratch(t, join(base, 'volume'))).close();
  });
});
