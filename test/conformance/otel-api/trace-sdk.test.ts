// The trace SDK of OpenTelemetry: span creation, span limits, IDs, and what an agent has in place of processors.
import assert from 'node:assert/strict';
import { context, type Link, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { createSampler } from '../../../src/trace/sampler.ts';
import { attributesOf, hex } from '../../decoded-records.ts';
import { notApplicable, rule } from '../rule.ts';
import { contextOf, parentContext, recorded, recorder } from './recorder.ts';

context.setGlobalContextManager(new ContextManager());

const tracerCreation = 'trace/sdk § Tracer Creation';

rule(tracerCreation, 'a tracer has the scope that it was asked for by', () => {
  const { provider, sink } = recorder();
  provider.getTracer('a', '1', { schemaUrl: 'https://example.org/1' }).startSpan('x').end();
  provider.getTracer('a', '2').startSpan('x').end();
  assert.deepEqual(
    sink.frames.map(({ scope }) => [scope.name, scope.version, scope.schemaUrl]),
    [
      ['a', '1', 'https://example.org/1'],
      ['a', '2', undefined],
    ],
  );
});

notApplicable(
  'trace/sdk § TracerConfigurator',
  'a function says which tracers are enabled',
  'Not offered (status: development). TRICORD_INSTRUMENTATIONS leaves instrumentations out.',
);

const sampling = 'trace/sdk § Sampling';

rule(sampling, 'a span that is sampled records, and one that is not does not', () => {
  const { tracer } = recorder({ sampler: createSampler('traceidratio', 0.5) });
  let sampled = 0;
  for (let i = 0; i < 1000; i++) {
    const span = tracer.startSpan('x', { root: true });
    const isSampled = (span.spanContext().traceFlags & 1) === 1;
    assert.equal(span.isRecording(), isSampled);
    if (isSampled) sampled++;
  }
  assert.ok(sampled > 0 && sampled < 1000);
});

rule(sampling, 'what is sampled is exported, and nothing else', () => {
  const { tracer, spans } = recorder();
  tracer.startSpan('sampled', {}, contextOf({ traceFlags: 1 })).end();
  tracer.startSpan('not sampled', {}, contextOf({ traceFlags: 0 })).end();
  assert.deepEqual(
    spans().map(({ name }) => name),
    ['sampled'],
  );
});

const creation = 'trace/sdk § SDK Span creation';

rule(creation, 'the trace ID of a valid parent is used, or else a new one', () => {
  const { tracer } = recorder();
  const traceIdIn = (given: Parameters<typeof contextOf>[0]): string =>
    tracer.startSpan('x', {}, contextOf(given)).spanContext().traceId;
  assert.equal(traceIdIn({}), parentContext.traceId);
  assert.notEqual(traceIdIn({ spanId: '0'.repeat(16) }), parentContext.traceId);
  assert.match(traceIdIn({ traceId: 'nonsense' }), /^[0-9a-f]{32}$/);
});

rule(creation, 'every span has an ID of its own, recorded or not', () => {
  const { tracer } = recorder({ sampler: createSampler('always_off') });
  const ids = Array.from({ length: 100 }, () => tracer.startSpan('x', {}, contextOf()).spanContext());
  assert.equal(new Set(ids.map(({ spanId }) => spanId)).size, 100);
  for (const { traceId, spanId } of ids) {
    assert.equal(traceId, parentContext.traceId);
    assert.notEqual(spanId, parentContext.spanId);
  }
});

rule('trace/sdk § Span flags', 'bits 0 to 7 of a span’s and a link’s flags are the trace flags', () => {
  const { tracer, spans } = recorder();
  for (const traceFlags of [1, 3]) {
    const links = [{ context: { ...parentContext, traceFlags } }];
    tracer.startSpan('x', { links }, contextOf({ traceFlags })).end();
  }
  assert.deepEqual(
    spans().map(({ flags, links }) => [flags & 0xff, links[0]!.flags & 0xff]),
    [
      [1, 1],
      [3, 3],
    ],
  );
});

const limits = 'trace/sdk § Span Limits';
const link: Link = { context: parentContext };

rule(
  limits,
  'a span has 128 attributes, events and links unless other limits are set, and counts the others',
  () => {
    const found = recorded(span => {
      for (let i = 0; i < 130; i++) span.setAttribute(`k${i}`, i).addEvent(`e${i}`).addLink(link);
    });
    assert.deepEqual([found.attributes.length, found.events.length, found.links.length], [128, 128, 128]);
    assert.deepEqual(
      [found.droppedAttributesCount, found.droppedEventsCount, found.droppedLinksCount],
      [2, 2, 2],
    );
  },
);

rule(
  limits,
  'an event and a link have 128 attributes unless other limits are set, and count the others',
  () => {
    const attributes = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`k${i}`, i]));
    const found = recorded(span => span.addEvent('e', attributes).addLink({ ...link, attributes }));
    for (const each of [found.events[0]!, found.links[0]!])
      assert.deepEqual([each.attributes.length, each.droppedAttributesCount], [128, 2]);
  },
);

rule(limits, 'each limit can be set by itself', () => {
  const attributes = { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 };
  const found = recorded(
    span => {
      for (let i = 0; i < 7; i++) span.addEvent('e', attributes).addLink({ ...link, attributes });
      span.setAttributes(attributes);
    },
    { limits: { attributes: 2, events: 3, links: 4, eventAttributes: 5, linkAttributes: 1 } },
  );
  assert.deepEqual([found.attributes.length, found.events.length, found.links.length], [2, 3, 4]);
  assert.deepEqual(
    [found.droppedAttributesCount, found.droppedEventsCount, found.droppedLinksCount],
    [4, 4, 3],
  );
  assert.deepEqual([found.events[0]!.attributes.length, found.events[0]!.droppedAttributesCount], [5, 1]);
  assert.deepEqual([found.links[0]!.attributes.length, found.links[0]!.droppedAttributesCount], [1, 5]);
});

rule(limits, 'a limit of zero keeps nothing', () => {
  const none = { attributes: 0, events: 0, links: 0 };
  const found = recorded(span => span.setAttribute('a', 1).addEvent('e').addLink(link), { limits: none });
  assert.deepEqual([found.attributes.length, found.events.length, found.links.length], [0, 0, 0]);
  assert.deepEqual(
    [found.droppedAttributesCount, found.droppedEventsCount, found.droppedLinksCount],
    [1, 1, 1],
  );
});

rule(limits, 'what is set again is not one more', () => {
  const found = recorded(span => span.setAttributes({ a: 1, b: 2 }).setAttributes({ b: 3, c: 4 }), {
    limits: { attributes: 2 },
  });
  assert.deepEqual({ ...attributesOf(found) }, { a: 1, b: 3 });
  assert.equal(found.droppedAttributesCount, 1);
});

notApplicable(
  limits,
  'a message in the log says, once for a span, that something was discarded',
  'The span itself says how much (dropped_attributes_count and its like); the application’s output stays its own.',
);

const ids = 'trace/sdk § Id Generators';

rule(ids, 'trace and span IDs are random', () => {
  const { tracer } = recorder();
  const contexts = Array.from({ length: 2000 }, () => tracer.startSpan('x', { root: true }).spanContext());
  for (const member of ['traceId', 'spanId'] as const) {
    const values = contexts.map(each => each[member]);
    assert.equal(new Set(values).size, values.length);
    for (let digit = 0; digit < values[0]!.length; digit++)
      assert.equal(new Set(values.map(value => value[digit])).size, 16, `${member}, digit ${digit}`);
  }
});

notApplicable(
  ids,
  'an application may generate IDs itself',
  'IDs are machine words of the agent’s own generator from their start to the wire; there is no IdGenerator.',
);

const ours = 'Spans go into the agent’s ring as they end, and its transport sends them. There are no';

notApplicable(
  'trace/sdk § Additional Span Interfaces',
  'processors and exporters can read all of a span',
  `${ours} functions that are given one.`,
);
notApplicable(
  'trace/sdk § Span processor',
  'an application registers processors, which are told of starts and ends',
  `${ours} processors of the application’s; the collector has processors.`,
);
notApplicable(
  'trace/sdk § Built-in span processors',
  'there are a simple and a batching processor',
  `${ours} processors; batches are made as TRICORD_TRACES_LINGER says.`,
);
notApplicable(
  'trace/sdk § Span Exporter',
  'an application plugs in exporters',
  `${ours} exporters of the application’s; the collector has exporters, and OTLP goes to any other one.`,
);
notApplicable(
  'trace/sdk § JaegerRemoteSampler',
  'sampling may be controlled by a Jaeger backend',
  'Not offered. A collector tells the agent its bound on the stream.',
);

rule('trace/sdk § Tracer', 'a span is found below its parent, whichever tracers made them', () => {
  const { provider, tracer, spans } = recorder();
  const parent = tracer.startSpan('parent');
  provider.getTracer('another').startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, parent)).end();
  assert.equal(hex(spans()[0]!.parentSpanId), parent.spanContext().spanId);
});
