// OpenTelemetry's context: an immutable set of values that travels with the work.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import { notApplicable, rule } from '../rule.ts';
import { parentContext } from './recorder.ts';

context.setGlobalContextManager(new ContextManager());
const key = createContextKey('a key');
const ours: Context = ObservabilityContext.root;

rule(
  'context § Overview',
  'a context is immutable: what is set makes another one, with the values that it had',
  () => {
    const other = createContextKey('another key');
    const first = ours.setValue(key, 1);
    const second = first.setValue(other, 2);
    const third = second.setValue(key, 3);
    assert.deepEqual(
      [ours, first, second, third].map(each => [each.getValue(key), each.getValue(other)]),
      [
        [undefined, undefined],
        [1, undefined],
        [1, 2],
        [3, 2],
      ],
    );
  },
);

rule('context § Overview', 'a value can be taken out, which makes another context', () => {
  const first = ours.setValue(key, 1);
  assert.equal(first.deleteValue(key).getValue(key), undefined);
  assert.equal(first.getValue(key), 1);
});

rule('context § Overview', 'spans, baggage and labels stay when a value is set', () => {
  const from = trace.setSpanContext(ObservabilityContext.root.withLabels({ tenant: 'acme' }), parentContext);
  const derived = ObservabilityContext.from(from.setValue(key, 1));
  assert.equal(trace.getSpanContext(derived)?.spanId, parentContext.spanId);
  assert.equal(derived.labels.get('tenant'), 'acme');
});

rule('context § Create a key', 'a key is an opaque value of its own', () => {
  const other = createContextKey('another key');
  const derived = ours.setValue(key, 1).setValue(other, 2);
  assert.equal(typeof key, 'symbol');
  assert.deepEqual([derived.getValue(key), derived.getValue(other)], [1, 2]);
});

notApplicable(
  'context § Create a key',
  'two keys of one name are two keys',
  'createContextKey of @opentelemetry/api gives one symbol for a name, so that copies of the API find each other’s values.',
);

rule('context § Get value', 'the value is the very one that was set, whatever it is', () => {
  for (const value of [{}, Symbol('s'), null, 0, '', false, () => {}])
    assert.equal(ours.setValue(key, value).getValue(key), value);
  assert.equal(ours.getValue(key), undefined);
});

rule('context § Get value', 'contexts of the API’s own are asked for what they hold', () => {
  const derived = ObservabilityContext.from(ROOT_CONTEXT.setValue(key, 'theirs'));
  assert.equal(derived.getValue(key), 'theirs');
  assert.equal(derived.setValue(key, 'ours').getValue(key), 'ours');
  assert.equal(derived.deleteValue(key).getValue(key), undefined);
});

rule(
  'context § Get current Context',
  'it is that of the work under way, through everything asynchronous',
  async () => {
    const active = ours.setValue(key, 'here');
    const seen: unknown[] = [];
    const look = (): unknown => seen.push(context.active().getValue(key));
    await context.with(active, async () => {
      look();
      await Promise.resolve();
      look();
      await new Promise<void>(resolve => setTimeout(() => resolve(void look())));
      await new Promise<void>(resolve => setImmediate(() => resolve(void look())));
      await new Promise<void>(resolve => process.nextTick(() => resolve(void look())));
      queueMicrotask(look);
      await new Promise(setImmediate);
    });
    assert.deepEqual(seen, Array(6).fill('here'));
    assert.equal(context.active().getValue(key), undefined);
  },
);

rule('context § Get current Context', 'works side by side do not see each other’s', async () => {
  const work = (name: string): Promise<unknown> =>
    context.with(ours.setValue(key, name), async () => {
      await new Promise(setImmediate);
      return context.active().getValue(key);
    });
  assert.deepEqual(await Promise.all([work('a'), work('b')]), ['a', 'b']);
});

rule(
  'context § Attach Context',
  'a context can be made the current one, and the token restores the one before',
  () => {
    context.with(ours.setValue(key, 'outer'), () => {
      const token = context.attach(ours.setValue(key, 'inner'));
      assert.equal(context.active().getValue(key), 'inner');
      token.dispose();
      assert.equal(context.active().getValue(key), 'outer');
    });
  },
);

rule(
  'context § Detach Context',
  'with the call that made it current ends its being so, also by a throw',
  () => {
    const error = new Error('no');
    assert.throws(
      () =>
        context.with(ours.setValue(key, 1), () => {
          throw error;
        }),
      error,
    );
    assert.equal(context.active().getValue(key), undefined);
  },
);

rule(
  'context § Optional Global operations',
  'functions and event emitters can be bound to a context',
  async () => {
    const bound = ours.setValue(key, 'bound');
    const look = context.bind(bound, () => context.active().getValue(key));
    assert.equal(look(), 'bound');
    const emitter = context.bind(bound, new EventEmitter());
    const heard = new Promise(resolve => emitter.on('event', () => resolve(context.active().getValue(key))));
    const waited = once(emitter, 'event');
    emitter.emit('event');
    assert.equal(await heard, 'bound');
    await waited;
  },
);
