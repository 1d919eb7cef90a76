// The fault tool's command line: what it does not know it refuses, with what there is instead.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runTool } from './fault-tool.ts';

const refusals: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [[], /^One NAME is needed\.\n.*\n\n {2}NAME {14}.*\bstorage\b/s],
  [['storge'], /^There is no scenario "storge"\.\n.*NAME {14}.*\bstorage\b/s],
  [['storage', '--plant', 'no-crv'], /^--plant is "no-crv"; there is ack-before-fsync, no-crc, /],
  [['storage', '--part', 'cuts'], /^--part is "cuts"; there is cut, kill, /],
  [['storage', '--point', '1'], /^--point needs a --part\./],
  [['storage', '--seed', '-1'], /--seed/],
  [['storage', '--seed', '2147483648'], /^--seed is "2147483648"; it takes 0 to 2147483647\./],
  [['storage', '--budget', '0'], /^--budget is "0"; it takes 0\.01 to 100\./],
  [['storage', '--budget', '101'], /^--budget is "101"; /],
  [['storage', '--bugdet', '1'], /^Unknown option '--bugdet'/],
];

describe('the fault tool', () => {
  for (const [args, message] of refusals) {
    it(`refuses ${args.join(' ') || 'nothing'}`, async () => {
      const { code, output, errors } = await runTool(args);
      assert.equal(code, 2);
      assert.equal(output, '');
      assert.match(errors, message);
    });
  }
});
