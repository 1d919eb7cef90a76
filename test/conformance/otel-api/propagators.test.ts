// OpenTelemetry's propagators: what they read from and write to the headers of a request.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api';
import { Propagator } from '../../../src/context/propagator.ts';
import { headerGetter } from '../../../src/instrument/http-server-request.ts';
import { notApplicable, rule } from '../rule.ts';
import { contextOf, parentContext } from './recorder.ts';

const propagator: TextMapPropagator = new Propagator();
const { traceId, spanId } = parentContext;
const traceparent = `00-${traceId}-${spanId}-01`;

const operations = 'context/api-propagators § Operations';
const extracting = 'context/api-propagators § Extract';
const injecting = 'context/api-propagators § Inject';

rule(operations, 'what one process injects another one extracts', () => {
  const from = propagation.setBaggage(contextOf(), propagation.createBaggage({ a: { value: '1' } }));
  const carrier: Record<string, string> = {};
  propagator.inject(from, carrier, defaultTextMapSetter);
  assert.deepEqual(carrier, { traceparent, baggage: 'a=1' });
  const to = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
  assert.deepEqual(
    [trace.getSpanContext(to)?.traceId, trace.getSpanContext(to)?.spanId, trace.getSpanContext(to)?.isRemote],
    [traceId, spanId, true],
  );
  assert.equal(propagation.getBaggage(to)?.getEntry('a')?.value, '1');
});

rule(injecting, 'a context with nothing in it writes nothing', () => {
  const carrier = {};
  propagator.inject(ROOT_CONTEXT, carrier, defaultTextMapSetter);
  propagator.inject(contextOf({ traceId: '0'.repeat(32) }), carrier, defaultTextMapSetter);
  assert.deepEqual(carrier, {});
});

rule(extracting, 'what cannot be read throws nothing, and leaves the context what it has', () => {
  const before = propagation.setBaggage(contextOf(), propagation.createBaggage({ a: { value: '1' } }));
  const another = `00-${traceId}-${'b'.repeat(16)}-01`;
  const failing = {
    get: () => {
      throw new Error('no header');
    },
    keys: () => [],
  };
  const bad: readonly unknown[] = [
    {},
    { traceparent: 'nonsense', baggage: '' },
    { traceparent: 7, baggage: '=' },
    { traceparent: [another, another] },
    { traceparent: [] },
    null,
  ];
  for (const carrier of bad) {
    const after = propagator.extract(before, carrier, defaultTextMapGetter);
    assert.equal(trace.getSpanContext(after)?.spanId, spanId);
    assert.equal(propagation.getBaggage(after)?.getEntry('a')?.value, '1');
  }
  const after = propagator.extract(before, {}, failing);
  assert.equal(trace.getSpanContext(after)?.spanId, spanId);
});

rule(extracting, 'it gives a context that derives from the one that it was given', () => {
  const key = Symbol('key');
  const to = propagator.extract(ROOT_CONTEXT.setValue(key, 1), { traceparent }, defaultTextMapGetter);
  assert.equal(to.getValue(key), 1);
});

const textMap = 'context/api-propagators § TextMap Propagator';

rule(textMap, 'fields hold nothing but what a header may', () => {
  const value = 'ü\u0000\r\n😀"';
  const from = propagation.setBaggage(contextOf(), propagation.createBaggage({ a: { value } }));
  const carrier: Record<string, string> = {};
  propagator.inject(from, carrier, defaultTextMapSetter);
  for (const [name, text] of Object.entries(carrier)) {
    assert.match(name, /^[a-z]+$/);
    assert.match(text, /^[\t -~]*$/);
  }
});

rule('context/api-propagators § Fields', 'they are the headers that are written', () => {
  assert.deepEqual(propagator.fields(), ['traceparent', 'tracestate', 'baggage']);
  assert.deepEqual(new Propagator({ baggage: false }).fields(), ['traceparent', 'tracestate']);
  assert.deepEqual(new Propagator({ traceContext: false }).fields(), ['baggage']);
});

rule('context/api-propagators § Set', 'a field that is there is replaced', () => {
  const carrier = { traceparent: 'old' };
  propagator.inject(contextOf(), carrier, defaultTextMapSetter);
  assert.equal(carrier.traceparent, traceparent);
});

const headers: IncomingHttpHeaders = { traceparent, 'x-b3-traceid': traceId };

rule('context/api-propagators § Keys', 'all headers of a request can be listed', () => {
  assert.deepEqual(headerGetter.keys(headers), ['traceparent', 'x-b3-traceid']);
});

rule(
  'context/api-propagators § Get',
  'a header of a request is found in any case, and is nothing when it is not there',
  () => {
    for (const name of ['X-B3-TraceId', 'x-b3-traceid', 'X-B3-TRACEID'])
      assert.equal(headerGetter.get(headers, name), traceId);
    assert.equal(headerGetter.get(headers, 'baggage'), undefined);
  },
);

rule('context/api-propagators § Global Propagators', 'one can be set for all, and is asked by all', () => {
  assert.equal(propagation.setGlobalPropagator(propagator), true);
  const carrier: Record<string, string> = {};
  propagation.inject(contextOf(), carrier);
  assert.deepEqual([carrier, propagation.fields()], [{ traceparent }, propagator.fields()]);
  propagation.disable();
});

rule('context/api-propagators § Global Propagators', 'while none is set nothing is read or written', () => {
  propagation.disable();
  const carrier = {};
  propagation.inject(contextOf(), carrier);
  assert.deepEqual([carrier, propagation.fields()], [{}, []]);
  assert.equal(propagation.extract(ROOT_CONTEXT, { traceparent }), ROOT_CONTEXT);
});

notApplicable(
  'context/api-propagators § Composite Propagator',
  'propagators can be grouped',
  'The agent’s own reads and writes all of W3C’s headers; @opentelemetry/core groups others.',
);
notApplicable(
  'context/api-propagators § Propagators Distribution',
  'there are propagators for B3 and Jaeger',
  'The agent speaks W3C’s headers; packages of OpenTelemetry add others.',
);
