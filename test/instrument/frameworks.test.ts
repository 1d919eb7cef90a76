// Route templates and contexts of real Express 4, Express 5 and Fastify applications.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import type Express from 'express';
import type Fastify from 'fastify';
import { instrumentExpress } from '../../src/instrument/express.ts';
import { instrumentFastify } from '../../src/instrument/fastify.ts';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { describesRow } from './observed-row.ts';
import { exceptionsOf, routeOf, spanOf } from './server-span.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpServer();
instrumentExpress();
instrumentFastify();

/** An application's folder in which `express` is version 4. */
const four = mkdtempSync(join(tmpdir(), 'tricord-express-4-'));
mkdirSync(join(four, 'node_modules'));
const express4 = createRequire(import.meta.url).resolve('express4/package.json');
symlinkSync(dirname(express4), join(four, 'node_modules/express'), 'dir');
after(() => rmSync(four, { recursive: true }));

const expresses: Record<string, typeof Express> = {
  'Express 4': createRequire(join(four, 'app.js'))('express'),
  'Express 5': createRequire(import.meta.url)('express'),
};
const fastify: typeof Fastify = createRequire(import.meta.url)('fastify');

beforeEach(() => telemetry.clear());

/** Asks and tells of the server's span: name, route, status code. */
const ask = async (server: http.Server, path: string): Promise<unknown[]> =>
  routeOf(await spanOf(telemetry, server, path));

const activeSpanId = (): string => trace.getActiveSpan()?.spanContext().spanId ?? 'none';
const posted = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' };

function expressApplication(express: typeof Express): Express.Express {
  const app = express();
  app.set('env', 'test');
  app.use(express.json());
  app.get('/', (_request, response) => void response.send('root'));
  app.get('/users/:id', (_request, response) => void response.send('user'));
  app.get(/^\/expr/, (_request, response) => void response.send('expression'));
  app.get(['/one', '/two'], (_request, response) => void response.send('either'));
  app.get('/boom', () => {
    throw new Error('boom');
  });
  app.post('/context', async (_request, response) => {
    await new Promise(resolve => setImmediate(resolve));
    response.json({ span: activeSpanId() });
  });
  const orders = express.Router();
  orders.get('/', (_request, response) => void response.send('orders'));
  orders.get('/:order', (_request, response) => void response.send('order'));
  orders.get('/:order/boom', (_request, _response, next) => next(new Error('boom')));
  const tenants = express.Router();
  tenants.use('/orders', orders);
  app.use('/tenants/:tenant', [tenants]);
  const shared = express.Router();
  shared.get('/status', (_request, response) => void response.send('status'));
  app.use('/v1', shared);
  app.use('/v2', shared);
  const admin = express();
  admin.get('/jobs/:job', (_request, response) => void response.send('job'));
  app.use('/admin', admin);
  return app;
}

for (const [name, express] of Object.entries(expresses)) {
  describe(`a span of an ${name} application`, () => {
    let server: http.Server;
    before(async () => {
      server = http.createServer(expressApplication(express)).listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    const routes: readonly [string, string][] = [
      ['/', '/'],
      ['/users/7', '/users/:id'],
      ['/expression', '/^\\/expr/'],
      ['/two', '/one,/two'],
      ['/tenants/acme/orders/12', '/tenants/:tenant/orders/:order'],
      ['/tenants/acme/orders', '/tenants/:tenant/orders'],
      ['/v1/status', '/v1/status'],
      ['/v2/status', '/v2/status'],
      ['/admin/jobs/5', '/admin/jobs/:job'],
    ];
    for (const [path, route] of routes) {
      it(`is named ${route} for ${path}`, async () => {
        assert.deepEqual(await ask(server, path), [`GET ${route}`, route, 200]);
      });
    }

    it('keeps its route when a handler fails, and the template of the mounts that were left', async () => {
      assert.deepEqual(await ask(server, '/boom'), ['GET /boom', '/boom', 500]);
      const route = '/tenants/:tenant/orders/:order/boom';
      assert.deepEqual(await ask(server, '/tenants/acme/orders/7/boom'), [`GET ${route}`, route, 500]);
    });

    it('has no route when there was none', async () => {
      assert.deepEqual(await ask(server, '/nowhere'), ['GET', undefined, 404]);
    });

    it('is active behind a parsed body', async () => {
      const { port } = server.address() as AddressInfo;
      const answer = (await (await fetch(`http://127.0.0.1:${port}/context`, posted)).json()) as {
        span: string;
      };
      const [span] = await telemetry.until(1);
      assert.equal(answer.span, span!.spanId);
    });
  });
}

describe('a span of a Fastify application', () => {
  const app = fastify();
  app.get('/users/:id', async () => 'user');
  app.get('/boom', async () => {
    throw new RangeError('boom');
  });
  app.get(
    '/typed/:n',
    { schema: { params: { type: 'object', properties: { n: { type: 'integer' } } } } },
    () => 'n',
  );
  app.post('/context', async () => ({ span: activeSpanId() }));
  app.register(
    async scope => {
      scope.addHook('onRequest', async (_request, reply) => reply.code(401).send());
      scope.get('/orders/:order', async () => 'order');
    },
    { prefix: '/tenants/:tenant' },
  );
  before(() => app.listen({ port: 0, host: '127.0.0.1' }));
  after(() => app.close());

  it('is named for the route, prefixes included', async () => {
    assert.deepEqual(await ask(app.server, '/users/7'), ['GET /users/:id', '/users/:id', 200]);
  });

  it('has its route when a hook or the validation turns the request away', async () => {
    const route = '/tenants/:tenant/orders/:order';
    assert.deepEqual(await ask(app.server, '/tenants/acme/orders/1'), [`GET ${route}`, route, 401]);
    assert.deepEqual(await ask(app.server, '/typed/x'), ['GET /typed/:n', '/typed/:n', 400]);
  });

  it('has no route when there was none', async () => {
    assert.deepEqual(await ask(app.server, '/nowhere'), ['GET', undefined, 404]);
  });

  it('tells the error that a 5xx came from', async () => {
    const span = await spanOf(telemetry, app.server, '/boom');
    assert.equal(span.status, 2);
    assert.deepEqual(exceptionsOf(span), ['boom']);
  });

  it('is active behind a parsed body', async () => {
    const { port } = app.server.address() as AddressInfo;
    const answer = (await (await fetch(`http://127.0.0.1:${port}/context`, posted)).json()) as {
      span: string;
    };
    const [span] = await telemetry.until(1);
    assert.equal(answer.span, span!.spanId);
  });
});

describesRow(() => ({
  name: 'express',
  libraries: ['express4', 'express'],
  server: '',
  example: 'GET /users/:id',
  seen: telemetry.seen('SERVER'),
}));

describesRow(() => ({
  name: 'fastify',
  libraries: ['fastify'],
  server: '',
  example: 'GET /users/:id',
  seen: telemetry.seen('SERVER'),
}));
