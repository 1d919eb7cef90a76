// The Logger of the OpenTelemetry API: what a record says reaches the wire, with the IDs and labels of its context.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '@opentelemetry/api';
import { ROOT_CONTEXT, SeverityNumber, trace } from '@opentelemetry/api';
import { processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { LoggerProvider } from '../../src/log/logger-provider.ts';
import { attributesOf, hex, logRecordsIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const root = ObservabilityContext.root;

function setUp() {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new LoggerProvider({ sink });
  return { sink, provider, logger: provider.getLogger('test', '1') };
}

function emitted(record: LogRecord) {
  const { sink, logger, provider } = setUp();
  logger.emit(record);
  const [decoded] = logRecordsIn(sink);
  assert.ok(decoded);
  return { decoded, provider };
}

describe('without room for all records', () => {
  const kinds: readonly [number, number][] = [
    [SeverityNumber.DEBUG, 1 / 16],
    [SeverityNumber.INFO, 1 / 4],
    [SeverityNumber.WARN, 1],
    [SeverityNumber.FATAL, 1],
    [SeverityNumber.UNSPECIFIED, 1],
  ];
  for (const [severityNumber, share] of kinds)
    it(`severity ${severityNumber} is kept at a share of ${share}, and says so`, () => {
      const { sink, logger } = setUp();
      sink.share = 1 / 4;
      for (let i = 0; i < 4000; i++) logger.emit({ severityNumber, body: 'x', context: root });
      const records = logRecordsIn(sink);
      const fiveDeviations = 5 * Math.sqrt(4000 * share * (1 - share));
      assert.ok(Math.abs(records.length - 4000 * share) <= fiveDeviations, `${records.length} of 4000`);
      assert.equal(sink.leftOut[3], 4000 - records.length);
      const threshold = { 1: undefined, 0.25: 'c', 0.0625: 'f' }[share];
      for (const record of records) assert.equal(attributesOf(record)['sampling.threshold'], threshold);
    });

  it('a trace has all of its records or none, and a record may have more to say', () => {
    const { sink, logger } = setUp();
    sink.share = 1 / 2;
    const under = (randomness: string): ObservabilityContext => {
      const identity = SpanIdentity.fromHex(`123456789abcdef012${randomness}`, 'b7ad6b7169203331', 3)!;
      return root.withSpan(trace.wrapSpanContext(identity)).withLabels({ job: 'etl' });
    };
    for (const randomness of ['80000000000000', '7fffffffffffff'])
      for (let i = 0; i < 10; i++)
        logger.emit({ severityText: 'info', attributes: { i }, context: under(randomness) });
    const attributes = logRecordsIn(sink).map(record => JSON.stringify(attributesOf(record)));
    assert.deepEqual(
      attributes,
      Array.from({ length: 10 }, (_, i) => `{"job":"etl","sampling.threshold":"8","i":${i}}`),
    );
  });

  it('a record that cannot be read is not left out', () => {
    const { sink, logger } = setUp();
    sink.share = Number.MIN_VALUE;
    const record = {
      get severityNumber(): number {
        throw new Error('no');
      },
    };
    logger.emit(record);
    assert.equal(logRecordsIn(sink).length, 1);
  });
});

describe('whether a logger is enabled', () => {
  const inTrace = (randomness: string): ObservabilityContext => {
    const identity = SpanIdentity.fromHex(`123456789abcdef012${randomness}`, 'b7ad6b7169203331', 1)!;
    return root.withSpan(trace.wrapSpanContext(identity));
  };

  it('says what will become of a record of a trace, and counts one that is then not made', () => {
    const { sink, logger } = setUp();
    const [kept, leftOut] = [inTrace('80000000000000'), inTrace('7fffffffffffff')];
    const ask = (context: ObservabilityContext, severityNumber: SeverityNumber): boolean =>
      logger.enabled({ context, severityNumber });
    assert.equal(ask(leftOut, SeverityNumber.INFO), true, 'while there is room');
    sink.share = 1 / 2;
    assert.deepEqual([ask(kept, SeverityNumber.INFO), ask(leftOut, SeverityNumber.INFO)], [true, false]);
    assert.deepEqual([ask(kept, SeverityNumber.DEBUG), ask(leftOut, SeverityNumber.WARN)], [false, true]);
    assert.equal(logger.enabled(), true, 'outside of a trace it is chance that decides');
    assert.equal(
      leftOut.run(() => logger.enabled({ severityNumber: SeverityNumber.INFO })),
      false,
    );
    assert.equal(sink.leftOut[3], 3);
    for (const context of [kept, leftOut]) logger.emit({ context, severityNumber: SeverityNumber.INFO });
    assert.equal(logRecordsIn(sink).length, 1);
  });

  it('does not throw for a question that does, and is false after the end', () => {
    const { sink, logger, provider } = setUp();
    sink.share = 1 / 2;
    const hostile = {
      get severityNumber(): never {
        throw new Error('no');
      },
      context: inTrace('00000000000000'),
    };
    assert.equal(logger.enabled(hostile), true);
    provider.shutdown();
    assert.equal(logger.enabled(), false);
  });
});

describe('a log record', () => {
  it('carries times, severity, body, attributes and event name', () => {
    const time = Date.now();
    const { decoded } = emitted({
      timestamp: time,
      observedTimestamp: time + 1,
      severityNumber: SeverityNumber.WARN2,
      severityText: 'warning',
      eventName: 'cache.miss',
      body: { text: 'x', list: [1, true, null] },
      attributes: { n: 1, nested: { a: ['b'] } },
      context: root,
    });
    assert.equal(decoded.timeUnixNano, BigInt(time) * 1_000_000n);
    assert.equal(decoded.observedTimeUnixNano, BigInt(time + 1) * 1_000_000n);
    assert.deepEqual(
      [decoded.severityNumber, decoded.severityText, decoded.eventName],
      [14, 'warning', 'cache.miss'],
    );
    assert.equal(JSON.stringify(decoded.body), '{"text":"x","list":[1,true,null]}');
    assert.equal(JSON.stringify(attributesOf(decoded)), '{"n":1,"nested":{"a":["b"]}}');
  });

  it('is observed now, and has no other time, when it says none', () => {
    const before = BigInt(Date.now() - 1000) * 1_000_000n;
    const { decoded } = emitted({ body: 'x' });
    assert.ok(decoded.observedTimeUnixNano > before);
    assert.equal(decoded.timeUnixNano, 0n);
  });

  it('takes its severity from the text when it has no number', () => {
    assert.equal(emitted({ severityText: 'Error' }).decoded.severityNumber, 17);
    assert.equal(emitted({ severityText: 'x', severityNumber: 99 as never }).decoded.severityNumber, 0);
  });

  it('belongs to the span and the labels of its context, by default the active one', () => {
    const identity = SpanIdentity.root(1);
    const { sink, logger } = setUp();
    const context = root.withLabels({ tenant: 'acme', job: 'etl' }).withIdentity(identity);
    context.run(() => logger.emit({ attributes: { job: 'other' } }));
    logger.emit({ context });
    logger.emit({ context: trace.setSpanContext(ROOT_CONTEXT, identity) });
    logger.emit({});
    const [active, given, foreign, none] = logRecordsIn(sink);
    for (const record of [active, given, foreign]) {
      assert.equal(hex(record!.traceId), identity.traceId);
      assert.equal(hex(record!.spanId), identity.spanId);
      assert.equal(record!.flags, 1);
    }
    assert.deepEqual({ ...attributesOf(active!) }, { tenant: 'acme', job: 'other' });
    assert.deepEqual({ ...attributesOf(given!) }, { tenant: 'acme', job: 'etl' });
    assert.equal(none!.traceId.length, 0);
  });

  it('turns an exception into attributes, which its own override', () => {
    const exception = new RangeError('too far');
    const { decoded } = emitted({ exception, attributes: { 'exception.message': 'redacted' } });
    assert.deepEqual(
      { ...attributesOf(decoded) },
      {
        'exception.type': 'RangeError',
        'exception.message': 'redacted',
        'exception.stacktrace': exception.stack,
      },
    );
  });

  it('that is hostile costs what is hostile', () => {
    const failing = {
      body: 'x',
      get attributes(): never {
        throw new Error('no');
      },
    };
    const { provider } = emitted(failing);
    assert.equal(provider.counters.rejected, 1);
    const { decoded } = emitted({
      body: () => 1,
      severityText: { toString: null } as never,
      attributes: { ok: 1 },
    });
    assert.equal(decoded.body, undefined);
    assert.deepEqual({ ...attributesOf(decoded) }, { ok: 1 });
    setUp().logger.emit(undefined as never);
  });

  it('has empty values where it says null, in attributes and below, and bytes as bytes', () => {
    const { decoded } = emitted({
      attributes: {
        none: null,
        absent: undefined,
        list: [null, 1],
        map: { none: null },
        bytes: new Uint8Array([1, 255]),
      },
      body: { bytes: new Uint8Array([7]), none: null },
    });
    assert.deepEqual(attributesOf(decoded), {
      __proto__: null,
      none: undefined,
      list: [undefined, 1],
      map: { __proto__: null, none: undefined },
      bytes: new Uint8Array([1, 255]),
    });
    assert.deepEqual(decoded.body, { __proto__: null, bytes: new Uint8Array([7]), none: undefined });
  });

  it('without an exception has nothing of one', () => {
    assert.deepEqual(Object.keys(attributesOf(emitted({ exception: null }).decoded)), []);
  });

  it('is whole when a getter of it emits another one', () => {
    const { sink, logger } = setUp();
    logger.emit({
      body: 'outer',
      attributes: {
        before: 1,
        get inner() {
          logger.emit({ body: 'inner', attributes: { other: 1 } });
          return 2;
        },
      },
    });
    const [inner, outer] = logRecordsIn(sink);
    assert.deepEqual({ ...attributesOf(inner!) }, { other: 1 });
    assert.deepEqual({ ...attributesOf(outer!) }, { before: 1, inner: 2 });
    assert.equal(outer!.body, 'outer');
  });

  it('leaves nothing behind for the next one', () => {
    const { sink, logger } = setUp();
    logger.emit({
      body: 'x',
      severityText: 'info',
      eventName: 'e',
      attributes: { a: 1 },
      timestamp: Date.now(),
      context: root.withIdentity(SpanIdentity.root(1)),
    });
    logger.emit({ context: root });
    const [, second] = logRecordsIn(sink);
    assert.deepEqual(
      [
        second!.body,
        second!.severityText,
        second!.severityNumber,
        second!.eventName,
        second!.attributes.length,
        second!.timeUnixNano,
        second!.traceId.length,
      ],
      [undefined, '', 0, '', 0, 0n, 0],
    );
  });
});

describe('a full buffer', () => {
  it('costs the record, counted', () => {
    const { sink, logger, provider } = setUp();
    sink.full = true;
    logger.emit({ body: 'lost' });
    logger.emitJsonLine('{"msg":"lost"}');
    sink.full = false;
    logger.emit({ body: 'kept' });
    assert.deepEqual([provider.counters.refused, provider.counters.written], [2, 1]);
  });
});

describe('getLogger', () => {
  it('returns the same logger for the same scope, its attributes included', () => {
    const { provider, sink } = setUp();
    assert.equal(provider.getLogger('a', '1'), provider.getLogger('a', '1'));
    const scoped = provider.getLogger('a', '1', { attributes: { x: 1 }, schemaUrl: 'https://example.org/1' });
    assert.notEqual(scoped, provider.getLogger('a', '1'));
    scoped.emit({ body: 'x' });
    assert.equal(sink.frames[0]!.scope.schemaUrl, 'https://example.org/1');
    assert.deepEqual(sink.frames[0]!.scope.attributes?.keys, ['x']);
    assert.equal(scoped.enabled(), true);
  });
});
