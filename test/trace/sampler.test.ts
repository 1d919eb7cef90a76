// Sampling is consistent: the same trace gets the same answer everywhere, and the weight stands in the tracestate.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTraceState } from '@opentelemetry/api';
import fc from 'fast-check';
import { SpanIdentity } from '../../src/context/identity.ts';
import { TraceState } from '../../src/context/tracestate.ts';
import { ConsistentSampler, createSampler } from '../../src/trace/sampler.ts';

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
