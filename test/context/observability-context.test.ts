// One context for three signals: immutable, an OpenTelemetry Context, carried through everything asynchronous.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { context as api, createContextKey, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { ContextManager } from '../../src/context/context-manager.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';

const root = ObservabilityContext.root;
const spanContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
};
const [A, B, C] = [createContextKey('a'), createContextKey('b'), createContextKey('c')] as const;

describe('an ObservabilityContext', () => {
  it('travels through promises, timers and microtasks', async () => {
    const context = root.withLabels({ job: 'etl' });
    await context.run(async () => {
      const seen = () => ObservabilityContext.active() === context;
      assert.ok(seen());
      await Promise.resolve();
      assert.ok(seen());
      assert.ok(await new Promise(resolve => setImmediate(() => resolve(seen()))));
      assert.ok(await new Promise(resolve => process.nextTick(() => resolve(seen()))));
      assert.ok(await new Promise(resolve => setTimeout(() => resolve(seen()), 0)));
    });
    assert.equal(ObservabilityContext.active(), root);
  });

  it('hands arguments to the function and its result back', () => {
    assert.equal(
      ObservabilityContext.with(root, (a: number, b: number) => a + b, 1, 2),
      3,
    );
  });

  it('is never changed by what derives from it', () => {
    const before = root.withLabels({ a: 1 }).setValue(A, 1);
    before.withLabels({ a: 2 });
    before.withSpan(trace.wrapSpanContext(spanContext));
    before.withBaggage(propagation.createBaggage({ k: { value: 'v' } }));
    before.withSuppression(true);
    before.setValue(A, 2);
    before.deleteValue(A);
    assert.equal(before.labels.get('a'), 1);
    assert.equal(before.getValue(A), 1);
    assert.equal(before.span ?? before.identity ?? before.baggage, undefined);
    assert.equal(before.suppressed, false);
  });

  it('gives the OpenTelemetry API what its fields hold, and takes it from there', () => {
    const span = trace.wrapSpanContext(spanContext);
    const baggage = propagation.createBaggage({ k: { value: 'v' } });
    const context = trace.setSpan(propagation.setBaggage(root, baggage), span) as ObservabilityContext;
    assert.equal(context.span, span);
    assert.equal(context.identity?.traceId, spanContext.traceId);
    assert.equal(context.baggage, baggage);
    assert.equal(trace.getSpan(context), span);
    assert.equal(propagation.getBaggage(context), baggage);
    const without = trace.deleteSpan(propagation.deleteBaggage(context)) as ObservabilityContext;
    assert.equal(trace.getSpan(without) ?? without.identity ?? propagation.getBaggage(without), undefined);
  });

  it('shows a remote parent as a span to the API', () => {
    const context = root.withIdentity(SpanIdentity.from(spanContext));
    assert.equal(trace.getSpanContext(context)?.spanId, spanContext.spanId);
    assert.equal(trace.getSpan(context)?.isRecording(), false);
  });

  it('honours the key by which the SDK suppresses tracing', () => {
    const key = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
    const suppressed = root.setValue(key, true);
    assert.equal(suppressed.suppressed, true);
    assert.equal(suppressed.getValue(key), true);
    assert.equal(suppressed.deleteValue(key).suppressed, false);
    assert.equal(ObservabilityContext.from(ROOT_CONTEXT.setValue(key, true)).suppressed, true);
  });

  it('keeps any other key, replaces and deletes it', () => {
    let context = root.setValue(A, 1).setValue(B, 2).setValue(C, 3);
    context = context.setValue(A, 'one').deleteValue(B);
    assert.deepEqual(
      [A, B, C].map(key => context.getValue(key)),
      ['one', undefined, 3],
    );
    assert.equal(context.deleteValue(B), context);
    for (let i = 0; i < 10_000; i++) context = context.setValue(B, i);
    assert.equal(context.getValue(B), 9999);
  });
});

describe('a context of another implementation', () => {
  const foreign = trace.setSpanContext(ROOT_CONTEXT, spanContext).setValue(A, 'a').setValue(B, 'b');

  it('keeps its span, its baggage and its own keys', () => {
    const baggage = propagation.createBaggage({ k: { value: 'v' } });
    const context = ObservabilityContext.from(propagation.setBaggage(foreign, baggage));
    assert.equal(context.identity?.spanId, spanContext.spanId);
    assert.equal(context.baggage, baggage);
    const derived = context.setValue(A, 'mine').deleteValue(B).withLabels({ x: 1 });
    assert.deepEqual(
      [A, B, C].map(key => derived.getValue(key)),
      ['mine', undefined, undefined],
    );
    assert.deepEqual(
      [A, B].map(key => context.getValue(key)),
      ['a', 'b'],
    );
  });

  it('may be nothing, nonsense, or fail', () => {
    const failing = {
      getValue: () => {
        throw new Error('no');
      },
    };
    for (const bad of [undefined, null, {}, 7, failing])
      assert.equal(ObservabilityContext.from(bad as never), root);
    const badSpan = root.withSpan({
      spanContext: () => {
        throw new Error('no');
      },
    } as never);
    assert.equal(badSpan.identity, undefined);
    assert.equal(
      root.setValue(createContextKey('OpenTelemetry Context Key SPAN'), 'no span').span,
      undefined,
    );
  });
});

describe('labels', () => {
  it('are merged, the newer value wins, undefined removes', () => {
    const { labels } = root
      .withLabels({ a: 1, b: 'x' })
      .withLabels({ b: true, c: 'y' })
      .withLabels({ a: undefined });
    assert.deepEqual(labels.keys, ['b', 'c']);
    assert.deepEqual(labels.values, [true, 'y']);
    assert.equal(labels.count, 2);
  });

  it('are shared by contexts that add none', () => {
    const context = root.withLabels({ a: 1 });
    assert.equal(context.setValue(A, 1).labels, context.labels);
    assert.equal(context.withSpan(undefined).labels, context.labels);
  });

  it('stop at 32, and take no value of another kind', () => {
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, i]));
    const full = root.withLabels(many);
    assert.equal(full.labels.count, 32);
    assert.equal(full.labels.get('k31'), 31);
    assert.equal(full.labels.get('k32'), undefined);
    assert.equal(full.withLabels({ k31: 'new' }).labels.get('k31'), 'new');
    assert.equal(root.withLabels({ a: {}, '': 1, f: () => 1, n: null } as never).labels.count, 0);
    assert.equal(String(root.withLabels({ a: 'x'.repeat(5000) }).labels.get('a')).length, 1024);
  });

  it('named __proto__ are data', () => {
    const { labels } = root.withLabels(JSON.parse('{"__proto__":"x"}'));
    assert.equal(labels.get('__proto__'), 'x');
    assert.equal(root.labels.get('constructor'), undefined);
  });
});

describe('as the global context manager of OpenTelemetry', () => {
  afterEach(() => api.disable());

  it('activates contexts for api.with and api.bind', async () => {
    assert.ok(api.setGlobalContextManager(new ContextManager()));
    const context = ROOT_CONTEXT.setValue(A, 1);
    const receiver = { name: 'x' };
    const result = api.with(
      context,
      function (this: typeof receiver, n: number) {
        assert.equal(api.active().getValue(A), 1);
        return `${this.name}${n}`;
      },
      receiver,
      7,
    );
    assert.equal(result, 'x7');
    const bound = api.bind(context, () => api.active().getValue(A));
    assert.equal(bound(), 1);
    assert.equal(api.active(), root);
  });

  it('attaches a context until its token is disposed of', () => {
    const manager = new ContextManager();
    root.run(() => {
      const token = manager.attach(ROOT_CONTEXT.setValue(A, 1));
      assert.equal(manager.active().getValue(A), 1);
      token.dispose();
      assert.equal(manager.active(), root);
    });
  });

  it('is at its root while disabled', () => {
    const manager = new ContextManager().disable();
    root.withLabels({ a: 1 }).run(() => {
      assert.equal(manager.active(), root);
      assert.equal(manager.enable().active().labels.count, 1);
    });
  });
});
