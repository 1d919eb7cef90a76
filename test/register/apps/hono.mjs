// An ES module application on Hono that asks itself once, with pino and prom-client.
import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import pino from 'pino';
import { Counter } from 'prom-client';

const log = pino({ base: null, timestamp: false });
const visits = new Counter({ name: 'visits', help: 'Visits' });
const app = new Hono();
app.get('/users/:id', context => {
  visits.inc();
  log.info({ id: context.req.param('id') }, 'asked');
  return context.text('user');
});
const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
await once(server, 'listening');
await (await fetch(`http://127.0.0.1:${server.address().port}/users/7`)).text();
server.close();
