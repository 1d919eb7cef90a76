// The input scenario on a small budget: every promise is kept, and no planted bug is missed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool, summaryOf } from './fault-tool.ts';
import { caseItems } from './input/cases/input-case.ts';
import { decoders } from './input/decoders.ts';

const budget = ['--budget', '0.01'];

const [crashes, growth, disagreement] = [
  'crashes, and errors that were not declared',
  'allocations without bounds',
  'wrong answers, and readers that do not agree',
];
const slowness = 'inputs that took more than 100 ms for each KiB';

/** Where a bug is found on such a budget, and what it breaks there. */
const found: Readonly<Record<string, readonly [part: string, promise: string]>> = {
  'no-depth-limit': ['agreement', disagreement],
  'allocate-first': ['response', growth],
  'foreign-error': ['decode', crashes],
  'search-in-place': ['wal', slowness],
};

describe('malformed, hostile and random input', { concurrency: 2 }, () => {
  it('breaks no promise', async () => {
    const run = await runTool(['input', ...budget]);
    const { kept, figures } = summaryOf(run);
    assert.equal(run.code, 0, run.errors);
    assert.equal(kept, true);
    assert.equal(figures.cases!.items, caseItems.length - 1, 'all but slow-loris, which takes its time');
    for (const name of Object.keys(decoders)) {
      const { inputs, blocks, corpus } = figures[name]!;
      assert.ok(inputs! >= 300 && blocks! >= 50 && corpus! >= 3, `${name}: ${JSON.stringify(figures[name])}`);
    }
  });

  for (const [bug, [part, promise]] of Object.entries(found)) {
    it(`breaks a promise with the planted bug ${bug}`, async () => {
      const run = await runTool(['input', ...budget, '--part', part, '--plant', bug]);
      assert.equal(run.code, 1, run.errors);
      assert.ok(summaryOf(run).broken.includes(promise), run.output);
    });
  }

  it('is repeated by the command that the tool prints, up to the byte', async () => {
    const args = ['input', ...budget, '--part', 'decode', '--plant', 'foreign-error'];
    const run = await runTool(args);
    const again = /again: npm run --silent faults -- (.*)/.exec(run.errors)![1]!;
    const repeated = await runTool(again.split(' '));
    assert.equal(repeated.code, 1, again);
    assert.equal(summaryOf(repeated).failures[0], summaryOf(run).failures[0]);
  });

  it('is found by the cases too, over every receiver', async () => {
    const run = await runTool(['input', '--part', 'cases', '--point', '0', '--plant', 'wrong-type-taken']);
    assert.equal(run.code, 1, run.errors);
    assert.match(
      summaryOf(run).failures[0]!,
      /every field in every wrong wire type, grpc: taken, not malformed/,
    );
  });
});
