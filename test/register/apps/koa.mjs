// An ES module application on Koa that asks itself once, with pino and prom-client.
import { once } from 'node:events';
import Router from '@koa/router';
import Koa from 'koa';
import pino from 'pino';
import { Counter } from 'prom-client';

const log = pino({ base: null, timestamp: false });
const visits = new Counter({ name: 'visits', help: 'Visits' });
const router = new Router();
router.get('/users/:id', context => {
  visits.inc();
  log.info({ id: context.params.id }, 'asked');
  context.body = 'user';
});
const server = new Koa().use(router.routes()).listen(0, '127.0.0.1');
await once(server, 'listening');
await (await fetch(`http://127.0.0.1:${server.address().port}/users/7`)).text();
server.close();
