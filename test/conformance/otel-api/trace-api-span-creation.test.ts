// The trace API of OpenTelemetry: how a span comes into being, with which parent, kind, links and times.
import assert from 'node:assert/strict';
import { context, createTraceState, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import * as agent from '../../../src/index.ts';
import { attributesOf, hex } from '../../decoded-records.ts';
import { rule } from '../rule.ts';
import { contextOf, micros, parentContext, recorded, recorder, SetClock } from './recorder.ts';

context.setGlobalContextManager(new ContextManager());

const span = 'trace/api § Span';
const creation = 'trace/api § Span Creation';
const parentSpan = 'trace/api § Determining the Parent Span from a Context';

rule(span, 'it starts at the current time', () => {
  const time = new SetClock();
  const { tracer, spans } = recorder({ clock: time.clock });
  time.ms += 1500;
  const { nanos } = time;
  const started = tracer.startSpan('now');
  time.ms += 250;
  started.end();
  const [found] = spans();
  assert.deepEqual([found!.startTimeUnixNano, found!.endTimeUnixNano], [nanos, nanos + 250_000_000n]);
});

rule(span, 'nothing that was told to it can be read from it, but for its context', () => {
  const { tracer } = recorder();
  const told = tracer.startSpan('secret name', { attributes: { key: 'secret value' } });
  for (const member of ['name', 'kind', 'attributes', 'events', 'links', 'status', 'parentSpanContext'])
    assert.equal(Reflect.get(told, member), undefined, member);
  assert.doesNotMatch(JSON.stringify(told), /secret/);
});

rule(creation, 'only a tracer makes spans', () => {
  const { tracer } = recorder();
  const made = tracer.startSpan('made').constructor;
  assert.deepEqual(
    Object.entries(agent).filter(([name, value]) => /span/i.test(name) || value === made),
    [],
  );
});

rule(creation, 'a new span is not the active one', () => {
  const { tracer } = recorder();
  const outer = tracer.startSpan('outer');
  tracer.startSpan('alone');
  assert.equal(trace.getActiveSpan(), undefined);
  context.with(trace.setSpan(context.active(), outer), () => {
    tracer.startSpan('inner');
    assert.equal(trace.getActiveSpan(), outer);
  });
});

rule(creation, 'it has the name that it was given', () => {
  const { tracer, spans } = recorder();
  tracer.startSpan('get_account/{accountId}').end();
  assert.equal(spans()[0]!.name, 'get_account/{accountId}');
});

rule(creation, 'its parent is the span of the active context, or of the one that is given', () => {
  const { tracer, spans } = recorder();
  const outer = tracer.startSpan('outer');
  context.with(trace.setSpan(context.active(), outer), () => {
    tracer.startSpan('of the active').end();
    tracer.startSpan('of the given', {}, contextOf()).end();
  });
  assert.deepEqual(
    spans().map(each => hex(each.parentSpanId)),
    [outer.spanContext().spanId, parentContext.spanId],
  );
});

rule(creation, 'a span or a context of one is no parent: it takes a whole context', () => {
  const { tracer, spans } = recorder();
  const outer = tracer.startSpan('outer');
  for (const given of [outer, outer.spanContext(), parentContext])
    tracer.startSpan('x', {}, given as never).end();
  for (const each of spans()) {
    assert.equal(each.parentSpanId.length, 0);
    assert.notEqual(hex(each.traceId), outer.spanContext().traceId);
  }
});

rule(creation, 'its kind is internal unless another one is given', () => {
  const kindOf = (kind?: SpanKind) =>
    recorded(() => {}, { options: kind === undefined ? {} : { kind } }).kind;
  assert.equal(kindOf(), 1);
  const kinds = [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER];
  assert.deepEqual(kinds.map(kindOf), [1, 2, 3, 4, 5]);
});

rule(creation, 'attributes may be given, and are none by default', () => {
  assert.deepEqual({ ...attributesOf(recorded()) }, {});
  const options = { attributes: { a: 1, b: 'two' } };
  assert.deepEqual({ ...attributesOf(recorded(() => {}, { options })) }, { a: 1, b: 'two' });
});

rule(creation, 'a start time may be given, in each of the API’s forms', () => {
  const ms = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
  const forms = [ms, new Date(ms), [Math.floor(ms / 1000), (ms % 1000) * 1e6] as [number, number]];
  for (const startTime of forms) {
    const found = recorded(() => {}, { options: { startTime } });
    assert.equal(micros(found.startTimeUnixNano), BigInt(ms) * 1000n);
  }
});

rule(creation, 'it may be a root, and each root begins a trace of its own', () => {
  const { tracer, spans } = recorder();
  for (let i = 0; i < 100; i++) tracer.startSpan('root', { root: true }, contextOf()).end();
  const found = spans();
  assert.equal(new Set(found.map(each => hex(each.traceId))).size, 100);
  for (const each of found) {
    assert.equal(each.parentSpanId.length, 0);
    assert.notEqual(hex(each.traceId), parentContext.traceId);
  }
});

rule(creation, 'a child has the trace ID of its parent, and its whole tracestate', () => {
  const { tracer, spans } = recorder();
  const traceState = createTraceState('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE');
  const child = tracer.startSpan('child', {}, contextOf({ traceState }));
  tracer.startSpan('grandchild', {}, trace.setSpan(ROOT_CONTEXT, child)).end();
  child.end();
  for (const each of spans()) {
    assert.equal(hex(each.traceId), parentContext.traceId);
    assert.equal(each.traceState, 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE');
  }
});

rule(creation, 'whether its parent is remote is known', () => {
  const { tracer, spans } = recorder();
  tracer.startSpan('below a remote one', {}, contextOf({ isRemote: true })).end();
  tracer.startSpan('below a local one', {}, contextOf({ isRemote: false })).end();
  assert.deepEqual(
    spans().map(({ flags }) => flags & 0x300),
    [0x300, 0x100],
  );
});

rule(creation, 'one that is never ended costs others nothing', () => {
  const { tracer, spans } = recorder();
  for (let i = 0; i < 5000; i++) tracer.startSpan('forgotten');
  tracer.startSpan('ended').end();
  assert.deepEqual(
    spans().map(({ name }) => name),
    ['ended'],
  );
});

rule(parentSpan, 'without a span in the context it is a root', () => {
  const { tracer, spans } = recorder();
  tracer.startSpan('in the root context', {}, ROOT_CONTEXT).end();
  tracer.startSpan('in another one', {}, ObservabilityContext.root.withLabels({ tenant: 'a' })).end();
  for (const each of spans()) assert.equal(each.parentSpanId.length, 0);
});

rule(parentSpan, 'a context of a span is put into it by wrapping', () => {
  const { tracer, spans } = recorder();
  tracer.startSpan('x', {}, trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(parentContext))).end();
  assert.equal(hex(spans()[0]!.parentSpanId), parentContext.spanId);
});

rule('trace/api § Specifying links', 'links may be given, to spans of this or of another trace', () => {
  const { tracer, spans } = recorder();
  const same = tracer.startSpan('same', {}, contextOf());
  const links = [{ context: same.spanContext() }, { context: { ...parentContext, traceId: 'f'.repeat(32) } }];
  tracer.startSpan('linked', { links }, contextOf()).end();
  assert.deepEqual(
    spans()[0]!.links.map(link => hex(link.traceId)),
    [parentContext.traceId, 'f'.repeat(32)],
  );
});
