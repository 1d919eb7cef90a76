// The shop front: products and orders over HTTP, stock asked from the inventory service.
import { metrics } from '@opentelemetry/api';
import express, { type NextFunction, type Request, type Response } from 'express';
import pino from 'pino';
import { ObservabilityContext } from 'tricord';

const port = Number(process.env.PORT ?? 8080);
const inventory = process.env.INVENTORY_URL ?? 'http://127.0.0.1:8081';

const log = pino();
const orderValue = metrics.getMeter('shop').createHistogram('shop.order.value', {
  unit: 'EUR',
  description: 'Value of the orders that were placed',
  advice: { explicitBucketBoundaries: [10, 25, 50, 100, 250, 500, 1000] },
});

interface Stock {
  readonly sku: string;
  readonly name: string;
  readonly price: number;
  readonly available: number;
}

async function askInventory(path: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
  const response = await fetch(inventory + path, { signal: AbortSignal.timeout(5000), ...init });
  return { status: response.status, body: await response.json() };
}

/** Everything that happens under a tenant's request carries the tenant: spans, log lines and metric points. */
function tenantLabel(request: Request, _response: Response, next: NextFunction): void {
  const tenant = request.get('x-tenant');
  if (tenant === undefined) return next();
  ObservabilityContext.active()
    .withLabels({ tenant })
    .run(() => next());
}

const app = express();
app.use(express.json());
app.use(tenantLabel);

app.get('/products/:sku', async (request, response) => {
  const { status, body } = await askInventory(`/stock/${encodeURIComponent(request.params.sku)}`);
  log.info({ sku: request.params.sku, status }, 'product viewed');
  response.status(status).json(body);
});

app.post('/orders', async (request, response) => {
  const { sku, quantity } = request.body as { sku: string; quantity: number };
  log.info({ sku, quantity }, 'order received');
  const { status, body } = await askInventory('/reservations', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sku, quantity }),
  });
  if (status !== 201) {
    log.warn({ sku, quantity, status }, 'order refused');
    response.status(status).json(body);
    return;
  }
  const { price } = body as Stock;
  orderValue.record(price * quantity, { 'shop.sku': sku });
  log.info({ sku, quantity, total: price * quantity }, 'order placed');
  response.status(201).json({ sku, quantity, total: price * quantity });
});

app.use((error: Error, _request: Request, response: Response, _next: NextFunction) => {
  log.error({ err: error }, 'request failed');
  response.status(500).json({ error: error.message });
});

const server = app.listen(port, '127.0.0.1', () => {
  const address = server.address();
  log.info({ port: typeof address === 'object' ? address?.port : port }, 'listening');
});
process.once('SIGTERM', () => server.close(() => process.exit(0)));
