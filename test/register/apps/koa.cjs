// A CommonJS application on Koa that asks itself once, with pino and prom-client.
const http = require('node:http');
const Router = require('@koa/router').Router;
const Koa = require('koa');
const pino = require('pino');
const { Counter } = require('prom-client');

const log = pino({ base: null, timestamp: false });
const visits = new Counter({ name: 'visits', help: 'Visits' });
const router = new Router();
router.get('/users/:id', context => {
  visits.inc();
  log.info({ id: context.params.id }, 'asked');
  context.body = 'user';
});
const server = new Koa().use(router.routes()).listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, path: '/users/7', agent: false }, response => {
    response.resume().on('end', () => server.close());
  });
});
