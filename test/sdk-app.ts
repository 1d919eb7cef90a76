// An application on the stock OpenTelemetry SDK, over tricord's transport: `node sdk-app.ts HOW`, which is how it ends.
import { logs, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { TricordLogRecordProcessor, TricordMetricReader, TricordSpanProcessor } from 'tricord/sdk';

const [how = 'shutdown'] = process.argv.slice(2);
const late = how === 'late resource';
/** What becomes known of the machine after a while, or never. */
const answer = new Promise<string>(resolve => late && setTimeout(resolve, 50, 'rack 7'));

const sdk = new NodeSDK({
  serviceName: 'stock',
  resource: resourceFromAttributes({ 'deployment.rack': how === 'shutdown' ? 'rack 1' : answer }),
  autoDetectResources: false,
  spanProcessors: [new TricordSpanProcessor()],
  logRecordProcessors: [new TricordLogRecordProcessor()],
  metricReaders: [new TricordMetricReader()],
});
sdk.start();

const tracer = trace.getTracer('shop', '1.2.3');
const linked = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
tracer.startActiveSpan('order', { kind: SpanKind.SERVER, links: [{ context: linked }] }, order => {
  order.setAttributes({ 'order.id': 7, 'order.tags': ['a', 'b'] });
  order.addEvent('paid', { amount: 1.5 });
  logs.getLogger('shop').emit({ body: 'ordered', severityNumber: 9, attributes: { 'order.id': 7 } });
  tracer.startActiveSpan('charge', charge => {
    charge.setStatus({ code: SpanStatusCode.ERROR, message: 'no money' });
    charge.end();
  });
  order.end();
});
const meter = metrics.getMeter('shop');
meter.createCounter('orders', { unit: '{order}' }).add(3, { kind: 'book' });
meter.createHistogram('duration', { unit: 's' }).record(0.3);
meter.createObservableGauge('stock').addCallback(result => result.observe(2.5));

const endings: Record<string, () => unknown> = {
  shutdown: () => sdk.shutdown(),
  'late resource': () => sdk.shutdown(),
  'process.exit': () => process.exit(3),
};
await endings[how]!();
