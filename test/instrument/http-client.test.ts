// Real requests of node:http, fetch and undici under observation: spans, propagation, metrics.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { context, propagation, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentHttpClient } from '../../src/instrument/http-client.ts';
import { instrumentUndici } from '../../src/instrument/undici.ts';
import { hex } from '../decoded-records.ts';
import { certificate } from './certificate.ts';
import { describesRow } from './observed-row.ts';
import { type SeenSpan, Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpClient();
instrumentUndici();

/** What the server saw of the last request. */
let received: http.IncomingMessage;
const server = http.createServer((request, response) => {
  received = request;
  const url = request.url ?? '';
  if (url.startsWith('/status/')) response.statusCode = Number(url.slice('/status/'.length));
  if (url === '/cut') request.socket.destroy();
  else if (url === '/half') {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => request.socket.destroy());
  } else if (url !== '/never') response.end('ok');
});
server.on('upgrade', (request, socket) => {
  received = request;
  socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: probe\r\nconnection: upgrade\r\n\r\n');
});
let port: number;
let origin: string;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  origin = `http://127.0.0.1:${port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => telemetry.clear());

async function get(url: string, options: http.RequestOptions = {}): Promise<http.IncomingMessage> {
  const request = http.request(url, options).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'close');
  return response;
}

async function refusedPort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return free;
}

const parentOf = (request: http.IncomingMessage): string => String(request.headers.traceparent);
const asTraceparent = (span: SeenSpan): string => `00-${span.traceId}-${span.spanId}-`;

function durations(port: number): ReturnType<Telemetry['points']> {
  return telemetry
    .points('http.client.request.duration')
    .filter(({ attributes }) => attributes['server.port'] === port);
}

/** The two ways of asking that must look alike to an observer. */
const clients = {
  'node:http': async (url: string): Promise<unknown> => get(url),
  fetch: async (url: string): Promise<unknown> => (await fetch(url)).text(),
};

for (const [name, client] of Object.entries(clients)) {
  describe(`a request by ${name}`, () => {
    it('has a span with the attributes of the stable conventions, which the server learns of', async () => {
      await client(`${origin}/a?q=1&token=secret`);
      const [span] = await telemetry.until(1);
      assert.equal(span!.name, 'GET');
      assert.equal(span!.kind, 3);
      assert.equal(span!.status, 0);
      const { 'network.protocol.version': _, ...attributes } = span!.attributes;
      assert.deepEqual(
        { ...attributes },
        {
          'http.request.method': 'GET',
          'url.full': `${origin}/a?q=1&token=REDACTED`,
          'server.address': '127.0.0.1',
          'server.port': port,
          'http.response.status_code': 200,
        },
      );
      assert.ok(parentOf(received).startsWith(asTraceparent(span!)), parentOf(received));
    });

    it('is a child of the active span, and hands on its baggage', async () => {
      const parent = trace.getTracer('test').startSpan('parent');
      const baggage = propagation.createBaggage({ tenant: { value: 'acme' } });
      const active = propagation.setBaggage(trace.setSpan(context.active(), parent), baggage);
      await context.with(active, () => client(`${origin}/child`));
      const [span] = await telemetry.until(1);
      assert.equal(span!.parentId, parent.spanContext().spanId);
      assert.equal(received.headers.baggage, 'tenant=acme');
    });

    it('is an error for a status from 400 on, the last good one being 399', async () => {
      await client(`${origin}/status/399`);
      await client(`${origin}/status/400`);
      const spans = await telemetry.until(2);
      assert.deepEqual(
        spans.map(span => [span.status, span.attributes['error.type']]),
        [
          [0, undefined],
          [2, '400'],
        ],
      );
    });

    it('is an error with its code when there is no connection', async () => {
      const closed = await refusedPort();
      await assert.rejects(client(`http://127.0.0.1:${closed}/`));
      const [span] = await telemetry.until(1);
      assert.equal(span!.status, 2);
      assert.equal(span!.attributes['error.type'], 'ECONNREFUSED');
      assert.equal(span!.attributes['http.response.status_code'], undefined);
      assert.equal(durations(closed)[0]!.attributes['error.type'], 'ECONNREFUSED');
    });

    it('is an error when the connection is cut before the response, or in its middle', async () => {
      await assert.rejects(client(`${origin}/cut`));
      await client(`${origin}/half`).catch(() => {});
      const spans = await telemetry.until(2);
      for (const span of spans)
        assert.match(String(span.attributes['error.type']), /^(ECONNRESET|UND_ERR_SOCKET)$/);
      assert.equal(spans[1]!.attributes['http.response.status_code'], 200);
    });

    it('is timed, with an exemplar of its trace', async () => {
      const status = name === 'fetch' ? 207 : 208;
      await client(`${origin}/status/${status}`);
      const [span] = await telemetry.until(1);
      const point = durations(port).find(
        ({ attributes }) => attributes['http.response.status_code'] === status,
      )!;
      const exemplars = point.point.exemplars!.map(({ spanId }) => hex(spanId));
      assert.deepEqual(exemplars, [span!.spanId]);
      assert.equal(point.attributes['server.address'], '127.0.0.1');
    });

    it('has no span, no traceparent and no duration where tracing is suppressed', async () => {
      const timed = (): number => durations(port).reduce((sum, { point }) => sum + point.count!, 0);
      const before = timed();
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => client(`${origin}/suppressed`));
      assert.equal(received.url, '/suppressed');
      assert.equal(received.headers.traceparent, undefined);
      assert.deepEqual(telemetry.spans, []);
      assert.equal(timed(), before);
    });
  });
}

describe('a request by node:http', () => {
  it('carries its context when its headers were given as a list', async () => {
    const headers = ['Host', `127.0.0.1:${port}`, 'X-Probe', '1'];
    await get(`${origin}/list`, { headers });
    const [span] = await telemetry.until(1);
    assert.ok(parentOf(received).startsWith(asTraceparent(span!)));
    assert.equal(received.headers['x-probe'], '1');
    assert.equal(span!.attributes['server.port'], port);
  });

  it('carries its context when it expects 100-continue, and its body', async () => {
    const request = http.request(`${origin}/continue`, {
      method: 'POST',
      headers: { expect: '100-continue' },
    });
    const answered = once(request, 'response') as Promise<[http.IncomingMessage]>;
    await once(request, 'continue');
    request.end('body');
    const [response] = await answered;
    response.resume();
    const [span] = await telemetry.until(1);
    assert.ok(parentOf(received).startsWith(asTraceparent(span!)));
    assert.equal(span!.name, 'POST');
  });

  it('overwrites a traceparent of somebody else', async () => {
    await get(`${origin}/again`, { headers: { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` } });
    const [span] = await telemetry.until(1);
    assert.ok(parentOf(received).startsWith(asTraceparent(span!)));
  });

  it('ends its span when it is given up', async () => {
    const request = http.get(`${origin}/never`);
    request.on('error', () => {});
    await once(request, 'socket');
    request.destroy();
    const [span] = await telemetry.until(1);
    assert.equal(span!.attributes['error.type'], 'ECONNRESET');
  });

  it('ends its span when the connection is upgraded', async () => {
    const request = http.get(origin, { headers: { connection: 'upgrade', upgrade: 'probe' } });
    const [, socket] = (await once(request, 'upgrade')) as [http.IncomingMessage, net.Socket];
    socket.destroy();
    const [span] = await telemetry.until(1);
    assert.equal(span!.attributes['http.response.status_code'], 101);
    assert.equal(span!.status, 0);
  });

  it('is seen over TLS as well, one by one on a connection that is kept alive', async () => {
    const secure = https.createServer(certificate, (_request, response) => response.end('ok'));
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
    for (const path of ['/1', '/2']) {
      const [response] = (await once(https.get(url + path, { agent }), 'response')) as [http.IncomingMessage];
      response.resume();
      await once(response, 'end');
    }
    const spans = await telemetry.until(2);
    agent.destroy();
    secure.close();
    assert.deepEqual(
      spans.map(span => span.attributes['url.full']),
      [`${url}/1`, `${url}/2`],
    );
  });

  it('keeps credentials out of its span', async () => {
    await get(`http://user:canary@127.0.0.1:${port}/`);
    await get(`${origin}/`, { path: 'http://user:canary@elsewhere.example/x?api_key=canary' });
    const spans = await telemetry.until(2);
    assert.ok(!JSON.stringify(spans.map(span => span.attributes)).includes('canary'));
  });
});

describe('a request by fetch', () => {
  it('ends its span when it is aborted', async () => {
    const abort = new AbortController();
    const asked = fetch(`${origin}/never`, { signal: abort.signal });
    await once(server, 'request');
    abort.abort();
    await assert.rejects(asked);
    const [span] = await telemetry.until(1);
    assert.equal(span!.status, 2);
    assert.equal(span!.attributes['error.type'], 'AbortError');
  });

  it('has a span for every redirect on the way', async () => {
    const redirecting = http.createServer((_request, response) => {
      response.writeHead(302, { location: `${origin}/landed` }).end();
    });
    redirecting.listen(0, '127.0.0.1');
    await once(redirecting, 'listening');
    await (await fetch(`http://127.0.0.1:${(redirecting.address() as AddressInfo).port}/`)).text();
    const spans = await telemetry.until(2);
    redirecting.close();
    redirecting.closeAllConnections();
    assert.deepEqual(
      spans.map(span => span.attributes['http.response.status_code']),
      [302, 200],
    );
  });
});

describesRow(() => ({
  name: 'http-client',
  libraries: ['node:http', 'node:https', 'fetch (`undici`)'],
  server: 'node:http',
  example: 'GET',
  seen: telemetry.seen('CLIENT'),
}));
