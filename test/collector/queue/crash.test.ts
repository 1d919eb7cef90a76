// A real process killed with SIGKILL under load: what it acknowledged is found exactly once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openScratch, readAll, scratchDirectory, textOf } from './scratch.ts';

const child = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
const kills = 4;

interface Witness {
  readonly acknowledged: Set<string>;
  /** What the reader was about to be done with: it may be gone. */
  readonly done: Set<string>;
}

type Mode = 'keep' | 'settle';

/** Starts the child, kills it after so many acknowledgements, and adds what it said to the witness. */
async function runAndKill(directory: string, mode: Mode, after: number, witness: Witness): Promise<void> {
  const args = ['--conditions=source', child, directory, `${after}`, mode];
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let acknowledgements = 0;
  for await (const line of createInterface({ input: process_.stdout })) {
    const isDone = line.startsWith('done ');
    if (isDone) witness.done.add(line.slice(5));
    else witness.acknowledged.add(line);
    if (!isDone && ++acknowledgements === after) process_.kill('SIGKILL');
  }
  if (process_.exitCode === null && process_.signalCode === null) await once(process_, 'exit');
  assert.equal(process_.signalCode, 'SIGKILL');
}

/** Kills several processes one after another; checks what is there in the end, and gives how much has gone. */
async function killAndCheck(t: TestContext, mode: Mode): Promise<number> {
  const directory = await scratchDirectory(t);
  const witness: Witness = { acknowledged: new Set(), done: new Set() };
  for (let kill = 0; kill < kills; kill++) await runAndKill(directory, mode, 100 + kill * 200, witness);
  const queue = await openScratch(t, directory);
  const texts = (await readAll(queue)).map(batch => textOf(batch).trim());
  const present = new Set(texts);
  assert.equal(present.size, texts.length, 'something is there twice');
  assert.ok(witness.acknowledged.size >= 1600, `only ${witness.acknowledged.size} acknowledged`);
  const gone = [...witness.acknowledged].filter(text => !present.has(text));
  for (const text of gone) assert.ok(witness.done.has(text), `acknowledged and lost: ${text}`);
  assert.equal(queue.stats().damaged, 0n);
  return gone.length;
}

describe(`SIGKILL under load, ${kills} times`, () => {
  it('leaves each acknowledged batch exactly once', async t => {
    assert.equal(await killAndCheck(t, 'keep'), 0);
  });

  it('also while cursors move and segments are deleted', async t => {
    assert.ok((await killAndCheck(t, 'settle')) > 100);
  });
});
