// Series: one per attribute set, whatever the order of its keys, and never more than allowed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attributes } from '@opentelemetry/api';
import fc from 'fast-check';
import type { CleanValue } from '../../src/context/attributes.ts';
import { Labels } from '../../src/context/labels.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { newMetricCounters } from '../../src/metrics/metric-counters.ts';
import { SeriesIndex } from '../../src/metrics/series-index.ts';
import { seriesKey } from '../../src/metrics/series-key.ts';
import { MemorySink } from '../memory-sink.ts';
import { metricNamed, takeMetrics, valuesOf } from './collected.ts';

function index(cardinalityLimit = 2000, labels: readonly string[] = []) {
  const counters = newMetricCounters();
  const overflows: number[] = [];
  const owner = { begins: () => 0, overflows: (sets: readonly unknown[]) => overflows.push(sets.length) };
  return { counters, overflows, series: new SeriesIndex({ cardinalityLimit, labels, counters }, owner) };
}

const primitive = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.constantFrom('|', ':', '1:', 's1:'),
);
const value = fc.oneof(
  primitive,
  fc.array(primitive, { maxLength: 3 }),
  fc.dictionary(fc.string(), primitive, { maxKeys: 2 }),
);
const set = fc.dictionary(fc.string({ minLength: 1 }), value, { maxKeys: 4 });

/** A reference for equality that shares nothing with the encoding: sorted, and compared by structure. */
function same(a: Attributes, b: Attributes): boolean {
  const normal = (attributes: Attributes): unknown =>
    Object.entries(attributes).sort(([x], [y]) => (x < y ? -1 : 1));
  try {
    assert.deepEqual(plusZero(normal(a)), plusZero(normal(b)));
    return true;
  } catch {
    return false;
  }
}

/** `-0` is `0` as a label. */
function plusZero(input: unknown): unknown {
  if (typeof input === 'number') return input + 0;
  if (Array.isArray(input)) return input.map(plusZero);
  if (typeof input === 'object' && input !== null) {
    return Object.fromEntries(Object.entries(input).map(([key, each]) => [key, plusZero(each)]));
  }
  return input;
}

describe('a series key', () => {
  it('does not let separators in values imitate another set', () => {
    const { series } = index();
    const first = series.find({ a: 'x|y', b: '' }, Labels.empty);
    assert.notEqual(series.find({ a: 'x', b: 'y|' }, Labels.empty), first);
    assert.equal(series.find({ b: '', a: 'x|y' }, Labels.empty), first);
  });

  const key = (attributes: Attributes): string => {
    const keys = Object.keys(attributes).sort();
    return seriesKey(
      keys,
      keys.map(each => attributes[each] as CleanValue),
    );
  };

  it('is injective, and the same for every order of the keys', () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        assert.equal(key(a) === key(b), same(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  it('is not met by a value that contains what follows it in the key of another set', () => {
    fc.assert(
      fc.property(set, attributes => {
        const whole = key(attributes);
        const [first] = Object.keys(attributes).sort();
        if (first === undefined) return;
        for (let from = 0; from <= whole.length; from++) {
          const forged: Attributes = { [first]: whole.slice(from) };
          assert.equal(key(forged) === whole, same(forged, attributes));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('tells text from numbers, booleans, arrays and maps', () => {
    const { series } = index();
    const values = [
      '1',
      1,
      true,
      'true',
      [1],
      ['1'],
      [[1]],
      { a: 1 },
      [],
      {},
      ['a', 'b'],
      ['ab'],
      new Uint8Array([49]),
    ];
    const found = values.map(each => series.find({ v: each }, Labels.empty));
    assert.equal(new Set(found).size, values.length);
    assert.deepEqual(
      values.map(each => series.find({ v: each }, Labels.empty)),
      found,
    );
  });
});

describe('the series index', () => {
  it('finds the same series for any order of keys, again and again', () => {
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 8 }), sets => {
        const { series } = index();
        const shuffled = sets.map(each => Object.fromEntries(Object.entries(each).reverse()));
        for (let round = 0; round < 2; round++) {
          for (const [i, each] of sets.entries()) {
            for (const [j, other] of shuffled.entries()) {
              const equal = series.find(each, Labels.empty) === series.find(other, Labels.empty);
              assert.equal(equal, same(sets[i]!, sets[j]!));
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('sees a change of an object or array that it has met before', () => {
    const { series } = index();
    const attributes: Attributes = { route: '/a', tags: ['x'] };
    const first = series.find(attributes, Labels.empty);
    attributes.route = '/b';
    const second = series.find(attributes, Labels.empty);
    (attributes.tags as string[]).push('y');
    const third = series.find(attributes, Labels.empty);
    assert.equal(new Set([first, second, third]).size, 3);
    assert.equal(series.find({ route: '/a', tags: ['x'] }, Labels.empty), first);
  });

  it('is not misled by a getter that answers differently each time', () => {
    const { series } = index();
    let calls = 0;
    const shifty = {
      get v(): number {
        return calls++;
      },
    };
    for (let i = 0; i < 5; i++) {
      const number = series.find(shifty, Labels.empty);
      const { values } = series.attributes[number]!;
      assert.equal(series.find({ v: values[0] as number }, Labels.empty), number);
    }
  });

  it('takes __proto__, constructor and toString as keys like any other', () => {
    const { series } = index();
    const hostile = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t"}') as Attributes;
    const number = series.find(hostile, Labels.empty);
    assert.deepEqual(series.attributes[number]?.keys, ['__proto__', 'constructor', 'toString']);
    assert.equal(series.find(hostile, Labels.empty), number);
    assert.notEqual(series.find({}, Labels.empty), number);
    assert.equal(({} as { p?: unknown }).p, undefined);
  });

  it('leaves out null and undefined, and what cannot be carried', () => {
    const { series, counters } = index();
    const plain = series.find({ a: 1 }, Labels.empty);
    assert.equal(series.find({ a: 1, b: null, c: undefined }, Labels.empty), plain);
    assert.equal(series.find({ a: 1, f: (() => {}) as never }, Labels.empty), plain);
    assert.equal(counters.rejected, 1);
  });

  it('admits as many series as the limit; one more stands for all others, counts them and is told of once', () => {
    const { series, counters, overflows } = index(4);
    for (let i = 0; i < 4; i++) assert.equal(series.find({ i }, Labels.empty), i);
    assert.deepEqual([counters.overflowed, overflows], [0, []]);
    const overflow = series.find({ i: 4 }, Labels.empty);
    assert.equal(series.find({ i: 5 }, Labels.empty), overflow);
    assert.deepEqual([series.count, counters.overflowed, overflows], [5, 2, [4]]);
    assert.deepEqual(series.attributes[overflow], {
      keys: ['otel.metric.overflow'],
      values: [true],
      count: 1,
    });
    assert.equal(series.find({ i: 3 }, Labels.empty), 3);
  });

  it('has room again for those that it forgets, and numbers the others anew', () => {
    const { series, counters } = index(3);
    for (let i = 0; i < 5; i++) series.find({ i }, Labels.empty);
    series.forget(2);
    assert.deepEqual(
      series.attributes.map(({ values }) => values),
      [[2], [true]],
    );
    assert.deepEqual([series.find({ i: 2 }, Labels.empty), series.overflow], [0, 1]);
    for (const i of [7, 8]) assert.ok(series.find({ i }, Labels.empty) > 1);
    assert.equal(counters.overflowed, 2);
    assert.equal(series.find({ i: 9 }, Labels.empty), 1);
    series.forget(series.count);
    assert.deepEqual([series.count, series.overflow, series.names()], [0, -1, []]);
    assert.equal(series.find({ i: 9 }, Labels.empty), 0);
  });

  it('keeps to its series when its path cache has been emptied', () => {
    const { series } = index(2);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const first = series.find(Object.fromEntries(keys.map(key => [key, key])), Labels.empty);
    const orders = (left: string[]): string[][] =>
      left.length === 0
        ? [[]]
        : left.flatMap(key => orders(left.filter(each => each !== key)).map(rest => [key, ...rest]));
    for (const order of orders(keys)) {
      assert.equal(series.find(Object.fromEntries(order.map(key => [key, key])), Labels.empty), first);
    }
  });

  it('cuts a set off at 128 attributes, whatever their order', () => {
    const { series, counters } = index();
    const many = (count: number): [string, number][] =>
      Array.from({ length: count }, (_, i) => [`k${1000 + i}`, i]);
    const whole = series.find(Object.fromEntries(many(128)), Labels.empty);
    assert.deepEqual([series.attributes[whole]?.count, counters.truncated], [128, 0]);
    assert.equal(series.find(Object.fromEntries(many(129).reverse()), Labels.empty), whole);
    assert.equal(counters.truncated, 1);
  });
});

describe('labels of the context', () => {
  const underLabels = (
    labels: Record<string, string>,
    options: { labels: string[]; cardinalityLimit?: number },
    run: (provider: MeterProvider) => void,
  ): [Record<string, unknown>, unknown][] => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink, ...options });
    ObservabilityContext.root.withLabels(labels).run(run, provider);
    provider.collectSync();
    return valuesOf(metricNamed(takeMetrics(sink), 'c'));
  };

  it('become attributes when they are on the list, and only then', () => {
    const values = underLabels({ tenant: 'acme', job: 'etl' }, { labels: ['tenant', 'absent'] }, provider => {
      const counter = provider.getMeter('m').createCounter('c');
      counter.add(1);
      counter.add(1, { route: '/a' });
      counter.add(1, { route: '/a' }, ObservabilityContext.root);
    });
    assert.deepEqual(values, [
      [{ route: '/a', tenant: 'acme' }, 1],
      [{ route: '/a' }, 1],
      [{ tenant: 'acme' }, 1],
    ]);
  });

  it('yield to an attribute of the same key, and are the same series as that attribute', () => {
    const values = underLabels({ tenant: 'acme' }, { labels: ['tenant', 'tenant'] }, provider => {
      const counter = provider.getMeter('m').createCounter('c');
      for (let i = 0; i < 2; i++) {
        counter.add(1, { tenant: 'other' });
        counter.add(1, { tenant: 'other' }, ObservabilityContext.root);
        counter.add(1, { tenant: 'acme' }, ObservabilityContext.root);
        counter.add(1);
      }
    });
    assert.deepEqual(values, [
      [{ tenant: 'acme' }, 4],
      [{ tenant: 'other' }, 4],
    ]);
  });
});
