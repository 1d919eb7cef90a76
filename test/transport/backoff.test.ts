// How long an agent waits before it tries again, and that agents which lost the same collector do not come back together.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backoff } from '../../src/transport/backoff.ts';

const AGENTS = 2000;

describe('the back-off', () => {
  it('doubles from half a second to half a minute, between half of that and all of it', () => {
    const ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
    for (let agent = 0; agent < AGENTS; agent++) {
      const backoff = new Backoff();
      for (const ceiling of ceilings) {
        const delay = backoff.nextMs();
        assert.ok(delay >= ceiling / 2 && delay <= ceiling, `${delay} ms of ${ceiling}`);
      }
    }
  });

  it('stays at its longest, however many attempts there were', () => {
    const backoff = new Backoff();
    for (let attempt = 0; attempt < 5000; attempt++) backoff.nextMs();
    const delay = backoff.nextMs();
    assert.ok(delay >= 15_000 && delay <= 30_000);
  });

  it('reaches both ends of its range by chance alone', t => {
    const random = t.mock.method(Math, 'random', () => 0);
    assert.equal(new Backoff().nextMs(), 250);
    random.mock.mockImplementation(() => 1 - Number.EPSILON);
    assert.ok(new Backoff().nextMs() > 499.9);
  });

  for (const attempts of [1, 4, 9]) {
    it(`spreads the agents that lost one collector over all of the ${attempts}. delay`, () => {
      const delays = Array.from({ length: AGENTS }, () => {
        const backoff = new Backoff();
        for (let earlier = 1; earlier < attempts; earlier++) backoff.nextMs();
        return backoff.nextMs();
      });
      const ceiling = Math.min(30_000, 500 * 2 ** (attempts - 1));
      const tenths = new Array<number>(10).fill(0);
      for (const delay of delays) tenths[Math.min(9, Math.floor((delay / ceiling - 0.5) * 20))]!++;
      // A tenth has 200 of them, give or take 13: that one of these bounds is passed by chance takes more than 7 deviations.
      for (const count of tenths) assert.ok(count > 100 && count < 300, tenths.join(' '));
    });
  }

  it('begins anew when the peer has answered', () => {
    const backoff = new Backoff();
    for (let attempt = 0; attempt < 8; attempt++) backoff.nextMs();
    backoff.reset();
    assert.ok(backoff.nextMs() <= 500);
  });

  it('is short twice while somebody waits, and then as long as if it had not been', () => {
    const backoff = new Backoff();
    backoff.hurry();
    assert.deepEqual([backoff.nextMs(), backoff.nextMs()], [100, 100]);
    const delay = backoff.nextMs();
    assert.ok(delay >= 1000 && delay <= 2000);
  });
});
