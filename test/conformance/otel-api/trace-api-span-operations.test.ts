// The trace API of OpenTelemetry: what can be told to a span, until it ends.
import assert from 'node:assert/strict';
import {
  context,
  createTraceState,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  type SpanStatus,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { createSampler } from '../../../src/trace/sampler.ts';
import { attributesOf, hex } from '../../decoded-records.ts';
import { notApplicable, rule } from '../rule.ts';
import { contextOf, micros, parentContext, recorded, recorder, SetClock } from './recorder.ts';

context.setGlobalContextManager(new ContextManager());
const { UNSET, OK, ERROR } = SpanStatusCode;

rule(
  'trace/api § Span',
  'name, attributes, events, links and status can be changed until it ends, and not after',
  () => {
    const { tracer, spans } = recorder();
    const span = tracer.startSpan('first', { attributes: { a: 1 } });
    const tell = (word: string, code: SpanStatusCode): void => {
      span.updateName(word).setAttribute('a', word).setAttributes({ b: word }).addEvent(word);
      span.addLink({ context: parentContext, attributes: { word } }).addLinks([]);
      span.setStatus({ code, message: word }).recordException(word);
    };
    tell('before', ERROR);
    span.end();
    tell('after', OK);
    span.end();
    const [found, ...others] = spans();
    assert.equal(others.length, 0);
    assert.deepEqual([found!.name, found!.statusCode, found!.statusMessage], ['before', 2, 'before']);
    assert.deepEqual({ ...attributesOf(found!) }, { a: 'before', b: 'before' });
    assert.deepEqual([found!.events.length, found!.links.length], [2, 1]);
  },
);

rule('trace/api § Get Context', 'it is the same for the span’s whole life, and beyond', () => {
  const span = recorder().tracer.startSpan('x');
  const { traceId, spanId, traceFlags } = span.spanContext();
  const before = span.spanContext();
  span.updateName('y').end();
  assert.equal(span.spanContext(), before);
  assert.deepEqual([before.traceId, before.spanId, before.traceFlags], [traceId, spanId, traceFlags]);
});

const isRecording = 'trace/api § IsRecording';

rule(isRecording, 'it is true until the end', () => {
  const span = recorder().tracer.startSpan('x');
  assert.equal(span.isRecording(), true);
  span.end();
  assert.equal(span.isRecording(), false);
});

rule(isRecording, 'it is false where everything is discarded', () => {
  const { tracer, spans } = recorder({ sampler: createSampler('always_off') });
  const span = tracer.startSpan('x');
  assert.equal(span.isRecording(), false);
  span.setAttribute('a', 1).addEvent('e').end();
  assert.equal(spans().length, 0);
});

const setAttributes = 'trace/api § Set Attributes';

rule(setAttributes, 'one can be set, or several', () => {
  const found = recorded(span => span.setAttribute('a', 1).setAttributes({ b: 'two', c: true }));
  assert.deepEqual({ ...attributesOf(found) }, { a: 1, b: 'two', c: true });
});

rule(setAttributes, 'a key that is there takes the new value', () => {
  const found = recorded(span => span.setAttributes({ a: 1, b: 1 }).setAttribute('a', 'new'));
  assert.deepEqual({ ...attributesOf(found) }, { a: 'new', b: 1 });
});

const addEvents = 'trace/api § Add Events';

rule(addEvents, 'an event has a name, attributes, and the time at which it was added', () => {
  const time = new SetClock();
  const { tracer, spans } = recorder({ clock: time.clock });
  const span = tracer.startSpan('x');
  time.ms += 7;
  span.addEvent('plain');
  const { nanos } = time;
  time.ms += 7;
  span.addEvent('with attributes', { a: 1 }).end();
  const [plain, other] = spans()[0]!.events;
  assert.deepEqual([plain!.name, plain!.timeUnixNano], ['plain', nanos]);
  assert.deepEqual([other!.timeUnixNano, { ...attributesOf(other!) }], [time.nanos, { a: 1 }]);
});

rule(addEvents, 'an event may have a time of its own, even before or after its span', () => {
  const [long, later] = [Date.UTC(2000, 0, 1), Date.UTC(2100, 0, 1)];
  const { events } = recorded(span => span.addEvent('a', long).addEvent('b', { x: 1 }, later));
  assert.deepEqual(
    events.map(({ timeUnixNano }) => micros(timeUnixNano)),
    [BigInt(long) * 1000n, BigInt(later) * 1000n],
  );
});

rule(addEvents, 'events stay in the order in which they were added', () => {
  const found = recorded(span => {
    for (let i = 0; i < 100; i++) span.addEvent(`${i}`, Date.UTC(2026, 0, 1) - i);
  });
  assert.deepEqual(
    found.events.map(({ name }) => name),
    Array.from({ length: 100 }, (_, i) => `${i}`),
  );
});

rule('trace/api § Add Link', 'a link can be added to a span that has begun', () => {
  const { links } = recorded(span => span.addLink({ context: parentContext }));
  assert.deepEqual(
    [hex(links[0]!.traceId), hex(links[0]!.spanId)],
    [parentContext.traceId, parentContext.spanId],
  );
});

const link = 'trace/api § Link';

rule(link, 'a link has the context of a span, and attributes', () => {
  const traceState = createTraceState('a=b');
  const { links } = recorded(span =>
    span.addLink({ context: { ...parentContext, traceState, isRemote: true }, attributes: { n: 1 } }),
  );
  assert.deepEqual([links[0]!.traceState, links[0]!.flags], ['a=b', 0x301]);
  assert.deepEqual({ ...attributesOf(links[0]!) }, { n: 1 });
});

rule(link, 'several can be added at once, and stay in their order', () => {
  const linkTo = (i: number) => ({ context: { ...parentContext, spanId: i.toString(16).padStart(16, '0') } });
  const { links } = recorded(span => span.addLinks([linkTo(3), linkTo(1)]).addLink(linkTo(2)), {
    options: { links: [linkTo(4)] },
  });
  assert.deepEqual(
    links.map(({ spanId }) => Number(`0x${hex(spanId)}`)),
    [4, 3, 1, 2],
  );
});

rule(link, 'one to no span is recorded for its attributes or its tracestate', () => {
  const { links } = recorded(span => {
    span.addLink({ context: INVALID_SPAN_CONTEXT, attributes: { why: 'no context was sent' } });
    span.addLink({ context: { ...INVALID_SPAN_CONTEXT, traceState: createTraceState('a=b') } });
    span.addLink({ context: { ...parentContext, spanId: '0'.repeat(16) }, attributes: { half: true } });
  });
  assert.deepEqual(
    links.map(each => [hex(each.traceId), hex(each.spanId), each.traceState, { ...attributesOf(each) }]),
    [
      ['0'.repeat(32), '0'.repeat(16), '', { why: 'no context was sent' }],
      ['0'.repeat(32), '0'.repeat(16), 'a=b', {}],
      [parentContext.traceId, '0'.repeat(16), '', { half: true }],
    ],
  );
});

const setStatus = 'trace/api § Set Status';
const statusAfter = (...statuses: SpanStatus[]) => {
  const { statusCode, statusMessage } = recorded(span => statuses.map(status => span.setStatus(status)));
  return [statusCode, statusMessage];
};

rule(setStatus, 'it is unset by default', () => {
  assert.deepEqual(statusAfter(), [0, '']);
});

rule(setStatus, 'a description goes with an error alone', () => {
  assert.deepEqual(statusAfter({ code: ERROR, message: 'no' }), [2, 'no']);
  assert.deepEqual(statusAfter({ code: OK, message: 'yes' }), [1, '']);
  assert.deepEqual(statusAfter({ code: UNSET, message: 'perhaps' }), [0, '']);
  assert.deepEqual(statusAfter({ code: ERROR, message: 'no' }, { code: OK }), [1, '']);
});

rule(setStatus, 'an empty description is none', () => {
  assert.deepEqual(statusAfter({ code: ERROR, message: '' }), statusAfter({ code: ERROR }));
});

rule(setStatus, 'setting it to unset is ignored', () => {
  assert.deepEqual(statusAfter({ code: ERROR, message: 'no' }, { code: UNSET }), [2, 'no']);
  assert.deepEqual(statusAfter({ code: OK }, { code: UNSET }), [1, '']);
});

rule(setStatus, 'ok is final', () => {
  assert.deepEqual(statusAfter({ code: OK }, { code: ERROR, message: 'no' }), [1, '']);
  assert.deepEqual(statusAfter({ code: ERROR, message: 'no' }, { code: OK }, { code: ERROR }), [1, '']);
});

rule(setStatus, 'of several errors the last one counts', () => {
  assert.deepEqual(statusAfter({ code: ERROR, message: 'a' }, { code: ERROR, message: 'b' }), [2, 'b']);
});

rule('trace/api § UpdateName', 'the new name takes the place of the old one', () => {
  assert.equal(recorded(span => span.updateName('first').updateName('second')).name, 'second');
});

const end = 'trace/api § End';

rule(end, 'children go on', () => {
  const { tracer, spans } = recorder();
  const parent = tracer.startSpan('parent');
  const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, parent));
  parent.end();
  assert.equal(child.isRecording(), true);
  child.setAttribute('late', true).end();
  assert.deepEqual({ ...attributesOf(spans()[1]!) }, { late: true });
});

rule(end, 'it stays active where it is, and can be a parent and be put into contexts', () => {
  const { tracer, spans } = recorder();
  tracer.startActiveSpan('ended', span => {
    span.end();
    assert.equal(trace.getActiveSpan(), span);
    tracer.startSpan('child').end();
    tracer.startSpan('another', {}, trace.setSpan(ROOT_CONTEXT, span)).end();
    for (const each of spans().slice(1)) assert.equal(hex(each.parentSpanId), span.spanContext().spanId);
  });
  assert.equal(spans().length, 3);
});

rule(end, 'the end has the time that is given, or the current one', () => {
  const time = new SetClock();
  const { tracer, spans } = recorder({ clock: time.clock });
  const [now, then] = [tracer.startSpan('now'), tracer.startSpan('then')];
  time.ms += 40;
  then.end(time.ms + 25);
  now.end();
  assert.deepEqual(
    spans().map(({ endTimeUnixNano }) => endTimeUnixNano),
    [time.nanos + 25_000_000n, time.nanos],
  );
});

const recordException = 'trace/api § Record Exception';

rule(recordException, 'an exception is an event "exception" with type, message and stack', () => {
  const error = new RangeError('too far');
  const [event] = recorded(span => span.recordException(error)).events;
  assert.equal(event!.name, 'exception');
  assert.deepEqual(
    { ...attributesOf(event!) },
    { 'exception.type': 'RangeError', 'exception.message': 'too far', 'exception.stacktrace': error.stack },
  );
});

rule(recordException, 'it needs nothing but the exception, and may have a time', () => {
  const ms = Date.UTC(2026, 0, 1);
  const [event] = recorded(span => span.recordException('text', ms)).events;
  assert.equal(micros(event!.timeUnixNano), BigInt(ms) * 1000n);
  assert.deepEqual({ ...attributesOf(event!) }, { 'exception.message': 'text' });
});

notApplicable(
  recordException,
  'more attributes may be given',
  'recordException of @opentelemetry/api takes an exception and a time.',
);

rule('trace/api § Span lifetime', 'start, events and end have the times of their calls', () => {
  const time = new SetClock();
  const { tracer, spans } = recorder({ clock: time.clock });
  const times: bigint[] = [];
  const pass = (): void => {
    times.push(time.nanos);
    time.ms += 11;
  };
  const span = tracer.startSpan('x', {}, contextOf());
  pass();
  span.addEvent('e');
  pass();
  span.recordException('no');
  pass();
  span.end();
  pass();
  const [found] = spans();
  const events = found!.events.map(({ timeUnixNano }) => timeUnixNano);
  assert.deepEqual([found!.startTimeUnixNano, ...events, found!.endTimeUnixNano], times);
});
