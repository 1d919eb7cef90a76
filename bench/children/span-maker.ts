// Workload: spans as an HTTP instrumentation makes them, recorded or not.
import { type Span, SpanKind, trace } from '@opentelemetry/api';
import { type AgentName, startAgent } from '../agents/agent.ts';
import { inBursts } from '../pace.ts';
import { report, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';

export interface SpanSettings {
  readonly agent: AgentName;
  readonly warmUp: number;
  readonly spans: number;
  readonly burst: number;
}

const { agent: name, warmUp, spans, burst } = settings<SpanSettings>();
const agent = await startAgent(name);
const tracer = trace.getTracer('bench', '1.0.0');
const skus = ['brass-compass', 'field-notebook', 'sea-chart', 'antique-globe'];

/** Nine attributes, five of them at the start, and one event. */
function makeSpan(number: number): void {
  const sku = skus[number & 3]!;
  const span: Span = tracer.startSpan('GET /products/:sku', {
    kind: SpanKind.SERVER,
    attributes: {
      'http.request.method': 'GET',
      'url.path': `/products/${sku}`,
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': 8080,
    },
  });
  span.setAttribute('http.route', '/products/:sku');
  span.addEvent('cache.miss', { 'cache.key': sku });
  span.setAttribute('product.sku', sku);
  span.setAttribute('product.price', 12.5);
  span.setAttribute('http.response.status_code', 200);
  span.end();
}

await inBursts(warmUp, burst, makeSpan, agent.flush);
const meter = new UsageMeter();
await inBursts(spans, burst, makeSpan, agent.flush);
const usage = await meter.stop();
await agent.shutdown();
report(perOperation(usage, spans));
