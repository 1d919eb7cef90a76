// A span says what it was told, within bounds, and survives whatever it is given.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Span } from '@opentelemetry/api';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Clock, processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { TraceState } from '../../src/context/tracestate.ts';
import type { SpanLimits } from '../../src/trace/span.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { attributesOf, hex, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const root = ObservabilityContext.root;

function setUp(limits: Partial<SpanLimits> = {}) {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new TracerProvider({ sink, limits });
  return { sink, provider, tracer: provider.getTracer('test', '1.0') };
}

/** The one span that `use` was given, ended and decoded. */
function recorded(use: (span: Span) => void, limits: Partial<SpanLimits> = {}) {
  const { sink, provider, tracer } = setUp(limits);
  const span = tracer.startSpan('test', undefined, root);
  use(span);
  span.end();
  const [decoded] = spansIn(sink);
  assert.ok(decoded);
  return { decoded, provider };
}

describe('a span', () => {
  it('carries its IDs, its parent, its kind and its times', () => {
    const { sink, tracer } = setUp();
    const parent = SpanIdentity.root(3, TraceState.parse('vendor=x'));
    const context = root.withIdentity(
      new SpanIdentity(
        parent.t0,
        parent.t1,
        parent.t2,
        parent.t3,
        1,
        -2,
        3,
        TraceState.parse('vendor=x'),
        true,
      ),
    );
    const start = Date.now();
    const span = tracer.startSpan('GET /', { kind: SpanKind.CLIENT, startTime: start }, context);
    span.end(start + 25);
    const [decoded] = spansIn(sink);
    assert.equal(hex(decoded!.traceId), parent.traceId);
    assert.equal(hex(decoded!.spanId), span.spanContext().spanId);
    assert.equal(hex(decoded!.parentSpanId), '00000001fffffffe');
    assert.equal(decoded!.traceState, 'vendor=x');
    assert.equal(decoded!.flags, 0x303);
    assert.equal(decoded!.name, 'GET /');
    assert.equal(decoded!.kind, 3);
    assert.equal(decoded!.startTimeUnixNano, BigInt(start) * 1_000_000n);
    assert.equal(decoded!.endTimeUnixNano - decoded!.startTimeUnixNano, 25_000_000n);
    assert.equal(sink.frames[0]!.scope.name, 'test');
  });

  it('of no parent is a root, also when told so', () => {
    const { sink, tracer } = setUp();
    const context = root.withIdentity(SpanIdentity.root(3));
    tracer.startSpan('a', undefined, root).end();
    tracer.startSpan('b', { root: true }, context).end();
    for (const span of spansIn(sink)) {
      assert.equal(span.parentSpanId.length, 0);
      assert.equal(span.flags, 0x103);
      assert.notEqual(hex(span.traceId), context.identity?.traceId);
    }
  });

  it('takes its parent from a context of another implementation', () => {
    const { sink, tracer } = setUp();
    const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
    tracer.startSpan('a', undefined, trace.setSpanContext(ROOT_CONTEXT, parent)).end();
    const [span] = spansIn(sink);
    assert.equal(hex(span!.traceId), parent.traceId);
    assert.equal(hex(span!.parentSpanId), parent.spanId);
  });

  it('begins with the labels of its context; its own attributes win', () => {
    const { sink, tracer } = setUp();
    const context = root.withLabels({ tenant: 'acme', job: 'etl' });
    tracer.startSpan('a', { attributes: { job: 'other', n: 1 } }, context).end();
    assert.deepEqual({ ...attributesOf(spansIn(sink)[0]!) }, { tenant: 'acme', job: 'other', n: 1 });
  });

  it('never ends before it starts', () => {
    const { sink, tracer } = setUp();
    const now = Date.now();
    tracer.startSpan('a', { startTime: now }, root).end(now - 1000);
    const [span] = spansIn(sink);
    assert.equal(span!.endTimeUnixNano, span!.startTimeUnixNano);
  });

  it('keeps its duration when the wall clock steps by days', () => {
    const time = { now: 1000, wall: 1e12 };
    const clock = new Clock({ monotonic: () => time.now, wall: () => time.wall });
    const sink = new MemorySink(clock.anchorUnixNanos);
    const tracer = new TracerProvider({ sink, clock }).getTracer('x');
    const across = tracer.startSpan('across', undefined, root);
    time.now += 20_000;
    time.wall += 20_000 + 3 * 86_400_000;
    const after = tracer.startSpan('after', undefined, root);
    across.end();
    time.now += 5;
    after.end();
    const [first, second] = spansIn(sink);
    assert.equal(first!.endTimeUnixNano - first!.startTimeUnixNano, 20_000_000_000n);
    assert.equal(second!.endTimeUnixNano - second!.startTimeUnixNano, 5_000_000n);
    assert.equal(second!.startTimeUnixNano, BigInt(time.wall) * 1_000_000n);
  });
});

describe('attributes', () => {
  it('keep the last value of a key and every kind of value', () => {
    const { decoded } = recorded(span => {
      span.setAttribute('a', 1).setAttributes({ a: 'two', b: true, c: 1.5, d: ['x', 'y'], e: { f: [1] } });
      span.setAttribute('g', 2n ** 62n).setAttribute('h', new Uint8Array([1, 2]));
      span.setAttribute('i', null).setAttribute('j', undefined);
    });
    const { h, e, ...rest } = attributesOf(decoded);
    assert.deepEqual(rest, { a: 'two', b: true, c: 1.5, d: ['x', 'y'], g: 2n ** 62n, i: undefined });
    assert.equal(hex(h as Uint8Array), '0102');
    assert.equal(JSON.stringify(e), '{"f":[1]}');
  });

  it('are copied when they are set', () => {
    const list = [1];
    const { decoded } = recorded(span => {
      span.setAttribute('list', list);
      list.push(2);
    });
    assert.deepEqual(attributesOf(decoded).list, [1]);
  });

  it('stop at 128 and count the rest', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
    assert.equal(recorded(span => span.setAttributes(many(128))).decoded.droppedAttributesCount, 0);
    const over = recorded(span => span.setAttributes(many(129))).decoded;
    assert.equal(over.attributes.length, 128);
    assert.equal(over.droppedAttributesCount, 1);
    assert.equal(recorded(span => span.setAttributes(many(10_000))).decoded.droppedAttributesCount, 9872);
  });

  it('still take a new value for a known key at the limit', () => {
    const { decoded } = recorded(span => span.setAttributes({ a: 1, b: 2, a2: 3 }).setAttribute('b', 4), {
      attributes: 2,
    });
    assert.deepEqual({ ...attributesOf(decoded) }, { a: 1, b: 4 });
  });

  it('of 10 MB are cut to the limit, and counted', () => {
    const { decoded, provider } = recorded(span => span.setAttribute('big', 'x'.repeat(10_000_000)));
    assert.equal(String(attributesOf(decoded).big).length, 64 * 1024);
    assert.equal(provider.counters.truncated, 1);
  });

  it('with hostile values cost themselves only', () => {
    const throwing = {
      get bad() {
        throw new Error('no');
      },
      good: 1,
    };
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const proxy = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    const { decoded, provider } = recorded(span => {
      span.setAttributes(throwing);
      span.setAttributes(proxy);
      span.setAttributes(null as never).setAttributes(7 as never);
      span
        .setAttribute('proxy', proxy)
        .setAttribute('circular', circular)
        .setAttribute('long', new Array(1e9));
      span
        .setAttribute('huge', 2n ** 5000n)
        .setAttribute('fn', () => 1)
        .setAttribute('symbol', Symbol('x'));
      span
        .setAttribute('', 1)
        .setAttribute(undefined as never, 1)
        .setAttribute('fine', 2);
      span.setAttribute('date', new Date(0)).setAttribute('invalid', new Date(Number.NaN));
    });
    const names = decoded.attributes.map(attribute => attribute.key);
    assert.deepEqual(names, ['good', 'circular', 'long', 'fine', 'date']);
    assert.equal(decoded.droppedAttributesCount, 8);
    assert.ok(provider.counters.rejected >= 5);
  });

  it('named __proto__ and constructor are data', () => {
    const { decoded } = recorded(span =>
      span.setAttributes(JSON.parse('{"__proto__":1,"constructor":2,"toString":{"__proto__":{"x":1}}}')),
    );
    assert.deepEqual(
      decoded.attributes.map(each => each.key),
      ['__proto__', 'constructor', 'toString'],
    );
    assert.equal(({} as Record<string, unknown>).x, undefined);
  });
});

describe('events and links', () => {
  it('take attributes, a time, or both', () => {
    const time = Date.now();
    const { decoded } = recorded(span => {
      span.addEvent('plain').addEvent('timed', time).addEvent('both', { a: 1 }, new Date(time));
    });
    assert.deepEqual(
      decoded.events.map(event => event.name),
      ['plain', 'timed', 'both'],
    );
    assert.equal(decoded.events[1]!.timeUnixNano, BigInt(time) * 1_000_000n);
    assert.equal(decoded.events[2]!.timeUnixNano, BigInt(time) * 1_000_000n);
    assert.deepEqual({ ...attributesOf(decoded.events[2]!) }, { a: 1 });
  });

  it('stop at their limits and count the rest', () => {
    const context = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
    };
    const { decoded } = recorded(span => {
      for (let i = 0; i < 130; i++) span.addEvent(`e${i}`).addLink({ context });
    });
    assert.equal(decoded.events.length, 128);
    assert.equal(decoded.droppedEventsCount, 2);
    assert.equal(decoded.links.length, 128);
    assert.equal(decoded.droppedLinksCount, 2);
  });

  it('of a link carry IDs, tracestate, flags and attributes; an invalid one is counted', () => {
    const identity = SpanIdentity.root(1, TraceState.parse('a=b'));
    const { decoded } = recorded(span => {
      span.addLinks([
        { context: identity, attributes: { n: 1 } },
        { context: { traceId: 'x', spanId: 'y', traceFlags: 0 } },
        undefined as never,
      ]);
    });
    const [link] = decoded.links;
    assert.equal(hex(link!.traceId), identity.traceId);
    assert.equal(hex(link!.spanId), identity.spanId);
    assert.equal(link!.traceState, 'a=b');
    assert.equal(link!.flags, 0x101);
    assert.deepEqual({ ...attributesOf(link!) }, { n: 1 });
    assert.equal(decoded.droppedLinksCount, 2);
  });
});

describe('status', () => {
  const statusAfter = (...codes: SpanStatusCode[]) =>
    recorded(span => {
      for (const code of codes) span.setStatus({ code, message: `message ${code}` });
    }).decoded;

  it('keeps the last error and its message', () => {
    const { statusCode, statusMessage } = statusAfter(SpanStatusCode.ERROR);
    assert.deepEqual([statusCode, statusMessage], [2, 'message 2']);
  });

  it('OK is final and has no message', () => {
    for (const codes of [
      [2, 1],
      [1, 2],
      [1, 0],
    ]) {
      const { statusCode, statusMessage } = statusAfter(...codes);
      assert.deepEqual([statusCode, statusMessage], [1, '']);
    }
  });

  it('UNSET and nonsense change nothing', () => {
    assert.equal(statusAfter(2, 0).statusCode, 2);
    assert.equal(statusAfter(7 as never).statusCode, 0);
    assert.equal(recorded(span => span.setStatus(undefined as never)).decoded.statusCode, 0);
  });
});

describe('recordException', () => {
  it('adds an event with type, message and stack', () => {
    const error = new TypeError('no');
    const { decoded } = recorded(span => span.recordException(error));
    assert.equal(decoded.events[0]!.name, 'exception');
    assert.deepEqual(
      { ...attributesOf(decoded.events[0]!) },
      {
        'exception.type': 'TypeError',
        'exception.message': 'no',
        'exception.stacktrace': error.stack,
      },
    );
  });

  it('takes strings, codes and objects that throw', () => {
    const hostile = {
      get name() {
        throw new Error('no');
      },
      message: 'still',
    };
    const { decoded } = recorded(span => {
      span.recordException('text');
      span.recordException({ code: 42, message: 'coded' });
      span.recordException(hostile as never);
      span.recordException(undefined as never);
    });
    assert.deepEqual(
      decoded.events.map(event => ({ ...attributesOf(event) })),
      [
        { 'exception.message': 'text' },
        { 'exception.type': '42', 'exception.message': 'coded' },
        { 'exception.message': 'still' },
        { 'exception.message': '' },
      ],
    );
  });
});

describe('the handle after the end', () => {
  it('keeps its IDs, and a use of it is a counted no-op', () => {
    const { sink, provider, tracer } = setUp();
    const span = tracer.startSpan('first', undefined, root);
    const { spanId } = span.spanContext();
    span.end();
    span.setAttribute('a', 1).setAttributes({ b: 1 }).addEvent('e').updateName('n').setStatus({ code: 2 });
    span.addLink({ context: SpanIdentity.root(1) }).addLinks([]);
    span.recordException('x');
    span.end();
    assert.equal(span.isRecording(), false);
    assert.equal(span.spanContext().spanId, spanId);
    assert.equal(provider.counters.used_after_end, 8);
    assert.equal(sink.frames.length, 1);
  });

  it('never writes into the span that has its record now', () => {
    const { sink, provider, tracer } = setUp();
    const old = tracer.startSpan('old', { attributes: { a: 1 } }, root);
    old.addEvent('e', { x: 1 }).end();
    const current = tracer.startSpan('current', undefined, root);
    assert.equal(provider.counters.pool_grown, 1);
    old.setAttribute('stray', 1).addEvent('stray').end();
    current.end();
    const span = spansIn(sink)[1]!;
    assert.equal(span.name, 'current');
    assert.equal(span.attributes.length + span.events.length + span.links.length, 0);
  });

  it('does not even when a getter ends the span that is being filled', () => {
    const { sink, tracer } = setUp();
    const span = tracer.startSpan('outer', undefined, root);
    let inner: Span | undefined;
    span.setAttributes({
      get trap() {
        span.end();
        inner = tracer.startSpan('inner', undefined, root);
        return 1;
      },
      after: 2,
    });
    inner?.end();
    const [outer, stolen] = spansIn(sink);
    assert.equal(outer!.name, 'outer');
    assert.equal(stolen!.name, 'inner');
    assert.equal(stolen!.attributes.length, 0);
  });
});

describe('the pool of records', () => {
  it('grows with the spans that are open, is capped, and shrinks when it is not needed', () => {
    const { sink, provider, tracer } = setUp();
    const open = Array.from({ length: 3000 }, () => tracer.startSpan('x', undefined, root));
    assert.equal(provider.counters.pool_grown, 3000);
    for (const span of open) span.end();
    assert.equal(provider.pooledRecords, 2048);
    assert.equal(provider.counters.pool_shrunk, 3000 - 2048);
    for (let i = 0; i < 4096 * 12; i++) {
      tracer.startSpan('x', undefined, root).end();
      sink.frames.length = 0;
    }
    assert.ok(provider.pooledRecords < 16, `${provider.pooledRecords} records are left`);
    assert.equal(provider.counters.pool_grown, 3000);
  });

  it('keeps nothing that the application gave alive', async () => {
    const { tracer } = setUp();
    let collected = false;
    const registry = new FinalizationRegistry(() => {
      collected = true;
    });
    (() => {
      const value = { deep: { big: 'x' } };
      registry.register(value, undefined);
      tracer.startSpan('x', { attributes: { value } }, root).end();
    })();
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 50 && !collected; i++) {
      collect();
      await new Promise(resolve => setImmediate(resolve));
    }
    assert.ok(collected);
  });
});

describe('a full buffer', () => {
  it('costs the span, counted, and nothing else', () => {
    const { sink, provider, tracer } = setUp();
    sink.full = true;
    tracer.startSpan('lost', undefined, root).end();
    sink.full = false;
    tracer.startSpan('kept', undefined, root).end();
    assert.equal(provider.counters.refused, 1);
    assert.equal(provider.counters.written, 1);
    assert.equal(spansIn(sink)[0]!.name, 'kept');
  });

  it('and so does a span that is larger than a frame', () => {
    const { provider, sink, tracer } = setUp();
    const span = tracer.startSpan('large', undefined, root);
    for (let i = 0; i < 10; i++) span.setAttribute(`k${i}`, 'x'.repeat(60_000));
    span.end();
    assert.equal(sink.overflowed, 1);
    assert.equal(provider.counters.refused, 1);
  });
});
