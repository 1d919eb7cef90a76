// OTLP over HTTP: what is taken, and the status of everything that is not.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import { Reader, Signal } from 'tricord/otlp';
import { OfferError } from '../../../collector/component.ts';
import type { ComponentContext, Intake } from '../../../collector/factory.ts';
import { Log } from '../../../collector/log.ts';
import { Admission } from '../../../collector/receivers/admission.ts';
import { HttpListener } from '../../../collector/receivers/otlp-http.ts';
import { REQUEST_BYTES_MAX } from '../../../collector/receivers/refusal.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { logsRequest, traceRequest } from '../requests.ts';
import { startCollector, type TestCollector } from '../running-collector.ts';

const PROTOBUF = 'application/x-protobuf';

describe('OTLP/HTTP', () => {
  let collector: TestCollector;
  before(async () => {
    collector = await startCollector();
  });
  after(() => collector.stop());

  const post = (
    path: string,
    body: string | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    fetch(`http://${collector.endpoints['otlp.http']}${path}`, {
      method: 'POST',
      body: body as string,
      headers: { 'content-type': PROTOBUF, ...headers },
    });

  it('takes protobuf as it is, and answers with an empty message', async () => {
    const request = traceRequest(['one', 'two']);
    const before = collector.capture.batches.length;
    const response = await post('/v1/traces', request);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), PROTOBUF);
    assert.equal((await response.arrayBuffer()).byteLength, 0);
    const batch = (await collector.capture.count(before + 1)).at(-1)!;
    assert.deepEqual(Buffer.from(batch.payload), request);
    assert.deepEqual([batch.signal, batch.items, batch.source], [Signal.traces, 2, 'otlp']);
  });

  it('unpacks gzip', async () => {
    const request = logsRequest(['hello']);
    const before = collector.capture.batches.length;
    const response = await post('/v1/logs', gzipSync(request), { 'content-encoding': 'gzip' });
    assert.equal(response.status, 200);
    const batch = (await collector.capture.count(before + 1)).at(-1)!;
    assert.deepEqual(Buffer.from(batch.payload), request);
  });

  it('turns JSON into protobuf, and answers in JSON', async () => {
    const before = collector.capture.batches.length;
    const span = { traceId: '0'.repeat(31).concat('1'), spanId: '0'.repeat(15).concat('1'), name: 'json' };
    const json = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
    const response = await post('/v1/traces', json, { 'content-type': 'application/json; charset=utf-8' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '{}');
    const batch = (await collector.capture.count(before + 1)).at(-1)!;
    assert.equal(batch.items, 1);
    assert.ok(Buffer.from(batch.payload).includes('json'));
  });

  it('answers 400 with a google.rpc.Status for what is malformed, in the type that was sent', async () => {
    const truncated = await post('/v1/traces', traceRequest(['x']).subarray(0, -3));
    assert.equal(truncated.status, 400);
    assert.equal(truncated.headers.get('content-type'), PROTOBUF);
    const status = readStatus(new Uint8Array(await truncated.arrayBuffer()));
    assert.equal(status.code, 3);
    assert.match(status.message, /resource_spans/);

    const json = await post('/v1/traces', '{"resourceSpans":[{]}', { 'content-type': 'application/json' });
    assert.equal(json.status, 400);
    const { code, message } = (await json.json()) as { code: number; message: string };
    assert.equal(code, 3);
    assert.ok(message.length > 0);
  });

  it('answers 400 for gzip that is none, is cut off, or has something behind it', async () => {
    const gzip = gzipSync(traceRequest(['x']));
    const bodies = [
      Buffer.from('nonsense'),
      gzip.subarray(0, -4),
      Buffer.concat([gzip, Buffer.from('junk')]),
    ];
    for (const body of bodies) {
      const response = await post('/v1/traces', body, { 'content-encoding': 'gzip' });
      assert.equal(response.status, 400);
    }
  });

  it('answers 404, 405 and 415 for a wrong path, method, content type and encoding', async () => {
    assert.equal((await post('/v1/trace', '')).status, 404);
    const get = await fetch(`http://${collector.endpoints['otlp.http']}/v1/traces`);
    assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST']);
    assert.equal((await post('/v1/traces', '{}', { 'content-type': 'text/plain' })).status, 415);
    const brotli = await post('/v1/traces', 'x', { 'content-encoding': 'br' });
    assert.deepEqual([brotli.status, brotli.headers.get('accept-encoding')], [415, 'gzip, identity']);
  });

  it('answers 413 to a bomb without unpacking it whole', async () => {
    const gzip = createGzip({ level: 9 });
    const zeros = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < REQUEST_BYTES_MAX / zeros.length + 1; i++) gzip.write(zeros);
    gzip.end();
    const bomb = Buffer.concat(await gzip.toArray());
    assert.ok(bomb.length < 1024 * 1024);
    const response = await post('/v1/traces', bomb, { 'content-encoding': 'gzip' });
    assert.equal(response.status, 413);
    assert.equal(await collector.metric(refusals('too_large')), 1);
  });

  it('answers 413 to a length that is declared too large, before the body', async () => {
    const length = String(REQUEST_BYTES_MAX + 1);
    const request = httpRequest(`http://${collector.endpoints['otlp.http']}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': PROTOBUF, 'content-length': length },
    });
    request.on('error', () => undefined);
    request.flushHeaders();
    const [response] = await once(request, 'response');
    assert.equal(response.statusCode, 413);
    request.destroy();
  });

  it('outlives clients that break off in the middle', async () => {
    const [host, port] = collector.endpoints['otlp.http']!.split(':');
    const socket = connect(Number(port), host);
    const encoding = 'content-encoding: gzip\r\n';
    socket.write(
      `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: ${PROTOBUF}\r\n${encoding}content-length: 99\r\n\r\nabc`,
    );
    await once(socket, 'connect');
    socket.resetAndDestroy();
    assert.equal((await post('/v1/traces', traceRequest(['after']))).status, 200);
  });
});

describe('OTLP/HTTP over an intake that refuses', () => {
  it('answers 503 with Retry-After', async () => {
    const refusing: Intake = {
      offer: () => Promise.reject(new OfferError('the queue is full', true, 2500)),
      durableSequence: () => 0n,
      bytesFree: () => 0,
    };
    const context: ComponentContext = {
      id: 'otlp',
      dataDir: '',
      log: new Log(() => undefined),
      telemetry: new SelfTelemetry(),
    };
    const admission = new Admission(context, 'http', refusing);
    const listener = new HttpListener({ host: '127.0.0.1', port: 0 }, 'key', undefined, admission);
    await listener.start();
    const response = await fetch(`http://${listener.address()}/v1/traces`, {
      method: 'POST',
      body: traceRequest(['x']),
      headers: { 'content-type': PROTOBUF },
    });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '3');
    const status = readStatus(new Uint8Array(await response.arrayBuffer()));
    assert.deepEqual(status, { code: 14, message: 'the queue is full' });
    await listener.stop();
  });
});

const refusals = (reason: string): string =>
  `otelcol_receiver_refused_requests_total{receiver="otlp",transport="http",signal="traces",reason="${reason}"}`;

function readStatus(bytes: Uint8Array): { code: number; message: string } {
  const reader = new Reader(bytes);
  let code = 0;
  let message = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 8) code = reader.varint();
    else if (tag === 18) message = reader.string();
    else reader.skip(tag);
  }
  return { code, message };
}
