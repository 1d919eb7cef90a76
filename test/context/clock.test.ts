// Time is monotonic between an anchor and now, and follows the wall clock for what starts later.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { Clock } from '../../src/context/clock.ts';

function manual() {
  const time = { monotonic: 5000, wall: 1_700_000_000_000 };
  const clock = new Clock({ monotonic: () => time.monotonic, wall: () => time.wall });
  return { time, clock };
}

describe('the anchor', () => {
  it('is the wall time of the start', () => {
    assert.equal(manual().clock.anchorUnixNanos, 1_700_000_000_000_000_000n);
    const clock = new Clock();
    const off = Number(clock.anchorUnixNanos / 1_000_000n) + clock.now() / 1e6 - Date.now();
    assert.ok(Math.abs(off) < 100, `${off} ms off`);
  });
});

describe('a step of the wall clock', () => {
  for (const step of [-3_600_000, 3 * 86_400_000]) {
    it(`of ${step} ms moves what starts later and stretches nothing`, () => {
      const { time, clock } = manual();
      const offset = clock.offset;
      const start = clock.now();
      time.monotonic += 10_000;
      time.wall += 10_000 + step;
      assert.equal(clock.elapsed() + offset - start, 10_000e6);
      assert.equal(clock.now(), (10_000 + step) * 1e6);
      assert.equal(clock.elapsed(), 10_000e6);
    });
  }

  it('is looked at every 10 seconds, and up to 100 ms are left alone', () => {
    const { time, clock } = manual();
    time.wall += 1e6;
    time.monotonic += 9_999;
    assert.equal(clock.now(), 9_999e6);
    const small = manual();
    small.time.monotonic += 10_000;
    small.time.wall += 10_100;
    assert.equal(small.clock.now(), 10_000e6);
    small.time.monotonic += 10_000;
    small.time.wall += 10_001;
    assert.equal(small.clock.now(), 20_101e6);
  });

  it('is noticed by performance readings, too, of whatever age they are', () => {
    const { time, clock } = manual();
    time.monotonic += 10_500;
    time.wall += 13_500;
    assert.equal(clock.fromTimeInput(time.monotonic - 500), 13_000e6);
    assert.equal(clock.now(), 13_500e6);
  });
});

describe('a time input', () => {
  it('may be milliseconds, seconds and nanoseconds, a Date or a performance reading', () => {
    const { time, clock } = manual();
    assert.equal(clock.fromTimeInput(1_700_000_001_500), 1500e6);
    assert.equal(clock.fromTimeInput(1_699_999_999_000), -1000e6);
    assert.equal(clock.fromTimeInput([1_700_000_001, 500]), 1e9 + 500);
    assert.equal(clock.fromTimeInput(new Date(1_700_000_001_500)), 1500e6);
    assert.equal(clock.fromTimeInput(5001), 1e6);
    time.monotonic += 7;
    assert.equal(clock.fromTimeInput(undefined), 7e6);
  });

  it('that is none is now', () => {
    const { clock } = manual();
    for (const input of [
      Number.NaN,
      new Date(Number.NaN),
      [1],
      ['a', 'b'],
      {},
      'noon',
      null,
      Number.POSITIVE_INFINITY,
    ])
      assert.equal(clock.fromTimeInput(input as never), 0, String(input));
  });

  it('of performance.now() is now on the clock of the process', () => {
    const clock = new Clock();
    const reading = performance.now();
    assert.ok(Math.abs(clock.fromTimeInput(reading) - clock.now()) < 100e6);
  });
});
