// The storage scenario on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf } from './fault-tool.ts';

const budget = ['--budget', '0.1'];

/** Where each bug is found first, and what it breaks there. */
const found: readonly (readonly [bug: string, part: string, promise: string])[] = [
  ['ack-before-fsync', 'power-loss', 'acknowledged items lost with the power'],
  ['no-crc', 'flip', 'damage that nothing reported'],
  ['no-dedup', 'crash', 'items shown twice after a crash'],
  ['trust-failed-fsync', 'io-error', 'false acknowledgements by a failing disk'],
  ['one-marker', 'crash', 'items, damage or times that are not there'],
  ['age-by-wall-clock', 'clock', 'processes that did not go on by themselves after that'],
];

describe('faults of the storage', () => {
  it('break no promise', async t => {
    const run = await runTool(['storage', ...budget]);
    const { kept, figures, skipped } = summaryOf(run);
    assert.equal(run.code, 0, run.errors);
    assert.equal(kept, true);
    for (const [part, reason] of Object.entries(skipped)) t.diagnostic(`${part} skipped: ${reason}`);
    for (const [part, least] of Object.entries({
      cut: 500,
      kill: 2,
      crash: 200,
      flip: 24,
      'io-error': 300,
      'call-error': 8,
      'slow-fsync': 1,
      'full-disk': 3,
      clock: 3,
    })) {
      if (part in skipped) continue;
      assert.ok(figures[part]!.faults! >= least, `${part}: ${figures[part]!.faults} of ${least} faults`);
    }
    assert.ok(figures['power-loss']!.points! >= 100);
  });

  for (const [bug, part, promise] of found) {
    it(`break a promise of ${part} with the planted bug ${bug}, and the tool says how to see it again`, async t => {
      const run = await runTool(['storage', ...budget, '--part', part, '--plant', bug]);
      const reason = summaryOf(run).skipped[part];
      if (reason !== undefined) return t.skip(reason);
      assert.equal(run.code, 1, run.errors);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
      const again = /again: npm run --silent faults -- (.*)/.exec(run.errors)![1]!;
      const repeated = await runTool(again.split(' '));
      assert.equal(repeated.code, 1, again);
      assert.equal(summaryOf(repeated).figures[part]!.points, 1);
    });
  }

  it('that need strace are skipped without it, and the tool says how to get it', async () => {
    const run = await runTool(['storage', ...budget, '--part', 'kill'], { PATH: '' });
    assert.equal(run.code, 0, run.errors);
    assert.deepEqual(summaryOf(run).skipped, { kill: 'strace is not installed; apt-get install strace' });
    assert.match(run.output, /^kill skipped: /m);
  });
});
