// Route templates, errors and contexts of real Hono applications on Node: as ES modules and as CommonJS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { serve } from '@hono/node-server';
import { trace } from '@opentelemetry/api';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { instrumentHono } from '../../src/instrument/hono.ts';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { exceptionsOf, routeOf, spanOf } from './server-span.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpServer();
instrumentHono();
const { Hono: CommonHono } = createRequire(import.meta.url)('hono') as { Hono: typeof Hono };

let handlerSpan: string | undefined;

function application(App: typeof Hono): Hono {
  const app = new App();
  app.onError((error, context) => {
    if (error instanceof HTTPException) return error.getResponse();
    return context.text('failed', 500);
  });
  app.get('/', context => context.text('root'));
  app.get('/lone/boom', () => {
    throw new RangeError('lone');
  });
  app.use('/tenants/*', async (context, next) => {
    if (context.req.query('key') === undefined) return context.text('who?', 401);
    await next();
    return undefined;
  });
  const orders = new App();
  orders.get('/:order', async context => {
    await new Promise(resolve => setImmediate(resolve));
    handlerSpan = trace.getActiveSpan()?.spanContext().spanId;
    return context.text('order');
  });
  orders.get('/:order/boom', async () => {
    throw new RangeError('boom');
  });
  orders.get('/:order/refused', () => {
    throw new HTTPException(403);
  });
  app.route('/tenants/:tenant/orders', orders);
  const careful = new App().onError((_error, context) => context.text('careful', 503));
  careful.get('/boom', () => {
    throw new RangeError('cared for');
  });
  app.route('/careful', careful);
  app.all('/any', context => context.text('any'));
  return app;
}

for (const [name, App] of Object.entries({ 'an ES module': Hono, CommonJS: CommonHono })) {
  describe(`a span of a Hono application, ${name}`, () => {
    let server: Server;
    before(async () => {
      server = serve({ fetch: application(App).fetch, port: 0, hostname: '127.0.0.1' }) as Server;
      await once(server, 'listening');
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    const routes: readonly [string, string][] = [
      ['/', '/'],
      ['/any', '/any'],
      ['/tenants/acme/orders/12?key=k', '/tenants/:tenant/orders/:order'],
    ];
    for (const [path, route] of routes) {
      it(`is named ${route} for ${path}`, async () => {
        assert.deepEqual(routeOf(await spanOf(telemetry, server, path)), [`GET ${route}`, route, 200]);
      });
    }

    it('has its route when a middleware turns the request away', async () => {
      const route = '/tenants/:tenant/orders/:order';
      const span = await spanOf(telemetry, server, '/tenants/acme/orders/12');
      assert.deepEqual(routeOf(span), [`GET ${route}`, route, 401]);
    });

    it('has no route when there was none', async () => {
      assert.deepEqual(routeOf(await spanOf(telemetry, server, '/nowhere')), ['GET', undefined, 404]);
      const behind = await spanOf(telemetry, server, '/tenants/acme?key=k');
      assert.deepEqual(routeOf(behind), ['GET', undefined, 404]);
    });

    const failures: readonly [path: string, route: string, status: number, message: string][] = [
      ['/lone/boom', '/lone/boom', 500, 'lone'],
      ['/tenants/a/orders/7/boom?key=k', '/tenants/:tenant/orders/:order/boom', 500, 'boom'],
      ['/careful/boom', '/careful/boom', 503, 'cared for'],
    ];
    for (const [path, route, status, message] of failures) {
      it(`tells the error that a ${status} of ${route} came from`, async () => {
        const span = await spanOf(telemetry, server, path);
        assert.deepEqual(routeOf(span), [`GET ${route}`, route, status]);
        assert.deepEqual(exceptionsOf(span), [message]);
      });
    }

    it('tells no error of a 4xx', async () => {
      const span = await spanOf(telemetry, server, '/tenants/a/orders/7/refused?key=k');
      assert.equal(span.attributes['http.response.status_code'], 403);
      assert.deepEqual(exceptionsOf(span), []);
    });

    it('is active in a handler', async () => {
      const span = await spanOf(telemetry, server, '/tenants/acme/orders/12?key=k');
      assert.equal(handlerSpan, span.spanId);
    });
  });
}
