// The rules of the logs API and its data model (specification/logs/api, logs/data-model), seen through the OpenTelemetry API.
import assert from 'node:assert/strict';
import { context, logs, ROOT_CONTEXT, SeverityNumber, trace } from '@opentelemetry/api';
import { SpanIdentity } from '../../../src/context/identity.ts';
import { attributesOf, hex, logRecordsIn } from '../../decoded-records.ts';
import { notApplicable, rule } from '../rule.ts';
import { contexts, logged } from './logged.ts';

context.setGlobalContextManager(contexts);

rule('logs/api § LoggerProvider', 'a global LoggerProvider is set, and accessed', () => {
  const { provider } = logged();
  assert.equal(logs.getLogger('a'), provider.getLogger('a'));
});

rule(
  'logs/api § Get a Logger',
  'name, version, schema URL and attributes reach the emitted telemetry',
  () => {
    const { sink } = logged();
    logs
      .getLogger('library', '1.2.3', { schemaUrl: 'https://example.org/1', attributes: { a: 1 } })
      .emit({ body: 'x' });
    const { name, version, schemaUrl, attributes } = sink.frames[0]!.scope;
    assert.deepEqual([name, version, schemaUrl], ['library', '1.2.3', 'https://example.org/1']);
    assert.deepEqual([attributes?.keys[0], attributes?.values[0], attributes?.count], ['a', 1, 1]);
  },
);

rule('logs/api § Get a Logger', 'loggers that differ in any parameter are distinct', () => {
  logged();
  const loggers = [
    logs.getLogger('a'),
    logs.getLogger('b'),
    logs.getLogger('a', '1'),
    logs.getLogger('a', '1', { schemaUrl: 'x' }),
    logs.getLogger('a', '1', { attributes: { x: 1 } }),
    logs.getLogger('a', '1', { attributes: { x: 2 } }),
  ];
  assert.equal(new Set(loggers).size, loggers.length);
});

rule('logs/api § Emit a LogRecord', 'nothing is required', () => {
  const record = logged().emit({});
  assert.deepEqual(
    [record.severityNumber, record.severityText, record.body, record.attributes.length, record.eventName],
    [0, '', undefined, 0, ''],
  );
});

rule('logs/api § Emit a LogRecord', 'timestamp and observed timestamp, in every form of a time', () => {
  const { emit } = logged();
  const millis = Date.now() - 1234;
  for (const time of [
    millis,
    new Date(millis),
    [Math.floor(millis / 1000), (millis % 1000) * 1e6] as [number, number],
  ]) {
    const { timeUnixNano, observedTimeUnixNano } = emit({ timestamp: time, observedTimestamp: time });
    const expected = BigInt(millis) * 1_000_000n;
    assert.deepEqual([timeUnixNano, observedTimeUnixNano], [expected, expected]);
  }
});

rule('logs/api § Emit a LogRecord', 'observed now, unless it says when', () => {
  const before = BigInt(Date.now() - 1) * 1_000_000n;
  const { observedTimeUnixNano, timeUnixNano } = logged().emit({});
  assert.ok(observedTimeUnixNano >= before && observedTimeUnixNano <= BigInt(Date.now() + 1) * 1_000_000n);
  assert.equal(timeUnixNano, 0n, 'nobody knows when it happened');
});

rule('logs/api § Emit a LogRecord', 'the given context, else the current one', () => {
  const { emit } = logged();
  const [current, given] = [SpanIdentity.root(1), SpanIdentity.root(0)];
  context.with(trace.setSpanContext(ROOT_CONTEXT, current), () => {
    const own = emit({});
    assert.deepEqual([hex(own.traceId), hex(own.spanId), own.flags], [current.traceId, current.spanId, 1]);
    const other = emit({ context: trace.setSpanContext(ROOT_CONTEXT, given) });
    assert.deepEqual([hex(other.traceId), hex(other.spanId), other.flags], [given.traceId, given.spanId, 0]);
    assert.equal(emit({ context: ROOT_CONTEXT }).traceId.length, 0);
  });
});

rule('logs/api § Emit a LogRecord', 'severity number and text, all 24 of them', () => {
  const { emit } = logged();
  for (
    let severityNumber = SeverityNumber.UNSPECIFIED;
    severityNumber <= SeverityNumber.FATAL4;
    severityNumber++
  ) {
    const record = emit({ severityNumber, severityText: `s${severityNumber}` });
    assert.deepEqual([record.severityNumber, record.severityText], [severityNumber, `s${severityNumber}`]);
  }
});

rule(
  'logs/data-model § Mapping of SeverityNumber',
  'the usual names have their range where no number is given',
  () => {
    const { emit } = logged();
    const names = { TRACE: 1, debug: 5, Info: 9, WARN: 13, warning: 13, error: 17, fatal: 21 };
    for (const [severityText, expected] of Object.entries(names)) {
      const record = emit({ severityText });
      assert.deepEqual([record.severityNumber, record.severityText], [expected, severityText]);
    }
  },
);

rule('logs/api § Emit a LogRecord', 'a body of any value: texts, numbers, bytes, lists, maps', () => {
  const { emit } = logged();
  for (const body of ['text', 7, -1.5, true, ['a', 1, ['b']], new Uint8Array([0, 255])])
    assert.deepEqual(emit({ body }).body, body);
  assert.equal(
    JSON.stringify(emit({ body: { a: { b: [1, { c: 'd' }] } } }).body),
    '{"a":{"b":[1,{"c":"d"}]}}',
  );
});

rule('logs/data-model § Type any', 'empty values stay: null in a list, in a map, and as an attribute', () => {
  const { emit } = logged();
  const record = emit({ body: { list: [null, 1], none: null }, attributes: { none: null, a: 1 } });
  assert.deepEqual(record.body, { __proto__: null, list: [undefined, 1], none: undefined });
  assert.deepEqual(attributesOf(record), { __proto__: null, none: undefined, a: 1 });
});

rule('logs/data-model § Field: Attributes', 'maps, lists and bytes, and each key once', () => {
  const attributes = { map: { a: { b: 1 } }, list: [1, 'x', [true]], bytes: new Uint8Array([1]), n: 1 };
  const found = attributesOf(logged().emit({ attributes }));
  assert.deepEqual(found.bytes, attributes.bytes);
  assert.equal(JSON.stringify({ ...found, bytes: 0 }), JSON.stringify({ ...attributes, bytes: 0 }));
});

rule('logs/api § Event Name', 'is a parameter, and a field of the record', () => {
  const record = logged().emit({ eventName: 'session.start' });
  assert.deepEqual([record.eventName, record.attributes.length], ['session.start', 0]);
});

rule('logs/api § Emit a LogRecord', 'an exception is a parameter', () => {
  const record = logged().emit({ exception: new TypeError('no') });
  assert.equal(attributesOf(record)['exception.type'], 'TypeError');
});

rule('logs/api § Enabled', 'a boolean, with no parameter required', () => {
  const { logger } = logged();
  assert.equal(logger.enabled(), true);
  assert.equal(
    logger.enabled({ context: ROOT_CONTEXT, severityNumber: SeverityNumber.INFO, eventName: 'e' }),
    true,
  );
});

rule('logs/api § Enabled', 'changes over time, and looks at the current context unless one is given', () => {
  const { logger, sink } = logged();
  sink.share = 2 ** -50;
  const of = (traceId: string) =>
    trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: 'b7ad6b7169203331', traceFlags: 1 });
  const [low, high] = [of(`1${'0'.repeat(31)}`), of('f'.repeat(32))];
  const ask = { severityNumber: SeverityNumber.INFO };
  context.with(low, () => {
    assert.equal(logger.enabled(ask), false);
    assert.equal(logger.enabled({ ...ask, context: high }), true);
    sink.share = 1;
    assert.equal(logger.enabled(ask), true);
  });
});

rule('logs/api § Emit a LogRecord', 'nothing that is emitted throws', () => {
  const { logger, sink } = logged();
  const hostile = {
    get body(): never {
      throw new Error('no');
    },
  };
  for (const record of [hostile, undefined, null, 7, { attributes: 7, severityNumber: 'x' }])
    logger.emit(record as never);
  assert.ok(logRecordsIn(sink).length >= 1);
});

notApplicable(
  'logs/api § Concurrency requirements',
  'all methods are safe to be called concurrently',
  'JavaScript runs one of them at a time; each thread has its own API',
);
