// Exemplars: one of the interval's sampled measurements, with its span and with what the series does not say.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createContextKey, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api';
import type { DecodedExemplar, DecodedMetric } from 'tricord/otlp';
import { processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { MeterProvider, type MeterProviderOptions } from '../../src/metrics/meter-provider.ts';
import { MemorySink } from '../memory-sink.ts';
import {
  attributesOf,
  exponentialPoints,
  histogramPoints,
  metricNamed,
  numberPoints,
  spanIdOf,
  takeMetrics,
  traceIdOf,
} from './collected.ts';

const SAMPLED = 1;
const root = ObservabilityContext.root;
const sampled = (): ObservabilityContext => root.withIdentity(SpanIdentity.root(SAMPLED));

function fixture(options: Partial<MeterProviderOptions> = {}) {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new MeterProvider({ sink, ...options });
  const collect = (): DecodedMetric[] => {
    provider.collectSync();
    return takeMetrics(sink);
  };
  return { meter: provider.getMeter('m'), collect };
}

const idsOf = (exemplars: readonly DecodedExemplar[]): string[] =>
  exemplars.map(exemplar => `${traceIdOf(exemplar)}-${spanIdOf(exemplar)}`);

const idOf = ({ identity }: ObservabilityContext): string => `${identity?.traceId}-${identity?.spanId}`;

describe('exemplars', () => {
  it('of a counter are one of the sampled additions per series and interval', () => {
    const { meter, collect } = fixture();
    const counter = meter.createCounter('c');
    const [first, last, other] = [sampled(), sampled(), sampled()];
    first.run(() => counter.add(1, { a: 1 }));
    last.run(() => counter.add(2, { a: 1 }));
    root.withIdentity(SpanIdentity.root(0)).run(() => counter.add(4, { a: 1 }));
    counter.add(8, { a: 1 });
    other.run(() => counter.add(16, { a: 2 }));
    const [one, two] = numberPoints(metricNamed(collect(), 'c'));
    assert.equal(one!.exemplars.length, 1);
    const { value } = one!.exemplars[0]!;
    assert.ok(value === 1 || value === 2, `${value}`);
    assert.deepEqual(idsOf(one!.exemplars), [idOf(value === 1 ? first : last)]);
    assert.ok(one!.exemplars[0]!.timeUnixNano <= one!.timeUnixNano);
    assert.ok(one!.exemplars[0]!.timeUnixNano >= one!.startTimeUnixNano);
    assert.deepEqual(idsOf(two!.exemplars), [idOf(other)]);
    other.run(() => counter.add(32, { a: 2 }));
    const again = numberPoints(metricNamed(collect(), 'c'));
    assert.deepEqual(
      again.map(point => point.exemplars.map(exemplar => exemplar.value)),
      [[], [32]],
      'an exemplar is reported once',
    );
  });

  it('of a histogram are one per bucket', () => {
    const { meter, collect } = fixture();
    const histogram = meter.createHistogram('h', { advice: { explicitBucketBoundaries: [1, 2] } });
    const contexts = [sampled(), sampled(), sampled(), sampled()];
    const values = [0.5, 0.5, 1.5, 99];
    for (const [i, value] of values.entries()) contexts[i]!.run(() => histogram.record(value));
    const [point] = histogramPoints(metricNamed(collect(), 'h'));
    assert.deepEqual(
      point!.exemplars.map(exemplar => exemplar.value),
      [0.5, 1.5, 99],
    );
    const [first, ...others] = idsOf(point!.exemplars);
    assert.ok(contexts.slice(0, 2).map(idOf).includes(first!));
    assert.deepEqual(others, contexts.slice(2).map(idOf));
  });

  it('are each of the measurements with the same chance', () => {
    const { meter, collect } = fixture();
    const counter = meter.createCounter('c');
    const [intervals, measurements] = [4000, 5];
    const kept = new Array<number>(measurements).fill(0);
    sampled().run(() => {
      for (let interval = 0; interval < intervals; interval++) {
        for (let value = 0; value < measurements; value++) counter.add(value);
        kept[Number(numberPoints(metricNamed(collect(), 'c'))[0]!.exemplars[0]!.value)]! += 1;
      }
    });
    const share = 1 / measurements;
    const deviation = Math.sqrt(intervals * share * (1 - share));
    for (const count of kept) assert.ok(Math.abs(count - intervals * share) < 6 * deviation, `${kept}`);
  });

  it('are one of the sampled measurements, whichever of them are not sampled', () => {
    const { meter, collect } = fixture();
    const counter = meter.createCounter('c');
    const [context, unsampled] = [sampled(), root.withIdentity(SpanIdentity.root(0))];
    const [intervals, measurements] = [4000, 5];
    const kept = new Array<number>(measurements).fill(0);
    for (let interval = 0; interval < intervals; interval++) {
      const left = interval % measurements;
      for (let value = 0; value < measurements; value++) {
        (value === left ? unsampled : context).run(() => counter.add(value));
      }
      const [exemplar] = numberPoints(metricNamed(collect(), 'c'))[0]!.exemplars;
      assert.notEqual(exemplar?.value, undefined);
      assert.notEqual(Number(exemplar!.value), left);
      kept[Number(exemplar!.value)]! += 1;
    }
    // By the rule 17, 21, 21, 21 and 20 %.
    for (const count of kept) assert.ok(count > intervals * 0.14 && count < intervals * 0.25, `${kept}`);
  });

  it('of an exponential histogram spread over its magnitudes', () => {
    const { meter, collect } = fixture({ histogramAggregation: 'base2_exponential_bucket_histogram' });
    const histogram = meter.createHistogram('h');
    sampled().run(() => {
      for (const value of [1, 1000, 1_000_000, 0]) histogram.record(value);
    });
    const [point] = exponentialPoints(metricNamed(collect(), 'h'));
    const values = point!.exemplars.map(exemplar => Number(exemplar.value));
    assert.deepEqual(
      values.sort((a, b) => a - b),
      [0, 1, 1000, 1_000_000],
    );
  });

  it('carry the labels of the context that are not attributes of the series', () => {
    const { meter, collect } = fixture({ labels: ['tenant'] });
    const counter = meter.createCounter('c');
    sampled()
      .withLabels({ tenant: 'acme', job: 'etl' })
      .run(() => counter.add(1));
    const [point] = numberPoints(metricNamed(collect(), 'c'));
    assert.deepEqual(attributesOf(point!.attributes), { tenant: 'acme' });
    assert.deepEqual(attributesOf(point!.exemplars[0]!.filteredAttributes), { job: 'etl' });
  });

  it('are taken from a context that is passed, of another implementation too', () => {
    const { meter, collect } = fixture();
    const spanContext = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: TraceFlags.SAMPLED,
    };
    const foreign = trace.setSpanContext(ROOT_CONTEXT.setValue(createContextKey('x'), 1), spanContext);
    meter.createCounter('c').add(1, undefined, foreign);
    const [point] = numberPoints(metricNamed(collect(), 'c'));
    assert.deepEqual(idsOf(point!.exemplars), [`${spanContext.traceId}-${spanContext.spanId}`]);
  });

  it('are none with the filter always_off, and need no span with always_on', () => {
    for (const exemplarFilter of ['always_off', 'always_on'] as const) {
      const { meter, collect } = fixture({ exemplarFilter });
      const counter = meter.createCounter('c');
      sampled().run(() => counter.add(1, { spans: true }));
      counter.add(1, { spans: false });
      const points = numberPoints(metricNamed(collect(), 'c'));
      const expected = exemplarFilter === 'always_off' ? [0, 0] : [1, 1];
      assert.deepEqual(
        points.map(point => point.exemplars.length),
        expected,
      );
      if (exemplarFilter === 'always_on') assert.equal(points[1]!.exemplars[0]!.traceId.length, 0);
    }
  });
});
