// Tracers start spans under the context they are given, and activate them when asked.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { processClock } from '../../src/context/clock.ts';
import type { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { createSampler } from '../../src/trace/sampler.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { attributesOf, hex, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

function setUp() {
  const sink = new MemorySink();
  const provider = new TracerProvider({ sink });
  return { sink, provider, tracer: provider.getTracer('test') };
}

describe('startActiveSpan', () => {
  it('makes the span active in the callback, also behind an await, and returns its result', async () => {
    const { sink, tracer } = setUp();
    const result = await tracer.startActiveSpan('outer', async outer => {
      await new Promise(resolve => setImmediate(resolve));
      assert.equal(ObservabilityContext.active().span, outer);
      tracer.startSpan('inner').end();
      outer.end();
      return 'result';
    });
    assert.equal(result, 'result');
    assert.equal(ObservabilityContext.active().span, undefined);
    const [inner, outer] = spansIn(sink);
    assert.equal(hex(inner!.parentSpanId), hex(outer!.spanId));
  });

  it('takes options and a context before the callback', () => {
    const { sink, tracer } = setUp();
    const context = ObservabilityContext.root.withLabels({ tenant: 'acme' });
    tracer.startActiveSpan('a', { attributes: { n: 1 } }, span => span.end());
    tracer.startActiveSpan('b', { attributes: { n: 2 } }, context, span => {
      assert.equal(ObservabilityContext.active().labels.get('tenant'), 'acme');
      span.end();
    });
    tracer.startActiveSpan('c', {}, ROOT_CONTEXT, span => span.end());
    const [a, b] = spansIn(sink);
    assert.deepEqual({ ...attributesOf(a!) }, { n: 1 });
    assert.deepEqual({ ...attributesOf(b!) }, { tenant: 'acme', n: 2 });
  });

  it('throws what the callback throws', () => {
    const { tracer } = setUp();
    const error = new Error('no');
    assert.throws(
      () =>
        tracer.startActiveSpan('a', () => {
          throw error;
        }),
      error,
    );
  });

  it('sets the timestamp of the context to the start of the span', () => {
    const { tracer } = setUp();
    const before = ObservabilityContext.root.withSpan(undefined).timestamp;
    tracer.startActiveSpan('a', span => {
      assert.ok(ObservabilityContext.active().timestamp >= before);
      span.end();
    });
  });
});

describe('a suppressed context', () => {
  it('makes spans that record nothing and name no trace', () => {
    const { sink, provider, tracer } = setUp();
    const span = tracer.startSpan('a', undefined, ObservabilityContext.root.withSuppression(true));
    span.setAttribute('a', 1).end();
    assert.equal(span.isRecording(), false);
    assert.equal(span.spanContext().traceId, '0'.repeat(32));
    assert.equal(sink.frames.length, 0);
    assert.equal(provider.counters.started, 0);
  });
});

describe('an unsampled span', () => {
  it('hands its trace on with an ID of its own, and is counted', () => {
    const sink = new MemorySink();
    const provider = new TracerProvider({ sink, sampler: createSampler('always_off') });
    const tracer = provider.getTracer('test');
    tracer.startActiveSpan('outer', outer => {
      const inner = tracer.startSpan('inner');
      assert.equal(inner.spanContext().traceId, outer.spanContext().traceId);
      assert.notEqual(inner.spanContext().spanId, outer.spanContext().spanId);
      assert.equal(inner.isRecording(), false);
      inner
        .addEvent('e')
        .addLink({ context: inner.spanContext() })
        .addLinks([])
        .updateName('x')
        .setAttributes({});
      inner.setStatus({ code: 2 }).recordException('x');
      inner.end();
    });
    assert.equal(provider.counters.unsampled, 2);
    assert.equal(sink.frames.length, 0);
  });
});

describe('what a tracer is given', () => {
  it('may be nonsense', () => {
    const { sink, tracer } = setUp();
    tracer
      .startSpan(undefined as never, { kind: 99 as never, startTime: 'noon' as never, links: 7 as never })
      .end('x' as never);
    tracer.startSpan(7 as never, null as never, {} as never).end();
    const names = spansIn(sink).map(span => [span.name, span.kind]);
    assert.deepEqual(names, [
      ['', 1],
      ['7', 1],
    ]);
  });
});

describe('getTracer', () => {
  it('returns the same tracer for the same scope', () => {
    const { provider } = setUp();
    assert.equal(provider.getTracer('a', '1'), provider.getTracer('a', '1'));
    assert.notEqual(provider.getTracer('a', '1'), provider.getTracer('a', '2'));
    assert.notEqual(provider.getTracer('a'), provider.getTracer('a', undefined, { schemaUrl: 'x' }));
  });
});

describe('a slow local root', () => {
  const clock = processClock;
  const seconds = (nanos: number): [number, number] => {
    const time = clock.anchorUnixNanos + BigInt(nanos);
    return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
  };

  it('is told of when it takes that long: a span without a parent in this process, and one that is sampled', () => {
    const heard: [spanId: string, nanos: number][] = [];
    const slow = {
      nanos: 1e9,
      ended: (identity: SpanIdentity, start: number, end: number) =>
        void heard.push([identity.spanId, end - start]),
    };
    const make = (sampler: 'always_on' | 'always_off') =>
      new TracerProvider({ sink: new MemorySink(), sampler: createSampler(sampler), slow }).getTracer('test');
    const tracer = make('always_on');
    const lasting = (nanos: number, context: Context, from = tracer): string => {
      const span = from.startSpan('a', { startTime: seconds(0) }, context);
      span.end(seconds(nanos));
      return span.spanContext().spanId;
    };
    const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
    lasting(0.999e9, ROOT_CONTEXT);
    const root = lasting(1e9, ROOT_CONTEXT);
    const remote = lasting(2e9, trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }));
    lasting(3e9, trace.setSpanContext(ROOT_CONTEXT, parent));
    lasting(4e9, ROOT_CONTEXT, make('always_off'));
    assert.deepEqual(heard, [
      [root, 1e9],
      [remote, 2e9],
    ]);
  });
});
