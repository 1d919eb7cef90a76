// A newsletter worker on the stock OpenTelemetry SDK, which sends by its own exporter, or over tricord's transport.
import { setTimeout as delay } from 'node:timers/promises';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { TricordLogRecordProcessor, TricordMetricReader, TricordSpanProcessor } from 'tricord/sdk';

const serviceName = process.env.OTEL_SERVICE_NAME ?? 'newsletter';
const sdk =
  process.env.NEWSLETTER_EXPORTER === 'stock'
    ? new NodeSDK({ serviceName, traceExporter: new OTLPTraceExporter() })
    : new NodeSDK({
        serviceName,
        spanProcessors: [new TricordSpanProcessor()],
        logRecordProcessors: [new TricordLogRecordProcessor()],
        metricReaders: [new TricordMetricReader()],
      });
sdk.start();

const tracer = trace.getTracer('newsletter');
const rounds = Number(process.env.ROUNDS ?? Number.POSITIVE_INFINITY);
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());

async function sendNewsletter(round: number): Promise<void> {
  await tracer.startActiveSpan(
    'newsletter send',
    { attributes: { 'newsletter.round': round } },
    async span => {
      const letters = await tracer.startActiveSpan('render', async rendering => {
        await delay(5);
        rendering.end();
        return 3;
      });
      span.setAttribute('newsletter.letters', letters);
      if (round % 10 === 9)
        span.setStatus({ code: SpanStatusCode.ERROR, message: 'the post office is closed' });
      span.end();
    },
  );
}

for (let round = 0; round < rounds && !stopping.signal.aborted; round++) {
  await sendNewsletter(round);
  process.stdout.write(`newsletter ${round} sent\n`);
  await delay(2000, undefined, { signal: stopping.signal }).catch(() => {});
}
await sdk
  .shutdown()
  .catch((error: Error) => process.stderr.write(`not everything was sent: ${error.message}\n`));
