// Samplers of the OpenTelemetry SDK decide in the place of ours, and cannot break anything.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTraceState, SpanKind, trace } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { ContextManager } from '../../src/context/context-manager.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { TraceState } from '../../src/context/tracestate.ts';
import { type OtelSampler, PluggedSampler } from '../../src/trace/plugged-sampler.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { attributesOf, hex, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

new ContextManager().enable();

function setUp(sampler: OtelSampler) {
  const sink = new MemorySink();
  const warnings: string[] = [];
  const provider = new TracerProvider({
    sink,
    sampler: new PluggedSampler(sampler, line => warnings.push(line)),
  });
  return { sink, provider, warnings, tracer: provider.getTracer('test') };
}

const remote = (flags: number, state?: string): ObservabilityContext =>
  ObservabilityContext.root.withIdentity(
    SpanIdentity.fromHex(
      'ab'.repeat(16),
      'cd'.repeat(8),
      flags,
      state === undefined ? undefined : TraceState.parse(state),
      true,
    ),
  );

describe('a sampler of the SDK', () => {
  it('is followed by first spans and those below', () => {
    const { sink, provider, tracer } = setUp(
      new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.25) }),
    );
    let sampled = 0;
    for (let i = 0; i < 4000; i++) {
      tracer.startActiveSpan('outer', outer => {
        const inner = tracer.startSpan('inner');
        assert.equal(inner.isRecording(), outer.isRecording());
        assert.equal(inner.spanContext().traceId, outer.spanContext().traceId);
        if (outer.isRecording()) sampled++;
        inner.end();
        outer.end();
      });
    }
    assert.ok(Math.abs(sampled - 1000) < 5 * Math.sqrt(4000 * 0.25 * 0.75), `${sampled} of 4000`);
    assert.equal(spansIn(sink).length, 2 * sampled);
    assert.equal(provider.counters.unsampled, 2 * (4000 - sampled));
  });

  it('of everything or nothing is one', () => {
    const on = setUp(new AlwaysOnSampler());
    const span = on.tracer.startSpan('a', undefined, remote(2));
    assert.equal(span.spanContext().traceFlags, 3);
    const off = setUp(new AlwaysOffSampler());
    assert.equal(off.tracer.startSpan('a', undefined, remote(3)).spanContext().traceFlags, 2);
  });

  it('sees what the span begins with', () => {
    const seen: unknown[] = [];
    const { tracer } = setUp({
      shouldSample(context, traceId, name, kind, attributes, links) {
        seen.push([trace.getSpanContext(context)?.spanId, traceId, name, kind, attributes, links.length]);
        return { decision: 2 };
      },
    });
    const links = [{ context: SpanIdentity.root(1) }];
    tracer.startSpan('a', { kind: SpanKind.SERVER, attributes: { a: 1 }, links }, remote(3));
    const span = tracer.startSpan('b', { root: true }, remote(3));
    assert.deepEqual(seen, [
      ['cd'.repeat(8), 'ab'.repeat(16), 'a', SpanKind.SERVER, { a: 1 }, 1],
      [undefined, span.spanContext().traceId, 'b', SpanKind.INTERNAL, {}, 0],
    ]);
    assert.notEqual(span.spanContext().traceId, 'ab'.repeat(16));
  });

  it('may add attributes and set the tracestate, which else is the parent’s', () => {
    const { sink, tracer } = setUp({
      shouldSample: (_context, _traceId, name) =>
        name === 'set'
          ? { decision: 2, attributes: { rule: 'x', a: 2 }, traceState: createTraceState('mine=1') }
          : { decision: 2 },
    });
    tracer.startSpan('set', { attributes: { a: 1 } }, remote(3, 'v=1')).end();
    tracer.startSpan('left', undefined, remote(3, 'v=1')).end();
    const [set, left] = spansIn(sink);
    assert.deepEqual({ ...attributesOf(set!) }, { a: 2, rule: 'x' });
    assert.deepEqual([set!.traceState, hex(set!.parentSpanId)], ['mine=1', 'cd'.repeat(8)]);
    assert.deepEqual([left!.traceState, left!.attributes.length], ['v=1', 0]);
  });

  it('that would record without exporting samples nothing', () => {
    const { sink, tracer } = setUp({ shouldSample: () => ({ decision: 1, attributes: { a: 1 } }) });
    const span = tracer.startSpan('a');
    assert.equal(span.isRecording(), false);
    assert.equal(span.spanContext().traceFlags & 1, 0);
    span.end();
    assert.equal(sink.frames.length, 0);
  });
});

describe('a sampler that throws', () => {
  const junk: Record<string, OtelSampler['shouldSample']> = {
    'an error': () => {
      throw new Error('broken');
    },
    'what is no result': () => undefined as never,
    'a tracestate that is none': () => ({ decision: 2, traceState: {} as never }),
  };
  for (const [what, shouldSample] of Object.entries(junk)) {
    it(`or gives ${what} is told of once, and parents are followed`, () => {
      const { sink, warnings, tracer } = setUp({ shouldSample, toString: () => 'JunkSampler' });
      tracer.startSpan('first').end();
      tracer.startSpan('sampled', undefined, remote(3, 'v=1')).end();
      tracer.startSpan('unsampled', undefined, remote(2)).end();
      assert.deepEqual(
        spansIn(sink).map(({ name, traceState }) => [name, traceState]),
        [['sampled', 'v=1']],
      );
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^JunkSampler threw: .*Error/);
    });
  }

  it('also when it cannot even be named', () => {
    const { warnings, tracer } = setUp({
      shouldSample: () => {
        throw Object.create(null);
      },
      toString: () => {
        throw new Error('no name');
      },
    });
    tracer.startSpan('a').end();
    assert.match(warnings[0]!, /^something without a name threw/);
  });
});
