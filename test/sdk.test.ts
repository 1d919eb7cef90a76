// `tricord/sdk`: applications on the stock OpenTelemetry SDK, in processes of their own, and what arrives of them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type AnyValue, decodeTraces, Signal } from 'tricord/otlp';
import {
  TricordConnection,
  TricordLogRecordProcessor,
  TricordMetricReader,
  TricordSpanProcessor,
} from 'tricord/sdk';
import { attributesOf, hex } from './decoded-records.ts';
import { type Run, run } from './register/application.ts';
import { arrivedAt } from './register/arrived.ts';
import { root } from './source-tree.ts';
import { TestCollector } from './transport/test-collector.ts';

const application = join(root, 'test/sdk-app.ts');
const unreachable = 'http://127.0.0.1:1';

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

function ended(how: string): Promise<Run> {
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=source'];
  return run(application, { flags, args: [how], env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
}

/** Attributes of the resource that the spans came with. */
function resourceOfSpans(): Record<string, AnyValue> {
  const [batch] = collector.taken.filter(({ signal }) => signal === Signal.traces);
  let attributes: Record<string, AnyValue> = {};
  decodeTraces(batch!.payload, {
    resource: resource => {
      attributes = attributesOf(resource);
    },
    span: () => {},
  });
  return attributes;
}

describe('the stock SDK over the transport', () => {
  it('delivers its three signals with all that they say', async () => {
    assert.deepEqual(await ended('shutdown'), { code: 0, signal: null, stdout: '', stderr: '' });
    const { spans, records, metrics } = arrivedAt(collector);
    const [charge, order] = spans;
    assert.deepEqual(
      spans.map(span => [span.name, span.kind, span.statusCode, span.statusMessage]),
      [
        ['charge', 1, 2, 'no money'],
        ['order', 2, 0, ''],
      ],
    );
    assert.deepEqual({ ...attributesOf(order!) }, { 'order.id': 7, 'order.tags': ['a', 'b'] });
    assert.deepEqual(
      order!.events.map(event => [event.name, { ...attributesOf(event) }]),
      [['paid', { amount: 1.5 }]],
    );
    assert.deepEqual(
      order!.links.map(link => [hex(link.traceId), hex(link.spanId)]),
      [['a'.repeat(32), 'b'.repeat(16)]],
    );
    assert.equal(hex(charge!.parentSpanId), hex(order!.spanId));
    assert.ok(charge!.startTimeUnixNano >= order!.startTimeUnixNano);
    assert.ok(charge!.endTimeUnixNano >= charge!.startTimeUnixNano);
    assert.equal(resourceOfSpans()['service.name'], 'stock');

    const [record] = records;
    assert.deepEqual(
      [records.length, record!.body, record!.severityNumber, hex(record!.spanId)],
      [1, 'ordered', 9, hex(order!.spanId)],
    );

    const data = (name: string): unknown => metrics.get(name)!.data;
    const [counted, duration, level] = [data('orders'), data('duration'), data('stock')];
    assert.partialDeepStrictEqual(counted, { type: 'sum', monotonic: true, points: [{ value: 3 }] });
    assert.partialDeepStrictEqual(duration, { type: 'histogram', points: [{ sum: 0.3, count: 1 }] });
    assert.partialDeepStrictEqual(level, { type: 'gauge', points: [{ value: 2.5 }] });
  });

  it('waits for what the resource learns late', async () => {
    assert.deepEqual(await ended('late resource'), { code: 0, signal: null, stdout: '', stderr: '' });
    assert.equal(arrivedAt(collector).spans.length, 2);
    assert.equal(resourceOfSpans()['deployment.rack'], 'rack 7');
  });

  it('delivers at process.exit(), without what the resource never learnt', async () => {
    assert.deepEqual(await ended('process.exit'), { code: 3, signal: null, stdout: '', stderr: '' });
    const { spans, records } = arrivedAt(collector);
    assert.deepEqual([spans.length, records.length], [2, 1]);
    assert.deepEqual(Object.keys(resourceOfSpans()), ['service.name']);
  });
});

describe('a component of the SDK', () => {
  const span = {
    name: 'one',
    kind: 0,
    spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
    startTime: [1_700_000_000, 0] as [number, number],
    endTime: [1_700_000_001, 0] as [number, number],
    status: { code: 0 },
    attributes: {},
    links: [],
    events: [],
    droppedAttributesCount: 4,
    droppedEventsCount: 5,
    droppedLinksCount: 6,
    resource: { attributes: {} },
    instrumentationScope: { name: 'scope' },
  };

  it('keeps the counts of what the SDK has dropped, and leaves out what is not sampled', async () => {
    const processor = new TricordSpanProcessor(new TricordConnection({ endpoint: collector.url }));
    processor.onEnd(span);
    processor.onEnd({ ...span, spanContext: () => ({ ...span.spanContext(), traceFlags: 0 }) });
    await processor.shutdown();
    const { spans } = arrivedAt(collector);
    assert.deepEqual(
      spans.map(each => [each.droppedAttributesCount, each.droppedEventsCount, each.droppedLinksCount]),
      [[4, 5, 6]],
    );
    assert.equal(spans[0]!.endTimeUnixNano - spans[0]!.startTimeUnixNano, 1_000_000_000n);
  });

  it('leaves out and replaces fields of log records, by option or variable', async t => {
    const record = {
      hrTime: [1_700_000_000, 0] as [number, number],
      hrTimeObserved: [1_700_000_000, 0] as [number, number],
      body: 'paid',
      attributes: { password: 'canary', card: { number: 'canary', kind: 'debit' }, 'order.id': 7 },
      droppedAttributesCount: 0,
      resource: { attributes: {} },
      instrumentationScope: { name: 'scope' },
    };
    const emit = async (connection: TricordConnection): Promise<void> => {
      const processor = new TricordLogRecordProcessor(connection);
      processor.onEmit(record);
      await processor.shutdown();
    };
    await emit(
      new TricordConnection({ endpoint: collector.url, logsFields: ['-password', 'card.number=***'] }),
    );
    process.env.TRICORD_LOGS_FIELDS = 'order.id';
    t.after(() => delete process.env.TRICORD_LOGS_FIELDS);
    await emit(new TricordConnection({ endpoint: collector.url }));
    assert.deepEqual(
      arrivedAt(collector).records.map(each => structuredClone(attributesOf(each))),
      [{ card: { number: '***', kind: 'debit' }, 'order.id': 7 }, { 'order.id': 7 }],
    );
  });

  it('shares its connection, which the last one closes', async () => {
    const connection = new TricordConnection({ endpoint: collector.url });
    const first = new TricordSpanProcessor(connection);
    const second = new TricordSpanProcessor(connection);
    first.onEnd(span);
    await first.shutdown();
    first.onEnd(span);
    second.onEnd(span);
    await second.shutdown();
    assert.equal(arrivedAt(collector).spans.length, 2);
    assert.deepEqual(connection.stats()!.signals.traces.accepted, 2);
  });

  it('says why not everything is delivered', async () => {
    const connection = new TricordConnection({ endpoint: unreachable, flushTimeout: 300 });
    const processor = new TricordSpanProcessor(connection);
    processor.onEnd(span);
    const expected = { code: 'TRICORD_FLUSH', message: /127\.0\.0\.1:1 within 300 ms/ };
    await assert.rejects(processor.forceFlush(), expected);
    await assert.rejects(processor.shutdown(), expected);
  });

  it('says once that nothing is sent when the resource is too large, and does nothing from then on', async t => {
    const { mock } = t.mock.method(process.stderr, 'write', () => true);
    const connection = new TricordConnection({ endpoint: collector.url });
    const processor = new TricordSpanProcessor(connection);
    const reader = new TricordMetricReader(connection);
    const resource = { attributes: { text: 'x'.repeat(200_000) } };
    processor.onEnd({ ...span, resource });
    processor.onEnd({ ...span, resource });
    reader.setMetricProducer({ collect: async () => ({ resourceMetrics: { resource, scopeMetrics: [] } }) });
    await reader.shutdown();
    await processor.shutdown();
    const told = mock.calls.map(call => String(call.arguments[0]));
    assert.equal(told.length, 1);
    assert.match(told[0]!, /^tricord: nothing is sent: The resource has 200\d{3} bytes/);
  });

  it('has nothing to flush before anything was sent', async () => {
    const processor = new TricordSpanProcessor(new TricordConnection({ endpoint: unreachable }));
    await processor.forceFlush();
    await processor.shutdown();
  });

  it('reads metrics of no provider with an error', async () => {
    const reader = new TricordMetricReader(new TricordConnection({ endpoint: unreachable }));
    await assert.rejects(reader.collect(), { code: 'TRICORD_SDK' });
    await reader.shutdown();
  });

  it('refuses options that the connection does not have', () => {
    assert.throws(() => new TricordConnection({ endpont: 'x' } as object), /Did you mean "endpoint"/);
    assert.throws(() => new TricordConnection({ endpoint: 'localhost' }), /"localhost" is not a URL/);
  });
});
