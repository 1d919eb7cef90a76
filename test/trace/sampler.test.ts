// Sampling is consistent: the same trace gets the same answer everywhere, and the weight stands in the tracestate.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTraceState } from '@opentelemetry/api';
import fc from 'fast-check';
import { SpanIdentity } from '../../src/context/identity.ts';
import { Threshold } from '../../src/context/threshold.ts';
import { TraceState } from '../../src/context/tracestate.ts';
import { ConsistentSampler, createSampler } from '../../src/trace/sampler.ts';
import { roomOf } from '../../src/transport/room.ts';
import { MemorySink } from '../memory-sink.ts';

const independent = (ratio: number) => new ConsistentSampler({ ratio, parentBased: false });
const parentBased = (ratio: number) => new ConsistentSampler({ ratio, parentBased: true });

/** A parent whose 56 random bits are these 14 digits. */
function parent(randomness: string, flags = 3, state?: string, isRemote = true): SpanIdentity {
  const identity = SpanIdentity.fromHex(
    `123456789abcdef012${randomness}`,
    'b7ad6b7169203331',
    flags,
    state === undefined ? undefined : TraceState.parse(state),
    isRemote,
  );
  assert.ok(identity);
  return identity;
}

const ot = (identity: SpanIdentity) => identity.traceState?.get('ot');

describe('the threshold of a ratio', () => {
  it('is written with four digits of precision, trailing zeros left out', () => {
    const cases: [number, string][] = [
      [1, 'th:0'],
      [0.5, 'th:8'],
      [0.25, 'th:c'],
      [0.1, 'th:e666'],
      [0.01, 'th:fd70a'],
      [2 ** -56, 'th:ffffffffffffff'],
    ];
    for (const [ratio, expected] of cases) {
      const sampled = independent(ratio).start(parent('ffffffffffffff'));
      assert.ok(sampled.sampled, `ratio ${ratio}`);
      assert.equal(ot(sampled), expected, `ratio ${ratio}`);
    }
  });

  it('samples the randomness at the threshold and not the one below', () => {
    assert.equal(independent(0.5).start(parent('80000000000000')).sampled, true);
    assert.equal(independent(0.5).start(parent('7fffffffffffff')).sampled, false);
    assert.equal(independent(0.1).start(parent('e6660000000000')).sampled, true);
    assert.equal(independent(0.1).start(parent('e665ffffffffff')).sampled, false);
    assert.equal(independent(1).start(parent('00000000000000')).sampled, true);
    assert.equal(independent(0).start(parent('ffffffffffffff')).sampled, false);
    assert.equal(independent(1e-18).start(parent('ffffffffffffff')).sampled, false);
  });

  it('is within 0.1 % of the ratio, whatever the ratio', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1, noNaN: true }), ratio => {
        const text = ot(independent(ratio).start(parent('ffffffffffffff')))!.slice(3);
        const kept = (1n << 56n) - BigInt(`0x${text.padEnd(14, '0')}`);
        assert.ok(Math.abs(Number(kept) / 2 ** 56 / ratio - 1) < 1e-3);
      }),
    );
  });
});

describe('the first span of a trace', () => {
  it('is sampled as often as the ratio says, its random flag set', () => {
    const sampler = parentBased(0.25);
    let sampled = 0;
    for (let i = 0; i < 20_000; i++) {
      const identity = sampler.start(undefined);
      assert.equal(identity.traceFlags & 2, 2);
      assert.equal(ot(identity), identity.sampled ? 'th:c' : undefined);
      if (identity.sampled) sampled++;
    }
    // Five standard deviations of the binomial distribution.
    assert.ok(Math.abs(sampled - 5000) < 5 * Math.sqrt(20_000 * 0.25 * 0.75), `${sampled} of 20000`);
  });

  it('follows a ratio that changes', () => {
    const sampler = parentBased(1);
    assert.equal(sampler.start(undefined).sampled, true);
    sampler.ratio = 0;
    assert.equal(sampler.start(undefined).sampled, false);
    sampler.ratio = 7;
    assert.equal(sampler.ratio, 1);
    sampler.ratio = Number.NaN;
    assert.equal(sampler.ratio, 1);
  });
});

describe('a child, parent-based', () => {
  it('follows its parent in trace, flags and tracestate', () => {
    const sampled = parent('00000000000000', 3, 'ot=th:0,v=1', false);
    const child = parentBased(0).start(sampled);
    assert.equal(child.traceId, sampled.traceId);
    assert.notEqual(child.spanId, sampled.spanId);
    assert.equal(child.traceFlags, 3);
    assert.equal(child.traceState, sampled.traceState);
    assert.equal(child.isRemote, false);
    assert.equal(parentBased(1).start(parent('00000000000000', 2)).sampled, false);
    assert.equal(parentBased(1).start(parent('00000000000000', 0xff)).traceFlags, 3);
  });

  it('of a remote parent keeps a threshold that agrees with the flag', () => {
    const state = 'v=1,ot=th:8;x:y';
    const follow = (randomness: string, flags: number) =>
      parentBased(1)
        .start(parent(randomness, flags, state))
        .traceState?.serialize();
    assert.equal(follow('80000000000000', 3), state);
    assert.equal(follow('7fffffffffffff', 3), 'ot=x:y,v=1');
    assert.equal(follow('80000000000000', 2), 'ot=x:y,v=1');
  });

  it('drops a threshold that is none', () => {
    for (const text of ['th:xyz', 'th:', 'th:123456789abcdef']) {
      const child = parentBased(1).start(parent('80000000000000', 3, `ot=${text}`));
      assert.equal(child.traceState?.serialize() ?? '', '', text);
      assert.equal(child.sampled, true);
    }
  });
});

describe('a child, decided here', () => {
  it('prefers explicit randomness to that of the trace ID', () => {
    assert.equal(independent(0.5).start(parent('00000000000000', 3, 'ot=rv:80000000000000')).sampled, true);
    assert.equal(independent(0.5).start(parent('ffffffffffffff', 3, 'ot=rv:7fffffffffffff')).sampled, false);
  });

  it('writes its threshold beside what else is there', () => {
    const child = independent(0.5).start(parent('ffffffffffffff', 3, 'v=1,ot=th:0;rv:ffffffffffffff'));
    assert.equal(child.traceState?.serialize(), 'ot=th:8;rv:ffffffffffffff,v=1');
  });

  it('works on a tracestate of another implementation', () => {
    const foreign = SpanIdentity.fromHex(
      '0af7651916cd43dd8448eb211c80319c',
      'b7ad6b7169203331',
      1,
      createTraceState('a=b'),
    );
    assert.equal(independent(1).start(foreign).traceState?.serialize(), 'ot=th:0,a=b');
  });

  it('decides alike in every process: who samples at a ratio samples at every higher one', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(2 ** 31 - 1),
        (a, b, random) => {
          const trace = parent(random.toString(16).padStart(14, '0').split('').reverse().join(''));
          const [low, high] = a < b ? [a, b] : [b, a];
          if (independent(low).start(trace).sampled) assert.ok(independent(high).start(trace).sampled);
        },
      ),
    );
  });
});

describe('a sampler without room for everything', () => {
  function crowded(ratio: number, share: number, bound = 1, isParentBased = true) {
    const pressure = Object.assign(new MemorySink(), { share, bound });
    return { pressure, sampler: new ConsistentSampler({ ratio, parentBased: isParentBased, pressure }) };
  }

  it('keeps that share of what its ratio keeps, under the higher threshold, and counts the others', () => {
    const { pressure, sampler } = crowded(0.5, 0.5);
    let sampled = 0;
    for (let i = 0; i < 20_000; i++) {
      const identity = sampler.start(undefined);
      assert.equal(ot(identity), identity.sampled ? 'th:c' : undefined);
      if (identity.sampled) sampled++;
    }
    const fiveDeviations = 5 * Math.sqrt(20_000 * 0.25 * 0.75);
    assert.ok(Math.abs(sampled - 5000) < fiveDeviations, `${sampled} of 20000`);
    assert.ok(Math.abs(pressure.leftOut[1] - 5000) < fiveDeviations, `${pressure.leftOut[1]} of 20000`);
    pressure.share = 1;
    assert.equal(sampler.start(parent('ffffffffffffff', 3, undefined, false)).sampled, true);
    while (!sampler.start(undefined).sampled);
    assert.equal(ot(firstSampled(sampler)), 'th:8');
  });

  it('stays within the bound of the collector, which leaves nothing out', () => {
    const { pressure, sampler } = crowded(1, 1, 0.25);
    assert.equal(ot(firstSampled(sampler)), 'th:c');
    assert.equal(ot(firstSampled(crowded(0.1, 1, 0.25).sampler)), 'th:e666');
    assert.equal(ot(firstSampled(crowded(1, 0.5, 0.25).sampler)), 'th:e');
    assert.equal(pressure.leftOut[1], 0);
  });

  it('follows a sampled remote parent only so far, and leaves out the same traces as any other would', () => {
    const { pressure, sampler } = crowded(0, 0.5);
    const kept = sampler.start(parent('c0000000000000', 3, 'v=1,ot=th:8;x:y'));
    assert.deepEqual([kept.sampled, kept.traceState?.serialize()], [true, 'ot=th:c;x:y,v=1']);
    const left = sampler.start(parent('bfffffffffffff', 3, 'v=1,ot=th:8;x:y'));
    assert.deepEqual([left.sampled, left.traceState?.serialize()], [false, 'ot=x:y,v=1']);
    assert.equal(pressure.leftOut[1], 1);
    assert.equal(
      ot(sampler.start(parent('80000000000000', 3))),
      'th:8',
      'a parent without a threshold counts once',
    );
    assert.equal(sampler.start(parent('ffffffffffffff', 2)).sampled, false);
    assert.equal(pressure.leftOut[1], 1, 'what the parent left out is not counted');
  });

  it('keeps a trace whole that has begun in this process', () => {
    const { pressure, sampler } = crowded(1, 0.001);
    const local = parent('00000000000000', 3, 'ot=th:0', false);
    assert.deepEqual([sampler.start(local).sampled, ot(sampler.start(local))], [true, 'th:0']);
    assert.equal(pressure.leftOut[1], 0);
  });

  it('decides alike where it follows no parent', () => {
    const { pressure, sampler } = crowded(1, 0.5, 1, false);
    assert.equal(ot(sampler.start(parent('80000000000000'))), 'th:8');
    assert.equal(sampler.start(parent('7fffffffffffff')).sampled, false);
    assert.equal(pressure.leftOut[1], 1);
  });

  it('gives counts within 2 % through a tenfold overload and an hour without any way out', () => {
    const { pressure, sampler } = crowded(1, 1);
    // Each second brings 2,000 spans, of which 200 are taken away in the first minute, and none afterwards.
    const capacity = 240_000;
    let held = 0;
    let weights = 0;
    let least = 1;
    for (let second = 0; second < 3600; second++) {
      for (let i = 0; i < 2000; i++) {
        pressure.share = roomOf(held / capacity, 0);
        const identity = sampler.start(undefined);
        if (!identity.sampled) continue;
        held++;
        weights += 1 / Threshold.parse(ot(identity)!.slice(3))!.ratio;
        assert.ok(held <= capacity, `full after ${second} s`);
      }
      least = Math.min(least, pressure.share);
      if (second < 60) held = Math.max(0, held - 200);
    }
    assert.ok(least < 0.01, `the share fell to ${least}`);
    assert.ok(Math.abs(weights / (3600 * 2000) - 1) < 0.02, `${weights} of ${3600 * 2000}`);
  });
});

/** The next first span that is sampled. */
function firstSampled(sampler: ConsistentSampler): SpanIdentity {
  for (;;) {
    const identity = sampler.start(undefined);
    if (identity.sampled) return identity;
  }
}

describe('OTEL_TRACES_SAMPLER', () => {
  it('names are mapped, the argument counts for the ratios', () => {
    const sampledParent = parent('00000000000000', 3);
    const outcomes = (
      [
        'always_on',
        'always_off',
        'traceidratio',
        'parentbased_always_on',
        'parentbased_always_off',
        'parentbased_traceidratio',
      ] as const
    ).map(name => {
      const sampler = createSampler(name, 0);
      return [sampler.start(undefined).sampled, sampler.start(sampledParent).sampled];
    });
    assert.deepEqual(outcomes, [
      [true, true],
      [false, false],
      [false, false],
      [true, true],
      [false, true],
      [false, true],
    ]);
  });
});
