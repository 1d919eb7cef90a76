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
