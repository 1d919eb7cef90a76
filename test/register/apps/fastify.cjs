// A CommonJS application on Fastify that asks itself once, with pino and prom-client.
const fastify = require('fastify');
const { pino } = require('pino');
const prometheus = require('prom-client');

const log = pino({ base: null, timestamp: false });
const visits = new prometheus.Counter({ name: 'visits', help: 'Visits' });
const app = fastify();
app.get('/users/:id', async request => {
  visits.inc();
  log.info({ id: request.params.id }, 'asked');
  return 'user';
});
app.listen({ port: 0, host: '127.0.0.1' }).then(async url => {
  await (await fetch(`${url}/users/7`)).text();
  await app.close();
});
