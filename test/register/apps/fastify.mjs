// An ES module application on Fastify that asks itself once, with pino and prom-client.
import fastify from 'fastify';
import pino from 'pino';
import prometheus from 'prom-client';

const log = pino({ base: null, timestamp: false });
const visits = new prometheus.Counter({ name: 'visits', help: 'Visits' });
const app = fastify();
app.get('/users/:id', async request => {
  visits.inc();
  log.info({ id: request.params.id }, 'asked');
  return 'user';
});
const url = await app.listen({ port: 0, host: '127.0.0.1' });
await (await fetch(`${url}/users/7`)).text();
await app.close();
