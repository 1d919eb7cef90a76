// The trace API of OpenTelemetry: providers, tracers, contexts of spans, tracestates.
import assert from 'node:assert/strict';
import type { TraceState } from '@opentelemetry/api';
import {
  context,
  DiagLogLevel,
  diag,
  INVALID_SPAN_CONTEXT,
  propagation,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { Propagator } from '../../../src/context/propagator.ts';
import { hex } from '../../decoded-records.ts';
import { notApplicable, rule } from '../rule.ts';
import { contextOf, parentContext, recorder } from './recorder.ts';

const early = trace.getTracer('early');
const { provider, sink, spans } = recorder();
context.setGlobalContextManager(new ContextManager());
propagation.setGlobalPropagator(new Propagator());
trace.setGlobalTracerProvider(provider);
const tracer = trace.getTracer('conformance');

const names = (): string[] => spans().map(({ name }) => name);
const { traceId, spanId } = parentContext;

rule('trace/api § TracerProvider', 'a global provider can be set, and gives the tracers', () => {
  trace.getTracer('global').startSpan('by the global provider').end();
  assert.ok(names().includes('by the global provider'));
});

notApplicable(
  'trace/api § TracerProvider',
  'there may be any number of providers',
  'There is one agent in a process, with one resource and one way out, and it is the global provider.',
);

const getTracer = 'trace/api § Get a Tracer';

rule(getTracer, 'name, version and schema URL stand with the spans', () => {
  const scoped = trace
    .getTracerProvider()
    .getTracer('io.example', '1.2.3', { schemaUrl: 'https://example.org/1' });
  scoped.startSpan('scoped').end();
  const { name, version, schemaUrl } = sink.frames.at(-1)!.scope;
  assert.deepEqual([name, version, schemaUrl], ['io.example', '1.2.3', 'https://example.org/1']);
});

rule(getTracer, 'an invalid name gives a working tracer, whose name is empty', () => {
  for (const name of ['', null, undefined]) {
    trace
      .getTracer(name as string)
      .startSpan('nameless')
      .end();
    assert.equal(sink.frames.at(-1)!.scope.name, '');
    assert.equal(names().at(-1), 'nameless');
  }
});

rule(getTracer, 'an invalid name is reported', () => {
  const told: string[] = [];
  const quiet = { error() {}, info() {}, debug() {}, verbose() {} };
  diag.setLogger({ ...quiet, warn: message => told.push(message) }, DiagLogLevel.WARN);
  provider.getTracer('');
  provider.getTracer('named');
  diag.disable();
  assert.deepEqual(told, ['A tracer was asked for without a name.']);
});

notApplicable(
  getTracer,
  'attributes of the scope may be given',
  'TracerOptions of @opentelemetry/api 1.10 has none.',
);

rule(getTracer, 'a tracer that was obtained before needs not be obtained again', () => {
  early.startSpan('early bird').end();
  assert.equal(names().at(-1), 'early bird');
});

notApplicable(
  'trace/api § Enabled',
  'a tracer says whether it is enabled',
  'Tracer of @opentelemetry/api 1.10 has no such function (status: development).',
);

const interaction = 'trace/api § Context Interaction';

rule(interaction, 'a span is put into a context, and found in it', () => {
  const span = tracer.startSpan('in context');
  const derived = trace.setSpan(ROOT_CONTEXT, span);
  assert.equal(trace.getSpan(derived), span);
  assert.equal(trace.getSpan(ROOT_CONTEXT), undefined);
  assert.equal(trace.getSpan(trace.deleteSpan(derived)), undefined);
  const active = trace.setSpan(context.active(), span);
  assert.equal(trace.getSpan(active), span);
  assert.equal(trace.getSpan(context.active()), undefined);
});

rule(interaction, 'the active span is that of the active context', async () => {
  assert.equal(trace.getActiveSpan(), undefined);
  const span = tracer.startSpan('active');
  await context.with(trace.setSpan(context.active(), span), async () => {
    assert.equal(trace.getActiveSpan(), span);
    await new Promise(setImmediate);
    assert.equal(trace.getActiveSpan(), span);
  });
  assert.equal(trace.getActiveSpan(), undefined);
});

const spanContext = 'trace/api § SpanContext';

rule(spanContext, 'any object of its shape is one', () => {
  const child = tracer.startSpan('child', {}, trace.setSpanContext(ROOT_CONTEXT, parentContext));
  assert.equal(child.spanContext().traceId, traceId);
});

const ids = 'trace/api § Retrieving the TraceId and SpanId';

rule(ids, 'IDs are 32 and 16 lowercase hexadecimal digits', () => {
  for (let i = 0; i < 64; i++) {
    const found = tracer.startSpan('ids', { root: true }).spanContext();
    assert.match(found.traceId, /^[0-9a-f]{32}$/);
    assert.match(found.spanId, /^[0-9a-f]{16}$/);
  }
});

notApplicable(ids, 'IDs can be had as bytes', 'The JavaScript API has them as text alone.');

rule('trace/api § IsValid', 'a context is valid when neither ID is zero', () => {
  assert.equal(trace.isSpanContextValid(tracer.startSpan('valid').spanContext()), true);
  assert.equal(trace.isSpanContextValid(INVALID_SPAN_CONTEXT), false);
  for (const part of [{ traceId: '0'.repeat(32) }, { spanId: '0'.repeat(16) }]) {
    const span = tracer.startSpan('of nobody', {}, contextOf(part));
    assert.notEqual(span.spanContext().traceId, traceId);
    assert.equal(trace.isSpanContextValid(span.spanContext()), true);
  }
});

rule('trace/api § IsRemote', 'it is true of what was extracted, and false of its children', () => {
  const extracted = propagation.extract(ROOT_CONTEXT, { traceparent: `00-${traceId}-${spanId}-01` });
  assert.equal(trace.getSpanContext(extracted)?.isRemote, true);
  const child = tracer.startSpan('child', {}, extracted);
  assert.equal(child.spanContext().isRemote, false);
  assert.equal(tracer.startSpan('root', { root: true }).spanContext().isRemote, false);
});

const traceState = 'trace/api § TraceState';

/** As the agent reads it. */
function stateOf(tracestate: string): TraceState {
  const carrier = { traceparent: `00-${traceId}-${spanId}-01`, tracestate };
  return trace.getSpanContext(propagation.extract(ROOT_CONTEXT, carrier))!.traceState!;
}

rule(traceState, 'values can be got, added, updated and deleted', () => {
  const state = stateOf('a=1,b=2');
  assert.deepEqual([state.get('a'), state.get('b'), state.get('c')], ['1', '2', undefined]);
  assert.equal(state.set('c', '3').serialize(), 'c=3,a=1,b=2');
  assert.equal(state.set('b', '3').serialize(), 'b=3,a=1');
  assert.equal(state.unset('a').serialize(), 'b=2');
});

rule(traceState, 'what changes it returns another one, and leaves it as it was', () => {
  const state = stateOf('a=1,b=2');
  assert.notEqual(state.set('a', '3'), state);
  assert.notEqual(state.unset('a'), state);
  assert.equal(state.serialize(), 'a=1,b=2');
});

rule(traceState, 'invalid input throws nothing, and never makes it invalid', () => {
  const state = stateOf('a=1');
  const bad: readonly (readonly [string, string])[] = [
    ['', 'x'],
    ['A', 'x'],
    ['a b', 'x'],
    ['k'.repeat(257), 'x'],
    ['b', ''],
    ['b', 'x,y'],
    ['b', 'x=y'],
    ['b', 'x '],
    ['b', 'ü'],
    ['b', 'x'.repeat(257)],
    [undefined as never, undefined as never],
  ];
  for (const [key, value] of bad) assert.equal(state.set(key, value).serialize(), 'a=1', `${key}=${value}`);
  assert.equal(state.unset('B').serialize(), 'a=1');
});

rule(traceState, 'it has 32 members at most: one more takes the place of the last', () => {
  let state = stateOf('k0=0');
  for (let i = 1; i <= 32; i++) state = state.set(`k${i}`, `${i}`);
  assert.equal(state.serialize().split(',').length, 32);
  assert.deepEqual([state.get('k32'), state.get('k0')], ['32', undefined]);
});

rule(
  traceState,
  'more than 512 characters are propagated as whole members, the long ones left out first',
  () => {
    const short = Array.from({ length: 12 }, (_, i) => `k${i}=${'x'.repeat(36)}`);
    const state = stateOf([`long=${'y'.repeat(200)}`, ...short].join(','));
    const carrier: Record<string, string> = {};
    const from = trace.setSpanContext(ROOT_CONTEXT, { ...parentContext, traceState: state });
    propagation.inject(from, carrier);
    assert.equal(carrier.tracestate, short.join(','));
  },
);

const wrapping = 'trace/api § Wrapping a SpanContext in a Span';

rule(wrapping, 'a wrapped context is a span that has it, records nothing and does nothing', () => {
  const before = names().length;
  const span = trace.wrapSpanContext(parentContext);
  assert.equal(span.spanContext(), parentContext);
  assert.equal(span.isRecording(), false);
  span.setAttribute('a', 1).addEvent('e').setStatus({ code: 2 }).updateName('n').end();
  assert.equal(names().length, before);
});

rule(wrapping, 'it is a parent like any other', () => {
  tracer.startSpan('below', {}, trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(parentContext))).end();
  assert.equal(hex(spans().at(-1)!.parentSpanId), spanId);
});

notApplicable(
  'trace/api § Concurrency requirements',
  'providers, tracers, spans, events and links may be used by several threads at a time',
  'JavaScript’s threads share no objects.',
);
