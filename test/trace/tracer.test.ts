// Tracers start spans under the context they are given, and activate them when asked.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ROOT_CONTEXT } from '@opentelemetry/api';
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
