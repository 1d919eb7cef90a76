// Local roots that were not sampled are kept when they end in an error or take long, and cost and say nothing otherwise.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { Clock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { TraceState } from '../../src/context/tracestate.ts';
import { Keeping } from '../../src/trace/keeping.ts';
import { Rules } from '../../src/trace/rules.ts';
import { ConsistentSampler, createSampler } from '../../src/trace/sampler.ts';
import type { SpanLimits } from '../../src/trace/span.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { attributesOf, hex, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const ERROR = { code: SpanStatusCode.ERROR };
const WALL_MS = 1_700_000_000_000;

function setUp({ errors = true, slowMs = 0, budget = 1000, limits = {} as Partial<SpanLimits> } = {}) {
  const time = { ms: 0 };
  const clock = new Clock({ monotonic: () => time.ms, wall: () => WALL_MS + time.ms });
  const sink = new MemorySink(clock.anchorUnixNanos);
  const keeping = new Keeping({ errors, slowMs, budget, pressure: sink, clock });
  const rules = new Rules({ '/health': 0 }, ratio => new ConsistentSampler({ ratio, parentBased: false }));
  const sampler = createSampler('parentbased_always_off');
  const provider = new TracerProvider({ sink, clock, sampler, keeping, rules, limits });
  return { time, sink, provider, tracer: provider.getTracer('test', '1.0') };
}

describe('a local root that was not sampled and ends in an error', () => {
  it('is kept with all that was said of it, marked, and without a weight', () => {
    const { time, sink, provider, tracer } = setUp();
    const linked = SpanIdentity.root(3);
    const attributes = { a: 1 };
    const context = ObservabilityContext.root.withLabels({ tenant: 'acme' });
    const span = tracer.startSpan(
      'GET',
      { kind: SpanKind.SERVER, attributes, links: [{ context: linked }] },
      context,
    );
    attributes.a = 2;
    time.ms += 5;
    span.setAttribute('b', 'x').setAttributes({ c: true }).updateName('GET /orders').addEvent('e');
    span.recordException(new RangeError('too far'));
    assert.equal(span.isRecording(), false);
    span.setStatus({ ...ERROR, message: 'failed' });
    assert.equal(span.isRecording(), true);
    span.setAttribute('d', 4);
    time.ms += 5;
    span.end();

    const [kept] = spansIn(sink);
    assert.deepEqual(
      { ...attributesOf(kept!) },
      { tenant: 'acme', 'tricord.sampling.kept': 'error', a: 1, b: 'x', c: true, d: 4 },
    );
    assert.deepEqual(
      [kept!.name, kept!.kind, kept!.statusCode, kept!.statusMessage],
      ['GET /orders', 2, 2, 'failed'],
    );
    assert.deepEqual(
      kept!.events.map(({ name }) => name),
      ['e', 'exception'],
    );
    assert.equal(hex(kept!.links[0]!.traceId), linked.traceId);
    assert.equal(kept!.startTimeUnixNano, BigInt(WALL_MS) * 1_000_000n);
    assert.equal(kept!.endTimeUnixNano - kept!.startTimeUnixNano, 10_000_000n);
    assert.equal(hex(kept!.spanId), span.spanContext().spanId);
    assert.deepEqual([kept!.traceState, kept!.flags], ['', 0x102]);
    assert.equal(span.isRecording(), false);
    const { started, unsampled, kept: count, written } = provider.counters;
    assert.deepEqual([started, unsampled, count, written], [0, 1, 1, 1]);
  });

  it('keeps its place below a remote parent, and no threshold of its', () => {
    const { sink, tracer } = setUp();
    const parent = SpanIdentity.fromHex(
      'ab'.repeat(16),
      'cd'.repeat(8),
      2,
      TraceState.parse('ot=th:8,v=1'),
      true,
    );
    tracer.startSpan('a', undefined, ObservabilityContext.root.withIdentity(parent)).setStatus(ERROR).end();
    const [kept] = spansIn(sink);
    assert.deepEqual(
      [hex(kept!.traceId), hex(kept!.parentSpanId), kept!.traceState, kept!.flags],
      ['ab'.repeat(16), 'cd'.repeat(8), 'v=1', 0x302],
    );
  });

  it('hands its decision on: what is below it and elsewhere is not sampled', () => {
    const { sink, tracer } = setUp();
    tracer.startActiveSpan('root', root => {
      root.setStatus(ERROR);
      const below = tracer.startSpan('below');
      assert.equal(below.spanContext().traceFlags & 1, 0);
      below.setStatus(ERROR).end();
      root.end();
    });
    assert.deepEqual(
      spansIn(sink).map(({ name }) => name),
      ['root'],
    );
  });

  it('is marked also when it has as many attributes as it may', () => {
    const { sink, tracer } = setUp({ limits: { attributes: 2 } });
    tracer
      .startSpan('a', { attributes: { a: 1, b: 2, c: 3 } })
      .setStatus(ERROR)
      .end();
    const [kept] = spansIn(sink);
    assert.deepEqual({ ...attributesOf(kept!) }, { 'tricord.sampling.kept': 'error', a: 1 });
  });

  it('is left out when its error is taken back', () => {
    const { sink, provider, tracer } = setUp();
    tracer.startSpan('a').setStatus(ERROR).setStatus({ code: SpanStatusCode.OK }).end();
    assert.equal(sink.frames.length, 0);
    assert.equal(provider.pooledRecords, 1);
  });

  it('is left out where errors are not kept, and where a rule says never', () => {
    const off = setUp({ errors: false, slowMs: 1000 });
    off.tracer.startSpan('a').setStatus(ERROR).end();
    const never = setUp();
    never.tracer
      .startSpan('GET', { attributes: { 'url.path': '/health' } })
      .setStatus(ERROR)
      .end();
    assert.equal(off.sink.frames.length + never.sink.frames.length, 0);
    assert.equal(never.provider.pooledRecords, 0);
  });
});

describe('a local root that was not sampled and ends well', () => {
  it('leaves nothing, and its record is used again', () => {
    const { sink, provider, tracer } = setUp();
    for (let i = 0; i < 10; i++) {
      const span = tracer.startSpan('a', { attributes: { i } });
      span.setStatus({ code: SpanStatusCode.OK });
      span.end();
      span.setStatus(ERROR).setAttribute('late', 1).end();
    }
    assert.equal(sink.frames.length, 0);
    assert.deepEqual([provider.pooledRecords, provider.counters.pool_grown], [1, 1]);
  });

  it('takes no record when nothing is said of it', () => {
    const { provider, tracer } = setUp({ slowMs: 1000 });
    tracer.startSpan('a', { kind: SpanKind.SERVER }).end();
    assert.equal(provider.counters.pool_grown, 0);
  });
});

describe('a slow local root', () => {
  it('is kept from the threshold on, and says so', () => {
    const { time, sink, tracer } = setUp({ slowMs: 500 });
    for (const ms of [499, 500]) {
      const span = tracer.startSpan(`${ms}`);
      time.ms += ms;
      assert.equal(span.isRecording(), ms === 500);
      span.end();
    }
    const [kept, ...others] = spansIn(sink);
    assert.deepEqual([kept!.name, others.length], ['500', 0]);
    assert.deepEqual({ ...attributesOf(kept!) }, { 'tricord.sampling.kept': 'slow' });
    assert.equal(kept!.endTimeUnixNano - kept!.startTimeUnixNano, 500_000_000n);
  });

  it('is measured by the times that it is given', () => {
    const { sink, tracer } = setUp({ slowMs: 500 });
    tracer.startSpan('short', { startTime: WALL_MS - 1000 }).end(WALL_MS - 501);
    tracer.startSpan('long', { startTime: WALL_MS - 1000 }).end(WALL_MS - 500);
    assert.deepEqual(
      spansIn(sink).map(({ name }) => name),
      ['long'],
    );
  });

  it('with an error is kept for the error', () => {
    const { time, sink, tracer } = setUp({ slowMs: 500 });
    const span = tracer.startSpan('a');
    time.ms += 600;
    assert.equal(span.isRecording(), true);
    span.setStatus(ERROR).end();
    assert.deepEqual({ ...attributesOf(spansIn(sink)[0]!) }, { 'tricord.sampling.kept': 'error' });
  });
});

describe('what is kept', () => {
  /** How many errors are kept of 1,000 a second, at a budget of 100. */
  function storm(seconds: number, share = 1): number {
    const { time, sink, provider, tracer } = setUp({ budget: 100 });
    sink.share = share;
    for (let i = 0; i < seconds * 1000; i++) {
      time.ms++;
      tracer.startSpan('a').setStatus(ERROR).end();
    }
    const { kept, unkept } = provider.counters;
    assert.deepEqual([kept + unkept, sink.frames.length], [seconds * 1000, kept]);
    return kept;
  }

  it('is bounded by a tenth of the budget, ten seconds of which are gathered', () => {
    assert.equal(storm(0.1), 100);
    assert.ok(Math.abs(storm(10) - 200) <= 1);
  });

  it('comes more slowly while there is less room', () => {
    assert.ok(Math.abs(storm(10, 0.5) - 150) <= 1);
  });
});

describe('attributes that are made on demand', () => {
  class Lazy {
    made = 0;
    get attributes() {
      this.made++;
      return { 'url.path': '/a' };
    }
  }

  it('are made when the span is to be a record, and not before', () => {
    const { sink, tracer } = setUp();
    const lazy = new Lazy();
    const span = tracer.startSpan('a', lazy);
    const asked = lazy.made;
    assert.equal(asked, 1, 'for the rules');
    tracer.startSpan('b', lazy).end();
    span.setStatus(ERROR).end();
    assert.equal(lazy.made, 3);
    assert.deepEqual(
      { ...attributesOf(spansIn(sink)[0]!) },
      { 'tricord.sampling.kept': 'error', 'url.path': '/a' },
    );
  });

  it('may fail', () => {
    const { sink, provider, tracer } = setUp();
    let asked = 0;
    class Failing {
      get attributes() {
        if (asked++ > 0) throw new Error('no');
        return {};
      }
    }
    tracer.startSpan('a', new Failing()).setStatus(ERROR).end();
    assert.equal(spansIn(sink).length, 1);
    assert.equal(provider.counters.rejected, 1);
  });
});

describe('a hostile application', () => {
  it('that ends the span while it is filled breaks nothing', () => {
    const { sink, provider, tracer } = setUp();
    const span = tracer.startSpan('a');
    span.setAttributes({
      get trap() {
        span.end();
        return 1;
      },
    });
    span.setStatus(ERROR).end();
    tracer.startSpan('b').setStatus(ERROR).end();
    assert.deepEqual(
      spansIn(sink).map(({ name }) => name),
      ['b'],
    );
    assert.equal(provider.pooledRecords, 1);
  });
});
