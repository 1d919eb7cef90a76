// The network scenario on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf, type ToolRun } from './fault-tool.ts';

const SEEDS_MAX = 3;

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
      // What is under way when a fault comes is the machine's: not every few seconds have a chance to show a bug.
      let seed = 0;
      let run: ToolRun;
      do {
        seed++;
        run = await runTool(['network', '--budget', '1', '--plant', bug, '--seed', `${seed}`]);
      } while (run.code === 0 && seed < SEEDS_MAX);
      assert.equal(run.code, 1, run.errors);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
      const again = `npm run --silent faults -- network --seed ${seed} --budget 1 --plant ${bug}`;
      assert.ok(run.errors.includes(`again: ${again}\n`), run.errors);
    });
  }
});
