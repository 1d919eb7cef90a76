// The network scenario on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf } from './fault-tool.ts';

/** Where each bug shows. */
const found: Readonly<Record<string, string>> = {
  'no-dedup': 'items stored twice',
  'ack-on-receipt': 'acknowledged items lost',
};

describe('faults of the network', () => {
  it('break no promise', async () => {
    const run = await runTool(['network', '--budget', '1']);
    const { kept, figures } = summaryOf(run);
    assert.equal(run.code, 0, run.errors);
    assert.equal(kept, true);
    assert.ok(figures.network!.kills! >= 1);
    assert.ok(figures.network!.faults! >= 5, `${figures.network!.faults} faults`);
    assert.ok(figures.agents!.resent! >= 1, 'no batch came again');
    assert.ok(figures.agents!.delivered! >= 1000, `${figures.agents!.delivered} items`);
  });

  for (const [bug, promise] of Object.entries(found)) {
    it(`break a promise with the planted bug ${bug}, and the tool says how to see it again`, async () => {
      const run = await runTool(['network', '--budget', '1', '--plant', bug]);
      assert.equal(run.code, 1, run.errors);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
      const again = `npm run --silent faults -- network --seed 1 --budget 1 --plant ${bug}`;
      assert.ok(run.errors.includes(`again: ${again}\n`), run.errors);
    });
  }
});
