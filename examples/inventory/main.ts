// The inventory: stock levels in an embedded SQL database, served over HTTP by Fastify.
import { setTimeout as delay } from 'node:timers/promises';
import Fastify, { LogController } from 'fastify';
import { Counter } from 'prom-client';
import { type Item, openStock } from './stock.ts';

const port = Number(process.env.PORT ?? 8081);
const app = Fastify({ logger: true, logController: new LogController({ disableRequestLogging: true }) });
const stock = openStock(process.env.DATABASE ?? ':memory:');
const reservations = new Counter({
  name: 'inventory_reservations_total',
  help: 'Reservations by outcome',
  labelNames: ['outcome'] as const,
});

app.get<{ Params: { sku: string } }>('/stock/:sku', async (request, reply) => {
  const { sku } = request.params;
  if (sku === 'antique-globe') await delay(250 + Math.random() * 500); // it is kept in the far warehouse
  const item = stock.find(sku);
  if (item === undefined) return reply.code(404).send({ error: `no such product: ${sku}` });
  request.log.info({ sku, available: item.available }, 'stock looked up');
  return item;
});

app.post<{ Body: { sku: string; quantity: number } }>('/reservations', async (request, reply) => {
  const { sku, quantity } = request.body;
  if (!Number.isInteger(quantity) || quantity < 1)
    throw new RangeError(`quantity is ${quantity}, expected a positive integer`);
  const item: Item | undefined = stock.reserve(sku, quantity);
  reservations.inc({ outcome: item === undefined ? 'refused' : 'reserved' });
  if (item === undefined) {
    request.log.warn({ sku, quantity }, 'out of stock');
    return reply.code(409).send({ error: `not enough of ${sku}` });
  }
  request.log.info({ sku, quantity, left: item.available }, 'reserved');
  return reply.code(201).send(item);
});

process.once('SIGTERM', () => app.close().then(() => process.exit(0)));
await app.listen({ port, host: '127.0.0.1' });
