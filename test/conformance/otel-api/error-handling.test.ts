// OpenTelemetry's error handling: whatever an application hands over, nothing is thrown at it, and the others' spans arrive.
import assert from 'node:assert/strict';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from '@opentelemetry/api';
import type { DecodedSpan } from 'tricord/otlp';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import { Propagator } from '../../../src/context/propagator.ts';
import { notApplicable, rule } from '../rule.ts';
import { parentContext, type Recorder, recorder } from './recorder.ts';

context.setGlobalContextManager(new ContextManager());

const refuse = (): never => {
  throw new Error('hostile');
};
const traps = ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor', 'apply'] as const;
const hostileProxy: unknown = new Proxy(refuse, Object.fromEntries(traps.map(trap => [trap, refuse])));
const circular: Record<string, unknown> = {};
circular.self = circular;
const revoked = Proxy.revocable({}, {});
revoked.revoke();

/** What no function expects. */
const hostile: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  -1,
  2n ** 100n,
  '',
  '\ud800',
  Symbol('symbol'),
  refuse,
  circular,
  Object.create(null),
  { toString: refuse, valueOf: refuse, toJSON: refuse },
  [circular, refuse, undefined],
  new Date(Number.NaN),
  Object.defineProperty({}, 'x', { enumerable: true, get: refuse }),
  hostileProxy,
  revoked.proxy,
];

/** Every value in every place that `use` has one for. */
function attempt(use: (value: never) => void): void {
  for (const [i, value] of hostile.entries()) {
    try {
      use(value as never);
    } catch (error) {
      assert.fail(`value ${i} in ${use}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}

/** What is told to one span does not reach another one. */
function othersArrive({ tracer, spans }: Recorder): void {
  tracer.startSpan('another', { attributes: { a: 1 } }, ROOT_CONTEXT).end();
  const last = spans().at(-1)!;
  assert.deepEqual([last.name, last.attributes.length, last.events.length], ['another', 1, 0]);
}

const basic = 'error-handling § Basic error handling principles';

rule(basic, 'getting a tracer throws nothing', () => {
  const found = recorder();
  const { provider } = found;
  attempt(value => provider.getTracer(value).startSpan('x').end());
  attempt(value => provider.getTracer('t', value).startSpan('x').end());
  attempt(value => provider.getTracer('t', '1', value).startSpan('x').end());
  attempt(value => provider.getTracer('t', '1', { schemaUrl: value }).startSpan('x').end());
  othersArrive(found);
});

rule(basic, 'starting a span throws nothing', () => {
  const found = recorder();
  const { tracer } = found;
  attempt(value => tracer.startSpan(value).end());
  attempt(value => tracer.startSpan('x', value).end());
  attempt(value => tracer.startSpan('x', {}, value).end());
  for (const member of ['kind', 'startTime', 'attributes', 'links', 'root'])
    attempt(value => tracer.startSpan('x', { [member]: value }).end());
  attempt(value =>
    tracer
      .startSpan('x', { links: [value, { context: value }, { context: parentContext, attributes: value }] })
      .end(),
  );
  attempt(value => tracer.startSpan('x', {}, ROOT_CONTEXT.setValue(value, value)).end());
  attempt(value => tracer.startActiveSpan(value, span => span.end()));
  attempt(value => tracer.startActiveSpan('x', value, (span: Span) => span.end()));
  attempt(value => tracer.startActiveSpan('x', {}, value, (span: Span) => span.end()));
  othersArrive(found);
});

rule(basic, 'telling a span anything throws nothing', () => {
  const found = recorder();
  const span = found.tracer.startSpan('x');
  attempt(value => span.setAttribute(value, value));
  attempt(value => span.setAttribute('key', value));
  attempt(value => span.setAttributes(value));
  attempt(value => span.setAttributes({ value, nested: { value, list: [value] } }));
  attempt(value => span.addEvent(value));
  attempt(value => span.addEvent('e', value));
  attempt(value => span.addEvent('e', { value }, value));
  attempt(value => span.addLink(value));
  attempt(value => span.addLink({ context: value, attributes: value }));
  for (const member of ['traceId', 'spanId', 'traceFlags', 'traceState', 'isRemote'])
    attempt(value => span.addLink({ context: { ...parentContext, [member]: value } }));
  attempt(value => span.addLinks(value));
  attempt(value => span.setStatus(value));
  attempt(value => span.setStatus({ code: value, message: value }));
  attempt(value => span.setStatus({ code: 2, message: value }));
  attempt(value => span.updateName(value));
  attempt(value => span.recordException(value, value));
  for (const member of ['name', 'message', 'stack', 'code'])
    attempt(value => span.recordException({ message: 'm', [member]: value }));
  span.end();
  attempt(value => found.tracer.startSpan('x').end(value));
  othersArrive(found);
});

rule(basic, 'a list without an end in sight ends', () => {
  const found = recorder();
  const endless = new Array(1e9);
  const span = found.tracer.startSpan('x', { links: endless, attributes: { endless } });
  span
    .setAttributes(endless as never)
    .addLinks(endless)
    .addEvent('e', { endless })
    .end();
  const [{ links, droppedLinksCount }] = found.spans() as [DecodedSpan];
  assert.deepEqual([links.length, droppedLinksCount], [0, 2e9]);
  othersArrive(found);
});

rule(basic, 'contexts and baggage throw nothing', () => {
  const key = Symbol('key');
  attempt(value => context.with(value, () => context.active()));
  attempt(value => context.bind(value, () => {})());
  attempt(value => context.bind(ROOT_CONTEXT, value));
  attempt(value => context.attach(value).dispose());
  attempt(value => trace.setSpan(ObservabilityContext.root, value));
  attempt(value => ObservabilityContext.root.setValue(key, value).getValue(key));
  attempt(value => propagation.setBaggage(ObservabilityContext.root, value));
  attempt(value => ObservabilityContext.root.setValue(value, value).deleteValue(value));
});

rule(basic, 'propagation throws nothing', () => {
  const propagator = new Propagator();
  const getter = (value: unknown): TextMapGetter => ({ get: () => value as string, keys: () => [] });
  const failing: TextMapGetter & TextMapSetter = { get: refuse, keys: refuse, set: refuse };
  const baggage = (value: unknown): Context =>
    propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ a: value as never }));
  attempt(value => propagator.extract(value, {}, failing));
  attempt(value => propagator.extract(ROOT_CONTEXT, value, failing));
  attempt(value => propagator.extract(ROOT_CONTEXT, {}, getter(value)));
  attempt(value => propagator.extract(ROOT_CONTEXT, {}, getter([value, value])));
  attempt(value => propagator.extract(ROOT_CONTEXT, {}, value));
  const set: TextMapSetter = { set: () => {} };
  attempt(value => propagator.inject(value, {}, set));
  attempt(value => propagator.inject(baggage(value), {}, set));
  attempt(value => propagator.inject(baggage({ value, metadata: value }), {}, set));
  attempt(value => propagator.inject(propagation.setBaggage(ROOT_CONTEXT, value), {}, set));
  for (const member of ['traceId', 'spanId', 'traceFlags', 'traceState'])
    attempt(value => {
      const span = trace.wrapSpanContext({ ...parentContext, [member]: value });
      propagator.inject(trace.setSpan(ROOT_CONTEXT, span), {}, set);
    });
  propagator.inject(trace.setSpanContext(ROOT_CONTEXT, parentContext), {}, failing);
});

rule(basic, 'what a callback throws is the application’s, and arrives there', () => {
  const { tracer } = recorder();
  assert.throws(() => tracer.startActiveSpan('x', refuse), /hostile/);
  assert.throws(() => context.with(ROOT_CONTEXT, refuse), /hostile/);
});

notApplicable(
  'error-handling § Configuring Error Handlers',
  'an application may set a handler for errors',
  'The agent swallows and counts: see stats(), and the counts that each record carries.',
);
