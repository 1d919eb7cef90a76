// Route templates, errors and contexts of a real Koa application with @koa/router.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { instrumentKoa } from '../../src/instrument/koa.ts';
import { exceptionsOf, routeOf, spanOf } from './server-span.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpServer();
instrumentKoa();
const require = createRequire(import.meta.url);
const Koa = require('koa') as typeof import('koa');
const { Router } = require('@koa/router') as typeof import('@koa/router');

const app = new Koa({ env: 'test' });
app.silent = true;
const router = new Router();
let handlerSpan: string | undefined;
router.get('/', context => {
  context.body = 'root';
});
router.get('/users/me', context => {
  context.body = 'me';
});
router.get('/users/:id', async context => {
  await new Promise(resolve => setImmediate(resolve));
  handlerSpan = trace.getActiveSpan()?.spanContext().spanId;
  context.body = 'user';
});
router.get(/^\/expr/, context => {
  context.body = 'expression';
});
router.post('/boom', () => {
  throw new RangeError('boom');
});
router.get('/refused', context => context.throw(403, 'not you'));
const orders = new Router({ prefix: '/tenants/:tenant' });
orders.use(async (context, next) => {
  if (context.query.key === undefined) context.status = 401;
  else await next();
});
orders.get('/orders/:order', context => {
  context.body = 'order';
});
const nested = new Router();
nested.use('/api', orders.routes());
app.use(async (context, next) => {
  if (context.path === '/early') context.body = 'early';
  else await next();
});
app.use(router.routes());
app.use(nested.routes());
const server = createServer(app.callback());

const ask = async (path: string, init?: RequestInit): Promise<unknown[]> =>
  routeOf(await spanOf(telemetry, server, path, init));

describe('a span of a Koa application', () => {
  before(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const routes: readonly [string, string][] = [
    ['/', '/'],
    ['/users/me', '/users/me'],
    ['/users/7', '/users/:id'],
    ['/expression', '/^\\/expr/'],
    ['/api/tenants/acme/orders/12?key=k', '/api/tenants/:tenant/orders/:order'],
  ];
  for (const [path, route] of routes) {
    it(`is named ${route} for ${path}`, async () => {
      assert.deepEqual(await ask(path), [`GET ${route}`, route, 200]);
    });
  }

  it('has its route when a middleware of the router turns the request away', async () => {
    const route = '/api/tenants/:tenant/orders/:order';
    assert.deepEqual(await ask('/api/tenants/acme/orders/12'), [`GET ${route}`, route, 401]);
  });

  it('has no route when there was none, or when the router was not reached', async () => {
    assert.deepEqual(await ask('/nowhere'), ['GET', undefined, 404]);
    assert.deepEqual(await ask('/early'), ['GET', undefined, 200]);
    assert.deepEqual(await ask('/users/7', { method: 'POST' }), ['POST', undefined, 404]);
  });

  it('tells the error that a 5xx came from, and none of a 4xx', async () => {
    const failed = await spanOf(telemetry, server, '/boom', { method: 'POST' });
    assert.deepEqual(routeOf(failed), ['POST /boom', '/boom', 500]);
    assert.equal(failed.status, 2);
    assert.deepEqual(exceptionsOf(failed), ['boom']);
    const refused = await spanOf(telemetry, server, '/refused');
    assert.deepEqual(routeOf(refused), ['GET /refused', '/refused', 403]);
    assert.deepEqual(exceptionsOf(refused), []);
  });

  it('is active in a handler', async () => {
    const span = await spanOf(telemetry, server, '/users/7');
    assert.equal(handlerSpan, span.spanId);
  });
});
