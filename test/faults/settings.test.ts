// Wrong settings on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf } from './fault-tool.ts';

/** Where each bug shows. */
const found: readonly (readonly [bug: string, part: string, budget: string, promise: string])[] = [
  ['unseen', 'misspelled', '1', 'wrong settings that the agent does not name'],
  ['exit-code', 'files', '12', 'applications whose output, exit code or end is another'],
];

describe('wrong settings', () => {
  it('break no promise', async () => {
    const run = await runTool(['settings', '--budget', '1']);
    assert.equal(run.code, 0, `${run.errors}${run.output}`);
    const { kept, figures } = summaryOf(run);
    assert.equal(kept, true);
    const parts = ['misspelled', 'impossible', 'empty', 'several', 'files', 'collectors'];
    assert.deepEqual(Object.keys(figures), parts);
    for (const part of parts) assert.ok(figures[part]!.points! >= 1, part);
  });

  for (const [bug, part, budget, promise] of found) {
    it(`break a promise with the planted bug ${bug}, and the tool says how to see it again`, async () => {
      const run = await runTool(['settings', '--part', part, '--budget', budget, '--plant', bug]);
      assert.equal(run.code, 1, `${run.errors}${run.output}`);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
      const again = /again: npm run --silent faults -- (.*)/.exec(run.errors)![1]!;
      const repeated = await runTool(again.split(' '));
      assert.equal(repeated.code, 1, again);
      assert.equal(summaryOf(repeated).figures[part]!.points, 1);
    });
  }
});
