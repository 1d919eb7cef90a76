// Whatever an application hands to the agent: nothing is thrown, the work is bounded, and what was left out is counted.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { beforeEach, describe, it } from 'node:test';
import { type Attributes, type AttributeValue, logs, type Span } from '@opentelemetry/api';
import type Pino from 'pino';
import { processClock } from '../src/context/clock.ts';
import { ObservabilityContext } from '../src/context/observability-context.ts';
import { instrumentPino } from '../src/instrument/pino.ts';
import { LoggerProvider } from '../src/log/logger-provider.ts';
import { MeterProvider } from '../src/metrics/meter-provider.ts';
import { TracerProvider } from '../src/trace/tracer-provider.ts';
import { attributesOf, logRecordsIn, spansIn } from './decoded-records.ts';
import { MemorySink } from './memory-sink.ts';
import { metricNamed, takeMetrics, valuesOf } from './metrics/collected.ts';

const root = ObservabilityContext.root;
const ATTRIBUTES_MAX = 128;
const VALUE_UNITS_MAX = 64 * 1024;
/** Values that one structured attribute may have. */
const NODES_MAX = 1024;
const TEN_MB = 10_000_000;

/** 10,000 properties whose reads are counted. */
function manyCounted(): { readonly attributes: Attributes; reads(): number } {
  let reads = 0;
  const attributes = {};
  for (let i = 0; i < 10_000; i++) {
    const get = (): number => {
      reads++;
      return i;
    };
    Object.defineProperty(attributes, `k${i}`, { enumerable: true, get });
  }
  return { attributes, reads: () => reads };
}

/** An object with 50,000 keys, and an array with a billion elements; both count what is read of them. */
function endless(): { readonly object: object; readonly array: readonly unknown[]; reads(): number } {
  let reads = 0;
  const keys = Array.from({ length: 50_000 }, (_, i) => `k${i}`);
  const object = new Proxy(
    {},
    {
      ownKeys: () => keys,
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
      get: () => ++reads,
    },
  );
  const array = new Proxy([] as unknown[], { get: (_, name) => (name === 'length' ? 1e9 : ++reads) });
  return { object, array, reads: () => reads };
}

const no = (): never => {
  throw new Error('no');
};
const throwingGetter = (): object => Object.defineProperty({ good: 1 }, 'bad', { enumerable: true, get: no });
const throwingProxy = new Proxy({}, { get: no, ownKeys: no, has: no, getPrototypeOf: no });
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
function circular(): Record<string, unknown> {
  const object: Record<string, unknown> = { name: 'ring' };
  object.self = object;
  return object;
}

/** How deep an object goes through `self`. */
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + depthOf((value as { self?: unknown }).self) : 0;

/** The values that an attribute takes one after another. */
const changing = [1, 'text', true, 1.5, ['a'], { a: 1 }, 5n, null, undefined, 2] as const;

describe('bad input of a span', () => {
  const setUp = () => {
    const sink = new MemorySink(processClock.anchorUnixNanos);
    const provider = new TracerProvider({ sink });
    const start = (): Span => provider.getTracer('test').startSpan('test', undefined, root);
    return { sink, provider, start };
  };

  it('never throws, whatever stands where a time, options or attributes belong', () => {
    const { sink, provider, start } = setUp();
    const tracer = provider.getTracer('test');
    for (const bad of [throwingProxy, revoked()] as never[]) {
      start().addEvent('e', bad).addEvent('e', {}, bad).addLinks(bad).setStatus(bad).end(bad);
      start().recordException(new Error('x'), bad);
      tracer.startSpan('x', bad).end();
      tracer.startSpan('x', { startTime: bad }).end();
      tracer.startSpan('x', {}, bad).end();
      tracer.startActiveSpan('x', bad, span => span.end());
    }
    assert.equal(spansIn(sink).length, 10, 'all that ended arrive');
    // Of each an event's attributes, a status and the options of two spans; of one, links.
    assert.equal(provider.counters.rejected, 9);
  });

  it('never ended: it leaves a count of started spans, and neither bytes nor a place in the pool', () => {
    const { sink, provider, start } = setUp();
    for (let i = 0; i < 10_000; i++) start().setAttribute('n', i).addEvent('begun');
    assert.deepEqual([sink.frames.length, provider.pooledRecords], [0, 0]);
    const { started, written, refused, used_after_end } = provider.counters;
    assert.deepEqual([started, written, refused, used_after_end], [10_000, 0, 0, 0]);
    start().end();
    assert.deepEqual([spansIn(sink).length, provider.counters.written], [1, 1]);
  });

  it('ended twice, and written to afterwards: one span as it was at its first end', () => {
    const { sink, provider, start } = setUp();
    const span = start().setAttribute('a', 'before');
    span.end();
    span.end();
    span.setAttributes(manyCounted().attributes).setAttribute('bad', throwingProxy as never);
    span.addEvent('late', throwingGetter() as Attributes).recordException(throwingProxy as never);
    span.updateName('late').setStatus({ code: 2 });
    span.end(Number.NaN);
    const [decoded, second] = spansIn(sink);
    assert.equal(second, undefined);
    assert.deepEqual({ ...attributesOf(decoded!) }, { a: 'before' });
    assert.deepEqual([decoded!.name, decoded!.events.length, decoded!.statusCode], ['test', 0, 0]);
    assert.deepEqual([provider.counters.used_after_end, provider.counters.rejected], [8, 0]);
  });

  it('10,000 attributes, on it, its events and links: 128 are kept, the rest counted, each read once', () => {
    const { sink, start } = setUp();
    const [own, event, link] = [manyCounted(), manyCounted(), manyCounted()];
    const span = start().setAttributes(own.attributes).addEvent('e', event.attributes);
    span.addLink({ context: start().spanContext(), attributes: link.attributes });
    for (let i = 0; i < 10_000; i++) span.setAttribute(`one${i}`, i);
    span.end();
    const [decoded] = spansIn(sink);
    const [decodedEvent, decodedLink] = [decoded!.events[0]!, decoded!.links[0]!];
    for (const each of [decoded!, decodedEvent, decodedLink])
      assert.equal(each.attributes.length, ATTRIBUTES_MAX);
    assert.equal(decoded!.droppedAttributesCount, 20_000 - ATTRIBUTES_MAX);
    assert.equal(decodedEvent.droppedAttributesCount, 10_000 - ATTRIBUTES_MAX);
    assert.equal(decodedLink.droppedAttributesCount, 10_000 - ATTRIBUTES_MAX);
    for (const { reads } of [own, event, link]) assert.ok(reads() <= ATTRIBUTES_MAX, `${reads()} reads`);
  });

  it('10 MB, wherever text or bytes go: cut, and counted', () => {
    const big = 'x'.repeat(TEN_MB);
    const uses: readonly ((span: Span) => unknown)[] = [
      span => span.setAttribute('a', big),
      span => span.setAttribute('a', Buffer.alloc(TEN_MB) as never),
      span => span.setAttribute('a', ['short', big]),
      span => span.updateName(big),
      span => span.addEvent(big),
      span => span.addEvent('e', { a: big }),
      span => span.setStatus({ code: 2, message: big }),
      span => span.recordException({ name: 'E', message: big }),
    ];
    for (const use of uses) {
      const { sink, provider, start } = setUp();
      const span = start();
      use(span);
      span.end();
      assert.deepEqual([provider.counters.truncated, provider.counters.written], [1, 1], String(use));
      assert.ok(sink.frames[0]!.bytes.length < VALUE_UNITS_MAX + 1024);
    }
  });

  it('a key of 10 MB costs its span at most', () => {
    const { sink, provider, start } = setUp();
    const span = start().setAttribute('x'.repeat(TEN_MB), 1);
    span.end();
    const { written, refused } = provider.counters;
    assert.equal(written + refused, 1);
    assert.ok(sink.frames.every(({ bytes }) => bytes.length <= 256 * 1024));
  });

  it('an attribute that changes type: the last one that is a value', () => {
    const { sink, provider, start } = setUp();
    const span = start();
    for (const value of changing) span.setAttribute('a', value as AttributeValue);
    span.end();
    assert.deepEqual({ ...attributesOf(spansIn(sink)[0]!) }, { a: 2 });
    assert.equal(provider.counters.rejected, 0);
  });

  it('values without an end are read as far as they may be kept', () => {
    const { sink, provider, start } = setUp();
    for (const which of ['object', 'array'] as const) {
      const value = endless();
      const span = start().setAttribute('a', value[which] as never);
      span.end();
      assert.ok(value.reads() <= NODES_MAX, `${value.reads()} reads`);
    }
    assert.deepEqual([spansIn(sink).length, provider.counters.truncated], [2, 2]);
  });

  it('getters and proxies that throw, circles and BigInts cost what is hostile', () => {
    const { sink, provider, start } = setUp();
    const span = start();
    span.setAttributes(throwingGetter() as Attributes);
    span.setAttributes(throwingProxy).setAttributes(revoked() as Attributes);
    span.setAttribute('proxy', throwingProxy as never).setAttribute('revoked', revoked() as never);
    span.setAttribute('circle', circular() as never);
    span
      .setAttribute('int64', 2n ** 63n - 1n)
      .setAttribute('text', 2n ** 63n)
      .setAttribute('over', 2n ** 9000n);
    span.addEvent('e', circular() as Attributes).addEvent(throwingProxy as never);
    span.addLink(throwingProxy as never).addLinks([revoked() as never, null as never]);
    span.updateName(throwingProxy as never).recordException(throwingProxy as never);
    span.end(5n as never);
    const [decoded] = spansIn(sink);
    const { circle, ...rest } = attributesOf(decoded!);
    assert.deepEqual({ ...rest }, { good: 1, int64: 2n ** 63n - 1n, text: String(2n ** 63n) });
    assert.equal(depthOf(circle), 8);
    assert.ok(provider.counters.rejected >= 8, `${provider.counters.rejected} rejected`);
    assert.equal(provider.counters.truncated, 2, 'the two circles');
    assert.equal(provider.counters.written, 1);
  });
});

describe('bad input of a log record', () => {
  const setUp = () => {
    const sink = new MemorySink(processClock.anchorUnixNanos);
    const provider = new LoggerProvider({ sink });
    return { sink, provider, logger: provider.getLogger('test') };
  };

  it('10,000 attributes: 128 are kept, the rest counted, each read once', () => {
    const { sink, logger } = setUp();
    const { attributes, reads } = manyCounted();
    logger.emit({ body: 'b', attributes });
    const [record] = logRecordsIn(sink);
    assert.deepEqual(
      [record!.attributes.length, record!.droppedAttributesCount],
      [ATTRIBUTES_MAX, 10_000 - ATTRIBUTES_MAX],
    );
    assert.ok(reads() <= ATTRIBUTES_MAX, `${reads()} reads`);
  });

  it('10 MB in the body, an attribute, a name or an exception: cut, and counted', () => {
    const big = 'x'.repeat(TEN_MB);
    for (const record of [
      { body: big },
      { body: { deep: [big] } },
      { body: Buffer.alloc(TEN_MB) },
      { attributes: { a: big } },
      { eventName: big },
      { severityText: big },
      { exception: { name: 'E', message: big } },
    ]) {
      const { sink, provider, logger } = setUp();
      logger.emit(record);
      assert.deepEqual([provider.counters.truncated, provider.counters.written], [1, 1]);
      assert.ok(sink.frames[0]!.bytes.length < VALUE_UNITS_MAX + 1024);
    }
  });

  it('a body and an attribute that change type have the type of each record', () => {
    const { sink, provider, logger } = setUp();
    const values = [1, 'text', true, ['a'], 5n];
    for (const value of values) logger.emit({ body: value as never, attributes: { a: value as never } });
    const records = logRecordsIn(sink);
    assert.deepEqual(
      records.map(record => record.body),
      [1, 'text', true, ['a'], 5],
    );
    assert.deepEqual(
      records.map(record => attributesOf(record).a),
      [1, 'text', true, ['a'], 5],
    );
    assert.equal(provider.counters.rejected, 0);
  });

  it('getters and proxies that throw, circles and BigInts cost what is hostile', () => {
    const { sink, provider, logger } = setUp();
    logger.emit({ body: circular() as never, attributes: { circle: circular() as never } });
    logger.emit({ body: throwingProxy as never, attributes: throwingGetter() as never });
    logger.emit({ body: (2n ** 9000n) as never, attributes: { big: 2n ** 64n } as never });
    logger.emit({ body: 'fine', attributes: throwingProxy as never });
    logger.emit(throwingProxy as never);
    logger.emit(revoked() as never);
    logger.emit({ body: 'fine', timestamp: throwingProxy as never, severityNumber: 2n as never });
    const records = logRecordsIn(sink);
    const [circles, throwing, big] = records;
    assert.deepEqual([depthOf(circles!.body), depthOf(attributesOf(circles!).circle)], [8, 8]);
    assert.deepEqual([throwing!.body, { ...attributesOf(throwing!) }], [undefined, { good: 1 }]);
    assert.deepEqual([big!.body, { ...attributesOf(big!) }], [undefined, { big: String(2n ** 64n) }]);
    assert.equal(provider.counters.truncated, 2);
    assert.equal(provider.counters.written, records.length);
    assert.ok(provider.counters.rejected >= 6, `${provider.counters.rejected} rejected`);
  });

  it('values without an end are read as far as they may be kept', () => {
    const { provider, logger } = setUp();
    for (const which of ['object', 'array'] as const) {
      const [body, attribute] = [endless(), endless()];
      logger.emit({ body: body[which] as never, attributes: { a: attribute[which] as never } });
      assert.ok(body.reads() <= NODES_MAX && attribute.reads() <= NODES_MAX);
    }
    assert.deepEqual([provider.counters.truncated, provider.counters.written], [4, 2]);
  });
});

describe('bad input of a pino line', () => {
  const pino: typeof Pino = createRequire(import.meta.url)('pino');
  let lines: string[] = [];
  const destination = { write: (line: string): void => void lines.push(line) };
  const logger = pino({ base: null, timestamp: false }, destination);
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new LoggerProvider({ sink });
  logs.setGlobalLoggerProvider(provider);
  let before = { ...provider.counters };
  const counted = (name: keyof typeof before): number => provider.counters[name] - before[name];

  beforeEach(() => {
    lines = [];
    sink.frames.length = 0;
    before = { ...provider.counters };
  });

  /** What a call does: the line, or what it throws. */
  const outcomeOf = (value: unknown): string => {
    lines = [];
    try {
      logger.info(value, 'said');
      return lines.join('');
    } catch (error) {
      return `throws ${(error as Error).message}`;
    }
  };

  const bad: Readonly<Record<string, () => unknown>> = {
    'a circle': circular,
    'a BigInt': () => ({ big: 2n ** 70n }),
    'a getter that throws': throwingGetter,
    'a getter that throws further down': () => ({ inner: throwingGetter() }),
    'a Proxy that throws': () => ({ inner: throwingProxy }),
    'a toJSON that throws': () => ({ inner: { toJSON: no } }),
    'an error whose message throws': () => ({
      err: Object.defineProperty(new Error('x'), 'message', { get: no }),
    }),
    'a function, a symbol and nothing': () => ({ f: no, s: Symbol('s'), u: undefined }),
  };
  const withoutAgent = Object.values(bad).map(make => outcomeOf(make()));
  instrumentPino(pino);

  for (const [index, [what, make]] of Object.entries(bad).entries()) {
    it(`${what}: pino does as it does without the agent, and a line that it writes is a record`, () => {
      const expected = withoutAgent[index]!;
      assert.equal(outcomeOf(make()), expected);
      const records = logRecordsIn(sink);
      assert.deepEqual(
        records.map(({ body }) => body),
        expected.startsWith('throws') ? [] : ['said'],
      );
      assert.deepEqual([sink.lines.counters.malformed, counted('rejected')], [0, 0]);
    });
  }

  it('10 MB in the message or in a field: the record is cut, and counted; the line is whole', () => {
    for (const [field, message] of [
      ['short', 'x'.repeat(TEN_MB)],
      ['x'.repeat(TEN_MB), 'short'],
    ] as const) {
      before = { ...provider.counters };
      sink.frames.length = 0;
      logger.info({ field }, message);
      assert.ok(lines.at(-1)!.length > TEN_MB);
      assert.deepEqual([counted('truncated'), counted('written'), counted('refused')], [1, 1, 0]);
      assert.ok(sink.frames[0]!.bytes.length < VALUE_UNITS_MAX + 1024);
    }
  });

  it('10,000 fields: 128 are kept, and the rest counted', () => {
    logger.info(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i])), 'many');
    const [record] = logRecordsIn(sink);
    assert.deepEqual(
      [record!.attributes.length, record!.droppedAttributesCount],
      [ATTRIBUTES_MAX, 10_000 - ATTRIBUTES_MAX],
    );
  });

  it('a field that changes type has the type of each line', () => {
    for (const value of [1, 'text', true, ['a']]) logger.info({ a: value });
    assert.deepEqual(
      logRecordsIn(sink).map(record => attributesOf(record).a),
      [1, 'text', true, ['a']],
    );
  });
});

describe('bad input of a measurement', () => {
  const setUp = () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink });
    const counter = provider.getMeter('test').createCounter('c');
    const points = (): [Record<string, unknown>, unknown][] => {
      provider.collectSync();
      return valuesOf(metricNamed(takeMetrics(sink), 'c'));
    };
    return { provider, counter, points };
  };

  it('never throws, whatever stands where a name, options or a number belong', () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink });
    const [meter, bad] = [provider.getMeter('m'), throwingProxy as never];
    meter.createCounter('named', bad).add(1);
    meter.createCounter(bad).add(1);
    meter.createHistogram('advised', { advice: bad }).record(1);
    const counter = meter.createCounter('c');
    counter.add(bad);
    counter.add(1, undefined, bad);
    provider.collectSync();
    assert.deepEqual(
      takeMetrics(sink).map(({ name }) => name),
      ['c'],
    );
    assert.deepEqual([provider.counters.refused, provider.counters.invalid], [3, 1]);
  });

  it('10,000 attributes: one series of 128, counted, none read more than twice', () => {
    const { provider, counter, points } = setUp();
    const { attributes, reads } = manyCounted();
    counter.add(1, attributes);
    assert.ok(reads() <= 20_000, `${reads()} reads`);
    const [[kept, value]] = points() as [[Record<string, unknown>, unknown]];
    assert.deepEqual([Object.keys(kept).length, value], [ATTRIBUTES_MAX, 1]);
    assert.ok(provider.counters.truncated >= 1);
  });

  it('10 MB in a value: cut, counted, and the same series again', () => {
    const { provider, counter, points } = setUp();
    counter.add(1, { a: 'x'.repeat(TEN_MB) });
    counter.add(1, { a: 'x'.repeat(TEN_MB) });
    const [[{ a }, value], ...more] = points() as [[{ a: string }, unknown]];
    assert.deepEqual([more, value], [[], 2]);
    assert.ok(a.length <= VALUE_UNITS_MAX);
    assert.ok(provider.counters.truncated >= 1);
  });

  it('an attribute that changes type: a series for each type', () => {
    const { counter, points } = setUp();
    for (let round = 0; round < 2; round++)
      for (const a of [1, '1', true, 'true', ['1']]) counter.add(1, { a });
    assert.deepEqual(
      points().map(([, value]) => value),
      [2, 2, 2, 2, 2],
    );
  });

  it('getters and proxies that throw, circles and BigInts: the measurement or what is hostile in it is left out, counted', () => {
    const { provider, counter, points } = setUp();
    const unreadable = [throwingGetter(), throwingProxy, revoked()];
    for (const attributes of unreadable) counter.add(1, attributes as Attributes);
    assert.equal(provider.counters.rejected, unreadable.length);
    const readable = [
      { inner: throwingProxy },
      { circle: circular() },
      { big: 2n ** 64n },
      { over: 2n ** 9000n },
      { f: no, s: Symbol('s') },
    ];
    for (const attributes of readable) counter.add(1, attributes as unknown as Attributes);
    const total = points().reduce((sum, [, value]) => sum + Number(value), 0);
    assert.equal(total, readable.length);
    const { invalid, rejected, truncated } = provider.counters;
    assert.deepEqual([invalid, rejected, truncated], [0, unreadable.length + 4, 1]);
  });

  it('values without an end are read as far as they may be kept', () => {
    const { provider, counter, points } = setUp();
    for (const which of ['object', 'array'] as const) {
      const value = endless();
      counter.add(1, { a: value[which] as never });
      assert.ok(value.reads() <= 2 * NODES_MAX, `${value.reads()} reads`);
    }
    assert.equal(points().length, 2);
    assert.ok(provider.counters.truncated >= 2);
  });

  it('an observer that observes it: the same, and the collection goes on', () => {
    const { sink, provider } = (() => {
      const sink = new MemorySink();
      return { sink, provider: new MeterProvider({ sink }) };
    })();
    const meter = provider.getMeter('test');
    meter.createObservableGauge('bad').addCallback(result => {
      result.observe(1, throwingProxy);
      result.observe(2, { circle: circular() } as never);
      result.observe(3n as never, {});
      result.observe(Number.NaN, {});
      no();
    });
    meter.createObservableGauge('good').addCallback(result => result.observe(4));
    provider.collectSync();
    const metrics = takeMetrics(sink);
    assert.deepEqual(valuesOf(metricNamed(metrics, 'good')), [[{}, 4]]);
    assert.deepEqual([provider.counters.failed, provider.counters.invalid], [1, 2]);
  });
});
