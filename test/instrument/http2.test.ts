// Real servers and clients of node:http2 over real connections: spans, contexts, metrics, of streams and of requests.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo, Server } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import type Fastify from 'fastify';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentFastify } from '../../src/instrument/fastify.ts';
import { instrumentHttp2Client, instrumentHttp2Server } from '../../src/instrument/http2.ts';
import { instrumentKoa } from '../../src/instrument/koa.ts';
import { setRequestError, setRoute } from '../../src/instrument/served-request.ts';
import { instrumentUndici } from '../../src/instrument/undici.ts';
import { certificate } from './certificate.ts';
import { exceptionsOf, routeOf } from './server-span.ts';
import { type SeenSpan, Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttp2Server();
instrumentHttp2Client();
instrumentUndici();
instrumentFastify();
instrumentKoa();
const require = createRequire(import.meta.url);

const CLIENT = 3;
const SERVER = 2;
const NGHTTP2_CANCEL = 8;
const isTold = Number(process.versions.node.split('.')[0]) >= 24;
const options = { skip: isTold ? false : 'this Node.js publishes nothing about HTTP/2' };

type Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

let handler: Handler;
const server = http2.createServer((request, response) => handler(request, response));
let session: http2.ClientHttp2Session;

async function listen(listener: Server): Promise<number> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return (listener.address() as AddressInfo).port;
}

let port: number;
before(async () => {
  port = await listen(server as unknown as Server);
  session = http2.connect(`http://127.0.0.1:${port}`);
  handler = (_request, response) => response.end();
  // The first request of a process makes its sessions known.
  await ask({ ':path': '/first' });
});
after(() => {
  session.close();
  server.close();
});
beforeEach(() => {
  telemetry.clear();
  handler = (_request, response) => response.end('ok');
});

type Headers = http2.OutgoingHttpHeaders | readonly string[];

/** Asks, reads the response to its end, and gives its status. */
async function ask(headers: Headers, body?: string, by: http2.ClientHttp2Session = session): Promise<number> {
  const stream = by.request(headers as http2.OutgoingHttpHeaders, { endStream: body === undefined });
  if (body !== undefined) {
    stream.write(body.slice(0, 1));
    await new Promise(resolve => setImmediate(resolve));
    stream.end(body.slice(1));
  }
  const [response] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  stream.resume();
  await once(stream, 'close');
  return Number(response[':status']);
}

/** The spans of one request. */
async function bothSides(): Promise<{ client: SeenSpan; server: SeenSpan }> {
  const spans = await telemetry.until(2);
  return {
    client: spans.find(({ kind }) => kind === CLIENT)!,
    server: spans.find(({ kind }) => kind === SERVER)!,
  };
}

async function serverSpan(): Promise<SeenSpan> {
  for (let count = 1; ; count++) {
    const found = (await telemetry.until(count)).find(({ kind }) => kind === SERVER);
    if (found !== undefined) return found;
  }
}

const active = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

describe('the spans of an HTTP/2 request', options, () => {
  it('have the attributes of the stable conventions, and the server continues the client', async () => {
    await ask({ ':path': '/a/b?q=1&sig=secret', 'user-agent': 'probe' });
    const spans = await bothSides();
    assert.deepEqual([spans.client.name, spans.server.name], ['GET', 'GET']);
    assert.equal(spans.server.parentId, spans.client.spanId);
    const shared = {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'network.protocol.version': '2',
      'server.address': '127.0.0.1',
      'server.port': port,
    };
    assert.deepEqual(
      { ...spans.client.attributes },
      { ...shared, 'url.full': `http://127.0.0.1:${port}/a/b?q=1&sig=REDACTED` },
    );
    const { 'network.peer.port': peerPort, ...attributes } = spans.server.attributes;
    assert.equal(typeof peerPort, 'number');
    assert.deepEqual(attributes, {
      ...shared,
      'url.scheme': 'http',
      'url.path': '/a/b',
      'url.query': 'q=1&sig=REDACTED',
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'user_agent.original': 'probe',
    });
  });

  it('are made for headers that come as a list', async () => {
    await ask([':path', '/list', ':method', 'GET', ':scheme', 'http', ':authority', `127.0.0.1:${port}`]);
    const spans = await bothSides();
    assert.equal(spans.server.parentId, spans.client.spanId);
    assert.equal(spans.client.attributes['url.full'], `http://127.0.0.1:${port}/list`);
  });

  it('are active in the handler and in the events of a body that comes later', async () => {
    const seen: (string | undefined)[] = [];
    handler = (request, response) => {
      seen.push(active());
      request.on('data', () => seen.push(active()));
      request.on('end', () => {
        seen.push(active());
        response.end();
      });
    };
    await ask({ ':method': 'POST', ':path': '/' }, 'body');
    const { server: served } = await bothSides();
    assert.ok(seen.length >= 3);
    assert.deepEqual(
      seen,
      seen.map(() => served.spanId),
    );
  });

  it('are made for servers of streams, and by TLS', async () => {
    const secure = http2.createSecureServer(certificate);
    let seen: string | undefined;
    secure.on('stream', (stream: http2.ServerHttp2Stream) => {
      seen = active();
      stream.respond({ ':status': 202 });
      stream.end('streamed');
    });
    const securePort = await listen(secure as unknown as Server);
    const own = http2.connect(`https://127.0.0.1:${securePort}`, { rejectUnauthorized: false });
    assert.equal(await ask({ ':path': '/streamed' }, undefined, own), 202);
    own.close();
    secure.close();
    const { client, server: served } = await bothSides();
    assert.equal(seen, served.spanId);
    assert.equal(served.parentId, client.spanId);
    assert.deepEqual(
      [served.attributes['url.scheme'], served.attributes['http.response.status_code']],
      ['https', 202],
    );
    assert.equal(client.attributes['url.full'], `https://127.0.0.1:${securePort}/streamed`);
  });

  it('are one each for requests side by side', async () => {
    await Promise.all(['/1', '/2', '/3'].map(path => ask({ ':path': path })));
    const spans = await telemetry.until(6);
    const path = ({ attributes }: SeenSpan): unknown => attributes['url.path'];
    assert.deepEqual(spans.filter(({ kind }) => kind === SERVER).map(path), ['/1', '/2', '/3']);
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 3);
  });
});

describe('the server span of an HTTP/2 request', options, () => {
  it('is named for its route, and tells the error behind a 5xx', async () => {
    handler = (request, response) => {
      setRoute(request as never, '/users/:id');
      setRequestError(request as never, new RangeError('too far'));
      response.writeHead(503).end();
    };
    assert.equal(await ask({ ':path': '/users/7' }), 503);
    const span = await serverSpan();
    assert.deepEqual(routeOf(span), ['GET /users/:id', '/users/:id', 503]);
    assert.deepEqual([span.status, span.attributes['error.type']], [2, '503']);
    assert.deepEqual(exceptionsOf(span), ['too far']);
  });

  it('has no status code when the client went away before there was one', async () => {
    const own = http2.connect(`http://127.0.0.1:${port}`);
    handler = () => own.destroy();
    own.on('error', () => {});
    own.request({ ':path': '/' }).on('error', () => {});
    const span = await serverSpan();
    assert.equal(span.attributes['http.response.status_code'], undefined);
  });

  it('is not made for what the server pushes', async () => {
    handler = (_request, response) => {
      response.stream.pushStream({ ':path': '/pushed' }, (_error, pushed) => {
        pushed?.respond();
        pushed?.end('pushed');
        pushed?.once('close', () => response.end());
      });
    };
    const pushed = once(session, 'stream').then(([stream]) => (stream as http2.ClientHttp2Stream).resume());
    await ask({ ':path': '/' });
    await pushed;
    await bothSides();
    assert.equal(telemetry.spans.length, 2);
  });

  it('has the route of Koa and of Fastify', async () => {
    const Koa = require('koa') as typeof import('koa');
    const { Router } = require('@koa/router') as typeof import('@koa/router');
    const router = new Router().get('/koa/:id', context => {
      context.body = 'koa';
    });
    const koa = new Koa().use(router.routes()).callback();
    handler = (request, response) => void koa(request as never, response as never);
    await ask({ ':path': '/koa/7' });
    assert.deepEqual(routeOf(await serverSpan()), ['GET /koa/:id', '/koa/:id', 200]);
    telemetry.clear();

    const fastify = require('fastify') as typeof Fastify;
    const app = fastify({ http2: true });
    app.get('/fastify/:id', async () => 'fastify');
    const own = http2.connect(await app.listen({ port: 0, host: '127.0.0.1' }));
    await ask({ ':path': '/fastify/7' }, undefined, own);
    assert.deepEqual(routeOf(await serverSpan()), ['GET /fastify/:id', '/fastify/:id', 200]);
    own.close();
    await app.close();
  });
});

describe('the client span of an HTTP/2 request', options, () => {
  const outcome = ({ status, attributes }: SeenSpan): unknown[] => [
    attributes['http.response.status_code'],
    attributes['error.type'],
    status,
  ];

  it('is an error for a 4xx', async () => {
    handler = (_request, response) => response.writeHead(404).end();
    await ask({ ':path': '/' });
    assert.deepEqual(outcome((await bothSides()).client), [404, '404', 2]);
  });

  it('tells of a server that cannot be reached', async () => {
    const gone = http2.createServer();
    const nobody = await listen(gone as unknown as Server);
    await new Promise<void>(resolve => void gone.close(() => resolve()));
    const own = http2.connect(`http://127.0.0.1:${nobody}`);
    own.on('error', () => {});
    own.request({ ':path': '/' }).on('error', () => {});
    const [span] = await telemetry.until(1);
    assert.deepEqual(outcome(span!), [undefined, 'ECONNREFUSED', 2]);
  });

  it('tells of a request that was cancelled', async () => {
    handler = () => stream.close(NGHTTP2_CANCEL);
    const stream = session.request({ ':path': '/' });
    const { client } = await bothSides();
    assert.deepEqual(outcome(client), [undefined, 'NGHTTP2_CANCEL', 2]);
  });

  it('is not made for a request that Node refuses, which throws as ever', () => {
    assert.throws(() => session.request({ ':nonsense': '1' }), { code: 'ERR_HTTP2_INVALID_PSEUDOHEADER' });
    assert.equal(telemetry.spans.filter(({ attributes }) => 'url.full' in attributes).length, 0);
  });

  it('is not made for a request of somebody who has sent a context', async () => {
    await ask({ ':path': '/', traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` });
    const [span] = await telemetry.until(1);
    assert.deepEqual([span!.kind, span!.parentId], [SERVER, 'cd'.repeat(8)]);
    assert.equal(telemetry.spans.length, 1);
  });

  it('is that of fetch, where fetch speaks HTTP/2', async () => {
    const versions: string[] = [];
    const secure = http2.createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
      versions.push(request.httpVersion);
      response.end('ok');
    });
    const securePort = await listen(secure as unknown as Server);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const response = await fetch(`https://localhost:${securePort}/`);
      assert.equal(await response.text(), 'ok');
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      secure.close();
    }
    const isHttp2 = versions[0] === '2.0';
    const spans = await telemetry.until(isHttp2 ? 2 : 1);
    assert.equal(spans.filter(({ kind }) => kind === CLIENT).length, 1);
    if (isHttp2) assert.equal((await bothSides()).server.parentId, (await bothSides()).client.spanId);
  });

  it('is not made under suppression, nor is the context sent', async () => {
    await ObservabilityContext.active()
      .withSuppression(true)
      .run(() => ask({ ':path': '/' }));
    const [span] = await telemetry.until(1);
    assert.deepEqual([span!.kind, span!.parentId], [SERVER, '']);
    assert.equal(telemetry.spans.length, 1);
  });
});

describe('the metrics of HTTP/2', options, () => {
  it('are those of HTTP, by the version of the protocol', async () => {
    const count = (side: string): number =>
      telemetry
        .points(`http.${side}.request.duration`)
        .filter(({ attributes }) => attributes['network.protocol.version'] === '2')
        .reduce((sum, { point }) => sum + (point.count ?? 0), 0);
    const earlier = ['client', 'server'].map(count);
    await ask({ ':path': '/' });
    await bothSides();
    assert.deepEqual(
      ['client', 'server'].map(count),
      earlier.map(each => each + 1),
    );
    const underWay = telemetry.points('http.server.active_requests').map(({ point }) => point.value);
    assert.deepEqual(
      underWay,
      underWay.map(() => 0),
    );
  });
});
