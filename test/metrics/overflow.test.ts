// What is said when a metric has more series than it may.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { MemorySink } from '../memory-sink.ts';
import { warnings } from '../warnings.ts';
import { metricNamed, takeMetrics, valuesOf } from './collected.ts';

describe('a metric that overflows', () => {
  it('is named once, with its limit and the attributes that have the most values', () => {
    const provider = new MeterProvider({ sink: new MemorySink(), cardinalityLimit: 100 });
    const counter = provider.getMeter('m').createCounter('requests');
    const add = (i: number): void =>
      counter.add(1, { fixed: 'x', 'user.id': `u${i}`, route: i % 7, code: i % 3, tags: [i % 20] });
    const measure = (from: number, to: number) => () => {
      for (let i = from; i < to; i++) add(i);
    };
    assert.deepEqual(warnings(measure(0, 100)), []);
    const warned = warnings(measure(100, 300));
    assert.equal(warned.length, 1);
    assert.match(warned[0]!, /"requests" has 100 series/);
    assert.match(warned[0]!, /: "user\.id" \(100\), "tags" \(20\), "route" \(7\)\. /);
    assert.equal(provider.counters.overflowed, 200);
  });

  it('is named once for each instrument, under delta and observed ones too', () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink, cardinalityLimit: 1, temporalityPreference: 'delta' });
    const meter = provider.getMeter('m');
    const counter = meter.createCounter('c');
    meter.createObservableCounter('o').addCallback(result => {
      for (const i of [1, 2, 3]) result.observe(i, { i });
    });
    const warned = warnings(() => {
      for (let round = 0; round < 3; round++) {
        for (const i of [1, 2, 3]) counter.add(1, { i });
        provider.collectSync();
      }
    });
    assert.deepEqual(
      warned.map(text => /"(\w)" has 1 series/.exec(text)?.[1]),
      ['c', 'o'],
    );
  });

  it('adds up all of the observed totals that it has no series for', () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink, cardinalityLimit: 1 });
    provider
      .getMeter('m')
      .createObservableCounter('o')
      .addCallback(result => {
        for (const i of [1, 2, 4]) result.observe(i, { i });
      });
    for (let round = 0; round < 2; round++) {
      provider.collectSync();
      assert.deepEqual(valuesOf(metricNamed(takeMetrics(sink), 'o')), [
        [{ i: 1 }, 1],
        [{ 'otel.metric.overflow': true }, 6],
      ]);
    }
  });
});
