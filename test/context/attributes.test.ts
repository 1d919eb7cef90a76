// A reusable attribute list: distinct keys, clean values, nothing left behind.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AttributeSlots, cleanText, cleanValue } from '../../src/context/attributes.ts';
import { Labels } from '../../src/context/labels.ts';

const counters = () => ({ truncated: 0, rejected: 0 });
const bounds = { attributes: 4, valueLength: 10 };

describe('AttributeSlots', () => {
  it('keeps the last value of each key, as a map does, in every life', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const life = fc.array(fc.tuple(key, fc.integer()));
    fc.assert(
      fc.property(fc.array(life), lives => {
        const slots = new AttributeSlots();
        for (const pairs of lives) {
          for (const [name, value] of pairs) slots.set(name, value, bounds, counters());
          const kept = Array.from({ length: slots.count }, (_, i) => [slots.keys[i], slots.values[i]]);
          assert.deepEqual(kept, [...new Map(pairs)]);
          slots.clear();
        }
      }),
    );
  });

  it('keeps no value after it was cleared, and few keys', () => {
    const slots = new AttributeSlots();
    slots.setAll({ a: 'x', b: { c: 1 }, d: [1], e: 1, f: 1 }, bounds, counters());
    assert.deepEqual([slots.count, slots.dropped], [4, 1]);
    slots.clear();
    assert.deepEqual([slots.count, slots.dropped], [0, 0]);
    assert.ok(slots.values.every(value => value === undefined));
    for (let i = 0; i < 100; i++) slots.set(`key ${i}`, i, { attributes: 100, valueLength: 10 }, counters());
    assert.equal(slots.count, 100);
    slots.clear();
    assert.equal(slots.keys.length, 32);
  });

  it('takes no more than the limit of a life, though the life before had more', () => {
    const slots = new AttributeSlots();
    slots.setAll({ a: 1, b: 2, c: 3, d: 4 }, bounds, counters());
    slots.clear();
    slots.setAll({ a: 1, b: 2, c: 3, d: 4 }, { attributes: 2, valueLength: 10 }, counters());
    assert.deepEqual([slots.count, slots.dropped], [2, 2]);
  });

  it('takes no more labels than it may have attributes', () => {
    const slots = new AttributeSlots();
    slots.setLabels(Labels.empty.with({ a: 1, b: 2, c: 3, d: 4, e: 5 }), bounds);
    assert.deepEqual([slots.count, slots.dropped], [4, 1]);
  });
});

describe('a value', () => {
  it('is bounded in depth and in number', () => {
    const deep = (depth: number): unknown => (depth === 0 ? 'end' : [deep(depth - 1)]);
    const count = counters();
    assert.equal(JSON.stringify(cleanValue(deep(8), 10, count)), JSON.stringify(deep(8)));
    assert.equal(count.truncated, 0);
    assert.equal(JSON.stringify(cleanValue(deep(9), 10, count)), '[[[[[[[[null]]]]]]]]');
    assert.equal(count.truncated, 1);
    const wide = (length: number) =>
      cleanValue(
        Array.from({ length }, (_, i) => i),
        10,
        count,
      ) as unknown[];
    assert.equal(wide(1023).length, 1023);
    assert.equal(wide(1024).length, 1023);
    const bytes = cleanValue(new Uint8Array(11), 10, count);
    assert.equal((bytes as Uint8Array).length, 10);
    assert.equal(count.truncated, 3);
  });

  it('becomes something that can be carried, or nothing, and never throws', () => {
    const allowed = (value: unknown): boolean =>
      value === null ||
      value === undefined ||
      ['string', 'number', 'boolean', 'bigint'].includes(typeof value) ||
      value instanceof Uint8Array ||
      (Array.isArray(value)
        ? value.every(allowed)
        : Object.getPrototypeOf(value) === null && Object.values(value as object).every(allowed));
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withTypedArray: true,
          withNullPrototype: true,
          withSparseArray: true,
        }),
        value => {
          assert.ok(allowed(cleanValue(value, 10, counters())));
          assert.ok(cleanText(value, 10, counters()).length <= 10);
        },
      ),
    );
  });

  it('of an inner getter does not widen the bounds of the outer', () => {
    const count = counters();
    let reads = 0;
    const endless = new Proxy([], {
      get: (_, name) => {
        if (name === 'length') return 1e9;
        reads++;
        cleanValue({ a: [1, 2, 3] }, 10, count);
        return 1;
      },
    });
    cleanValue(endless, 10, count);
    assert.ok(reads <= 1024);
  });
});
