// A planted bug is there, or its planting fails.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plant, rewritten } from './plant.ts';

const edit = { file: 'x.ts', text: 'if (sure)', instead: 'if (true)' };

describe('planting a bug', () => {
  it('replaces what stands there once', () => {
    assert.equal(rewritten('a; if (sure) b;', edit), 'a; if (true) b;');
  });

  it('fails when the source has changed, so that there is nothing to replace', () => {
    assert.throws(() => rewritten('a; if (safe) b;', edit), /x\.ts has 0 times, not once, .*: if \(sure\)/);
  });

  it('fails when it is not clear what to replace', () => {
    assert.throws(() => rewritten('if (sure) a; if (sure) b;', edit), /x\.ts has 2 times, not once/);
  });

  it('fails when the file was loaded before', () => {
    const verify = plant([{ ...edit, file: 'test/faults/plant.ts' }]);
    assert.throws(verify, /plant\.ts was loaded too early, or not at all/);
  });
});
