// Real servers of node:http and node:https under observation: spans, contexts, metrics.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { setRequestError, setRoute } from '../../src/instrument/served-request.ts';
import { hex } from '../decoded-records.ts';
import { certificate } from './certificate.ts';
import { describesRow } from './observed-row.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry({ metricLabels: ['tenant'] });
instrumentHttpServer();

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

let handler: Handler;
const server = http.createServer((request, response) => handler(request, response));
let port: number;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(() => server.close());
beforeEach(() => {
  telemetry.clear();
  handler = (_request, response) => response.end('ok');
});

interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: readonly string[];
  readonly agent?: http.Agent;
}

async function ask({ body = [], ...options }: Asked = {}): Promise<number | undefined> {
  const request = http.request({ port, host: '127.0.0.1', ...options });
  for (const part of body) {
    await new Promise<void>(resolve => void request.write(part, () => setImmediate(resolve)));
  }
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

/** Writes raw bytes; resolves when `enough` of what comes back has come, and then cuts the connection. */
async function askRaw(bytes: string, enough: (received: string) => boolean): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(bytes);
  let received = '';
  for await (const chunk of socket) {
    received += chunk;
    if (enough(received)) break;
  }
}

const active = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

describe('a server span', () => {
  it('has the attributes of the stable conventions', async () => {
    await ask({ path: '/a/b?q=1&sig=secret', headers: { 'user-agent': 'probe', host: 'shop.example:8080' } });
    const [span] = await telemetry.until(1);
    assert.equal(span!.name, 'GET');
    assert.equal(span!.kind, 2);
    assert.equal(span!.status, 0);
    const { 'network.peer.port': peerPort, ...attributes } = span!.attributes;
    assert.equal(typeof peerPort, 'number');
    assert.deepEqual(
      { ...attributes },
      {
        'http.request.method': 'GET',
        'url.scheme': 'http',
        'url.path': '/a/b',
        'url.query': 'q=1&sig=REDACTED',
        'server.address': 'shop.example',
        'server.port': 8080,
        'client.address': '127.0.0.1',
        'network.peer.address': '127.0.0.1',
        'network.protocol.version': '1.1',
        'user_agent.original': 'probe',
        'http.response.status_code': 200,
      },
    );
  });

  it('takes client, server and scheme from what proxies say', async () => {
    const forwards = { 'x-forwarded-for': '203.0.113.7, 10.0.0.1', 'x-forwarded-proto': 'https' };
    await ask({ headers: { ...forwards, 'x-forwarded-host': 'shop.example' } });
    await ask({ headers: { forwarded: 'for="[2001:db8::1]:4711";proto=https;host=other.example' } });
    const seen = (await telemetry.until(2)).map(({ attributes }) => [
      ...[attributes['client.address'], attributes['server.address']],
      ...[attributes['server.port'], attributes['url.scheme']],
    ]);
    assert.deepEqual(seen, [
      ['203.0.113.7', 'shop.example', 443, 'https'],
      ['2001:db8::1', 'other.example', 443, 'https'],
    ]);
  });

  it('gives no word of a client to the scheme unless it is one', async () => {
    await ask({ headers: { 'x-forwarded-proto': 'gopher' } });
    assert.equal((await telemetry.until(1))[0]!.attributes['url.scheme'], 'http');
  });

  it('continues the trace of its caller', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    await ask({ headers: { traceparent } });
    const [span] = await telemetry.until(1);
    assert.equal(span!.traceId, 'ab'.repeat(16));
    assert.equal(span!.parentId, 'cd'.repeat(8));
  });

  it('is not made when the caller did not sample, but the duration counts', async () => {
    await ask({ headers: { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00` }, method: 'TRACE' });
    await ask();
    assert.equal((await telemetry.until(1)).length, 1);
    const points = telemetry.points('http.server.request.duration');
    const unsampled = points.find(({ attributes }) => attributes['http.request.method'] === 'TRACE');
    assert.equal(unsampled?.point.count, 1);
    assert.deepEqual(unsampled?.point.exemplars, []);
  });

  it('is an error for a 5xx, with the exception that it was told of, and not for a 4xx', async () => {
    handler = (request, response) => {
      setRequestError(request, new RangeError('too far'));
      response.statusCode = request.url === '/500' ? 500 : 404;
      response.end();
    };
    await ask({ path: '/500' });
    await ask({ path: '/404' });
    const [failed, missing] = await telemetry.until(2);
    assert.equal(failed!.status, 2);
    assert.equal(failed!.attributes['error.type'], '500');
    assert.deepEqual(
      failed!.span.events.map(event => event.name),
      ['exception'],
    );
    assert.equal(missing!.status, 0);
    assert.equal(missing!.attributes['error.type'], undefined);
    assert.deepEqual(missing!.span.events, []);
  });

  it('is named for the route', async () => {
    handler = (request, response) => {
      setRoute(request, '/users/:id');
      response.end();
    };
    await ask({ path: '/users/7', method: 'DELETE' });
    const [span] = await telemetry.until(1);
    assert.equal(span!.name, 'DELETE /users/:id');
    assert.equal(span!.attributes['http.route'], '/users/:id');
  });

  it('calls a method _OTHER that is not known, and keeps what it was', async () => {
    await ask({ method: 'PROPFIND' });
    const [span] = await telemetry.until(1);
    assert.equal(span!.name, 'HTTP');
    assert.equal(span!.attributes['http.request.method'], '_OTHER');
    assert.equal(span!.attributes['http.request.method_original'], 'PROPFIND');
  });

  it('ends when the client goes away before the response', async () => {
    handler = (_request, response) => {
      response.writeHead(200);
      response.write('part');
    };
    await askRaw('GET / HTTP/1.1\r\nhost: a\r\n\r\n', received => received.includes('part'));
    const [span] = await telemetry.until(1);
    assert.equal(span!.attributes['http.response.status_code'], 200);
    assert.equal(span!.status, 0);
  });

  it('has no status code when the client went away before there was one', async () => {
    const served = new Promise<void>(resolve => {
      handler = () => resolve();
    });
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await served;
    socket.destroy();
    const [span] = await telemetry.until(1);
    assert.equal(span!.attributes['http.response.status_code'], undefined);
  });

  it('is made for each request of a connection that is kept alive, and by TLS', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await ask({ path: '/1', agent });
    await ask({ path: '/2', agent });
    agent.destroy();
    const secure = https.createServer(certificate, (_request, response) => response.end('ok'));
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const address = secure.address() as AddressInfo;
    const request = https.get({ port: address.port, path: '/3', rejectUnauthorized: false, agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    const spans = await telemetry.until(3);
    secure.close();
    assert.deepEqual(
      spans.map(span => [span.attributes['url.path'], span.attributes['url.scheme']]),
      [
        ['/1', 'http'],
        ['/2', 'http'],
        ['/3', 'https'],
      ],
    );
    assert.equal(new Set(spans.map(span => span.traceId)).size, 3);
  });

  it('is made for each of several requests in one packet, and all end when the connection is cut', async () => {
    const responses: http.ServerResponse[] = [];
    handler = (_request, response) => {
      responses.push(response);
      if (responses.length === 3) responses[0]!.end('first');
    };
    const request = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
    await askRaw(request('/1') + request('/2') + request('/3'), received => received.includes('first'));
    const spans = await telemetry.until(3);
    assert.deepEqual(
      spans.map(span => [span.attributes['url.path'], span.attributes['http.response.status_code']]),
      [
        ['/1', 200],
        ['/2', undefined],
        ['/3', undefined],
      ],
    );
    assert.deepEqual(
      telemetry.points('http.server.active_requests').map(({ point }) => point.value),
      telemetry.points('http.server.active_requests').map(() => 0),
    );
  });
});

describe('the context of a request', () => {
  it('is active in the handler and in the events of a body that comes later', async () => {
    const seen: [string, string | undefined][] = [];
    handler = (request, response) => {
      const note = (name: string): void => void seen.push([name, active()]);
      note('handler');
      request.on('data', () => note('data'));
      request.on('end', () => {
        note('end');
        setTimeout(() => {
          note('timer');
          response.end();
        }, 1);
      });
      response.on('finish', () => note('finish'));
    };
    await ask({ method: 'POST', body: ['a', 'b'] });
    const [span] = await telemetry.until(1);
    assert.ok(seen.filter(([name]) => name === 'data').length >= 2);
    assert.deepEqual([...new Set(seen.map(([, id]) => id))], [span!.spanId]);
    assert.deepEqual([...new Set(seen.map(([name]) => name))], ['handler', 'data', 'end', 'timer', 'finish']);
  });

  it('does not leak from one request into another, or out of the server', async () => {
    const seen: (string | undefined)[] = [];
    handler = (_request, response) => {
      seen.push(active());
      response.end('ok');
    };
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    await askRaw(request + request, received => received.split('ok').length > 2);
    assert.deepEqual(
      seen,
      (await telemetry.until(2)).map(span => span.spanId),
    );
    assert.notEqual(seen[0], seen[1]);
    assert.equal(active(), undefined);
  });
});

describe('the metrics of a server', () => {
  it('time each request by method, route and status, with an exemplar of its trace', async () => {
    handler = (request, response) => {
      setRoute(request, '/timed/:id');
      setTimeout(() => response.end(), 5);
    };
    await ask({ path: '/timed/1' });
    const [span] = await telemetry.until(1);
    const points = telemetry.points('http.server.request.duration');
    const point = points.find(({ attributes }) => attributes['http.route'] === '/timed/:id')!;
    assert.deepEqual(
      { ...point.attributes },
      {
        'http.request.method': 'GET',
        'http.response.status_code': 200,
        'http.route': '/timed/:id',
        'network.protocol.version': '1.1',
        'url.scheme': 'http',
      },
    );
    assert.deepEqual(
      point.point.explicitBounds,
      [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    );
    assert.ok(point.point.sum! >= 0.004 && point.point.sum! < 10, `${point.point.sum} s`);
    assert.deepEqual(
      point.point.exemplars!.map(({ traceId, spanId }) => [hex(traceId), hex(spanId)]),
      [[span!.traceId, span!.spanId]],
    );
  });

  it('count the requests under way', async () => {
    let underWay: unknown;
    handler = (_request, response) => {
      underWay = telemetry
        .points('http.server.active_requests')
        .find(({ attributes }) => attributes['http.request.method'] === 'PUT')?.point.value;
      response.end();
    };
    await ask({ method: 'PUT' });
    await telemetry.until(1);
    assert.equal(underWay, 1);
    for (const { point } of telemetry.points('http.server.active_requests')) assert.equal(point.value, 0);
  });

  it('carry the labels that were set on the way to the response', async () => {
    handler = (request, response) => {
      setRoute(request, '/labelled');
      ObservabilityContext.active()
        .withLabels({ tenant: 'acme' })
        .run(() => setImmediate(() => response.end()));
    };
    await ask();
    await telemetry.until(1);
    const points = telemetry.points('http.server.request.duration');
    const labelled = points.find(({ attributes }) => attributes['http.route'] === '/labelled');
    assert.equal(labelled?.attributes.tenant, 'acme');
  });
});

describesRow(() => ({
  name: 'http-server',
  libraries: ['node:http', 'node:https'],
  server: '',
  example: 'GET',
  seen: telemetry.seen('SERVER'),
}));
