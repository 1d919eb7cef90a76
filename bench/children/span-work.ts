// The span that every span workload makes: nine attributes, five of them at the start, and one event.
import { type Span, SpanKind, trace } from '@opentelemetry/api';

const skus = ['brass-compass', 'field-notebook', 'sea-chart', 'antique-globe'];

/** Requests keep their spans for a while: what nobody kept, the optimizing compiler would not even allocate. */
const KEPT = 64;

/** Gives the operation, with a tracer of the agent that runs by now. */
export function spanWork(): (number: number) => void {
  const tracer = trace.getTracer('bench', '1.0.0');
  const kept: (Span | undefined)[] = new Array(KEPT).fill(undefined);
  return number => {
    const sku = skus[number & 3]!;
    const span = tracer.startSpan('GET /products/:sku', {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': 'GET',
        'url.path': `/products/${sku}`,
        'url.scheme': 'http',
        'server.address': '127.0.0.1',
        'server.port': 8080,
      },
    });
    kept[number % KEPT] = span;
    span.setAttribute('http.route', '/products/:sku');
    span.addEvent('cache.miss', { 'cache.key': sku });
    span.setAttribute('product.sku', sku);
    span.setAttribute('product.price', 12.5);
    span.setAttribute('http.response.status_code', 200);
    span.end();
  };
}
