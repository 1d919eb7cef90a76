// The collector away on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf } from './fault-tool.ts';

const budget = ['--budget', '0.5'];

/** Where each bug shows. */
const found: Readonly<Record<string, string>> = {
  'no-weight': 'estimated spans off by, %',
  'left-out-unseen': "items missing in the agent's account",
};

describe('a collector that is away', () => {
  it('breaks no promise', async () => {
    const run = await runTool(['down', ...budget]);
    const { kept, figures } = summaryOf(run);
    assert.equal(run.code, 0, `${run.errors}${run.output}`);
    assert.equal(kept, true);
    assert.ok(figures.application!.answered! >= 4000, `${figures.application!.answered} requests`);
    assert.ok(figures.spans!['left out']! >= 100, `${figures.spans!['left out']} spans left out`);
    assert.ok(figures.logs!['left out']! >= 100, `${figures.logs!['left out']} lines left out`);
  });

  for (const [bug, promise] of Object.entries(found)) {
    it(`breaks a promise with the planted bug ${bug}`, async () => {
      const run = await runTool(['down', ...budget, '--plant', bug]);
      assert.equal(run.code, 1, `${run.errors}${run.output}`);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
    });
  }
});
