// Requests that are not sampled: kept with all that is known of them when they fail or take long, and chosen by rules.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { Clock } from '../../src/context/clock.ts';
import { instrumentHttpClient } from '../../src/instrument/http-client.ts';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { setRequestError, setRoute } from '../../src/instrument/served-request.ts';
import { instrumentUndici } from '../../src/instrument/undici.ts';
import { createSampling } from '../../src/trace/sampling.ts';
import { MemorySink } from '../memory-sink.ts';
import { type SeenSpan, Telemetry } from './telemetry.ts';

/** Far more than a request takes on a busy machine. */
const SLOW_MS = 1000;
/** Timers may be early by a fraction of a millisecond. */
const SLACK_MS = 5;
const CLIENT = 3;
const SERVER = 2;

const telemetry = new Telemetry(
  createSampling({
    name: 'parentbased_always_off',
    ratio: 1,
    budget: 1000,
    errors: 'on',
    slowMs: SLOW_MS,
    rules: { 'GET /always/*': 1, '/never': 0 },
    plugged: undefined,
    pressure: new MemorySink(),
    warn: line => assert.fail(line),
    clock: new Clock(),
  }),
);
instrumentHttpServer();
instrumentHttpClient();
instrumentUndici();

const server = http.createServer((request, response) => {
  const failed = request.url?.includes('fail') === true || request.url === '/never';
  trace.getTracer('application').startSpan('below').end();
  setRoute(request, '/:what');
  if (failed) setRequestError(request, new RangeError('too far'));
  response.statusCode = failed ? 500 : 200;
  if (request.url !== '/slow') response.end();
  else setTimeout(() => response.end(), SLOW_MS + SLACK_MS);
});
let port: number;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => telemetry.clear());

/** By node:http, which also sees to it that whatever the request leaves has been written. */
async function ask(path: string, method = 'GET'): Promise<void> {
  const request = http.request({ port, host: '127.0.0.1', path, method, agent: false }).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'close');
}

const seen = (spans: readonly SeenSpan[]): unknown[] =>
  spans.map(({ name, kind, attributes }) => [name, kind, attributes['tricord.sampling.kept']]);

describe('a request that is not sampled', () => {
  it('leaves nothing when it goes well', async () => {
    await ask('/fine');
    await ask('/fail');
    assert.deepEqual(seen(await telemetry.until(2)).sort(), [
      ['GET /:what', SERVER, 'error'],
      ['GET', CLIENT, 'error'],
    ]);
  });

  it('is kept when it fails, as if it had been recorded from its start', async () => {
    await ask('/fail?token=x');
    const spans = await telemetry.until(2);
    const { 'network.peer.port': peerPort, ...attributes } = spans.find(
      ({ kind }) => kind === SERVER,
    )!.attributes;
    assert.equal(typeof peerPort, 'number');
    assert.deepEqual(
      { ...attributes },
      {
        'tricord.sampling.kept': 'error',
        'http.request.method': 'GET',
        'url.scheme': 'http',
        'url.path': '/fail',
        'url.query': 'token=REDACTED',
        'server.address': '127.0.0.1',
        'server.port': port,
        'client.address': '127.0.0.1',
        'network.peer.address': '127.0.0.1',
        'network.protocol.version': '1.1',
        'http.route': '/:what',
        'http.response.status_code': 500,
        'error.type': '500',
      },
    );
    const { attributes: asked, parentId, spanId, traceId } = spans.find(({ kind }) => kind === CLIENT)!;
    assert.equal(asked['url.full'], `http://127.0.0.1:${port}/fail?token=REDACTED`);
    assert.equal(asked['http.response.status_code'], 500);
    assert.equal(parentId, '');
    const served = spans.find(({ kind }) => kind === SERVER)!;
    assert.deepEqual([served.traceId, served.parentId], [traceId, spanId]);
    assert.deepEqual(
      served.span.events.map(({ name }) => name),
      ['exception'],
    );
  });

  it('is kept when it is slow', async () => {
    await ask('/slow');
    const spans = await telemetry.until(2);
    assert.deepEqual(seen(spans).sort(), [
      ['GET /:what', SERVER, 'slow'],
      ['GET', CLIENT, 'slow'],
    ]);
    for (const { attributes } of spans) assert.equal(attributes['http.response.status_code'], 200);
  });

  it('is kept by fetch, too', async () => {
    await (await fetch(`http://127.0.0.1:${port}/fail`)).text();
    const spans = await telemetry.until(2);
    const { attributes } = spans.find(({ kind }) => kind === CLIENT)!;
    assert.equal(attributes['url.full'], `http://127.0.0.1:${port}/fail`);
    assert.equal(attributes['server.port'], port);
    assert.equal(attributes['tricord.sampling.kept'], 'error');
  });
});

describe('a rule', () => {
  it('chooses requests by method and path as they come, with all that is below', async () => {
    await ask('/always/1?a=b');
    const spans = await telemetry.until(2);
    assert.deepEqual(seen(spans), [
      ['below', 1, undefined],
      ['GET /:what', SERVER, undefined],
    ]);
    assert.equal(spans[1]!.span.traceState, 'ot=th:0');
    assert.equal(spans[1]!.attributes['url.path'], '/always/1');
  });

  it('does not choose others', async () => {
    await ask('/always/1', 'POST');
    await ask('/never');
    await ask('/fail');
    const paths = (await telemetry.until(3)).map(({ attributes }) => attributes['url.path']);
    assert.deepEqual(
      paths.filter(path => path !== undefined),
      ['/fail'],
      'no word of a server that never says one',
    );
  });
});
