// Plain OTLP where there is no stream: the fallback, the specification's retry rules, partial successes, OTLP/HTTP.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { limits } from '../../src/limits.ts';
import { HEADROOM_BYTES, type OutgoingBatch } from '../../src/transport/ledger.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { readRetryAfterMs, readRetryDelayMs } from '../../src/transport/otlp/response.ts';
import { Writer } from '../../src/transport/otlp/writer.ts';
import { OtlpGrpcExporter } from '../../src/transport/otlp-grpc.ts';
import { OtlpHttpExporter } from '../../src/transport/otlp-http.ts';
import { packed } from '../../src/transport/packing.ts';
import { Transport } from '../../src/transport/transport.ts';
import { TestCollector, type TestCollectorOptions, type UnaryAnswer } from './test-collector.ts';
import { idsOf, put, transportOptions } from './transport-options.ts';

const FLUSH_MS = 10_000;
const payload = Buffer.from('not looked at');

const batch = (signal: Signal = Signal.traces): OutgoingBatch => ({
  signal,
  items: 5,
  buffer: Buffer.concat([Buffer.alloc(HEADROOM_BYTES), payload]),
});

/** One that had to wait: its payload is much smaller than what it stands for. */
const large = Buffer.from('again and '.repeat(1000));
const waited = packed({ ...batch(), buffer: Buffer.concat([Buffer.alloc(HEADROOM_BYTES), large]) });

function message(write: (writer: Writer) => void): Buffer {
  const writer = new Writer(new Uint8Array(4096));
  write(writer);
  return Buffer.from(writer.bytes.slice(0, writer.pos));
}

/** `Export…ServiceResponse` with a partial success. */
const partialSuccess = (rejected: number, reason: string): Buffer =>
  message(writer => {
    const mark = writer.message(1);
    writer.int(1, rejected);
    writer.string(2, reason);
    writer.close(mark);
  });

/** `google.rpc.Status` with a RetryInfo. */
const retryInfo = (seconds: number, nanos: number): Buffer =>
  message(writer => {
    writer.uint(1, grpc.status.RESOURCE_EXHAUSTED);
    const any = writer.message(3);
    writer.string(1, 'type.googleapis.com/google.rpc.RetryInfo');
    const info = writer.message(2);
    const duration = writer.message(1);
    writer.int(1, seconds);
    writer.int(2, nanos);
    writer.close(duration);
    writer.close(info);
    writer.close(any);
  });

function withDetails(code: number, details: Buffer): UnaryAnswer {
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', details);
  return { code, metadata };
}

async function plainCollector(t: TestContext, options: TestCollectorOptions = {}): Promise<TestCollector> {
  const collector = await TestCollector.start({ stream: false, ...options });
  t.after(() => collector.stop());
  return collector;
}

describe('a batch that had to wait', () => {
  it('is packed, unless that gains little', () => {
    assert.ok(waited.buffer.length < HEADROOM_BYTES + large.length / 10);
    assert.equal(waited.unpackedBytes, large.length);
    const random = { ...batch(), buffer: randomBytes(10_000) };
    assert.equal(packed(random), random);
  });

  it('arrives over OTLP/gRPC as it was', async t => {
    const collector = await plainCollector(t);
    const exporter = new OtlpGrpcExporter(transportOptions(collector.url));
    t.after(() => exporter.destroy());
    for (const each of [waited, batch()]) assert.equal((await exporter.export(each)).kind, 'delivered');
    assert.deepEqual(
      collector.unaryCalls.map(call => call.payload.toString()),
      [large.toString(), payload.toString()],
    );
  });
});

describe('a collector without the stream', () => {
  it('gets plain OTLP/gRPC, beginning with the batches at hand', async t => {
    const collector = await plainCollector(t);
    const transport = new Transport(transportOptions(collector.url, { headers: { 'x-tenant': 'acme' } }));
    t.after(() => transport.shutdown(0));
    for (const signal of Object.values(Signal)) put(transport.sink, signal, 10, signal);
    assert.equal(await transport.flush(FLUSH_MS), true);
    put(transport.sink, 9);
    assert.equal(await transport.flush(FLUSH_MS), true);
    const received = collector.unaryCalls.map(call => [call.signal, ...idsOf([call.payload])]);
    assert.deepEqual(received.sort(), [
      ['logs', 3],
      ['metrics', 2],
      ['traces', 1],
      ['traces', 9],
    ]);
    assert.deepEqual(collector.unaryCalls[0]!.metadata.get('x-tenant'), ['acme']);
    assert.equal(transport.stats().signals.traces.delivered, 2);
  });

  it('gets a batch again after UNAVAILABLE, and not again after what is final', async t => {
    const answers: UnaryAnswer[] = [
      { code: grpc.status.UNAVAILABLE },
      Buffer.alloc(0),
      { code: grpc.status.INVALID_ARGUMENT, details: 'nonsense' },
      partialSuccess(1, 'half of it'),
    ];
    const collector = await plainCollector(t, { onUnary: (_, index) => answers[index] });
    const transport = new Transport(transportOptions(collector.url));
    t.after(() => transport.shutdown(0));
    for (const id of [1, 2]) {
      put(transport.sink, id);
      assert.equal(await transport.flush(FLUSH_MS), true);
    }
    put(transport.sink, 3);
    put(transport.sink, 4);
    assert.equal(await transport.flush(FLUSH_MS), true);
    assert.deepEqual(
      collector.unaryCalls.map(call => idsOf([call.payload])),
      [[1], [1], [2], [3, 4]],
    );
    const { delivered, rejected, pending } = transport.stats().signals.traces;
    assert.deepEqual({ delivered, rejected, pending }, { delivered: 2, rejected: 2, pending: 0 });
    // The text comes by a message of its own, behind the counters.
    while (!/half of it/.test(transport.stats().lastFailure ?? '')) await sleep(5);
  });
});

describe('an OTLP/gRPC export', () => {
  async function outcomeOf(t: TestContext, answer: UnaryAnswer) {
    const collector = await plainCollector(t, { onUnary: () => answer });
    const exporter = new OtlpGrpcExporter(transportOptions(collector.url));
    t.after(() => exporter.destroy());
    return exporter.export(batch());
  }

  it('is tried again after exactly the retryable codes', async t => {
    const retried: number[] = [];
    for (let code = 1; code <= 16; code++) {
      const { kind } = await outcomeOf(t, { code });
      if (kind === 'retry') retried.push(code);
      else assert.equal(kind, 'refused');
    }
    assert.deepEqual(retried, [1, 4, 10, 11, 14, 15]);
  });

  it('is tried again after RESOURCE_EXHAUSTED only with a RetryInfo, and then when it says', async t => {
    const { RESOURCE_EXHAUSTED, UNAVAILABLE, INVALID_ARGUMENT } = grpc.status;
    const told = await outcomeOf(t, withDetails(RESOURCE_EXHAUSTED, retryInfo(2, 500_000_000)));
    assert.deepEqual([told.kind, told.kind === 'retry' && told.afterMs], ['retry', 2500]);
    const unavailable = await outcomeOf(t, withDetails(UNAVAILABLE, retryInfo(1, 0)));
    assert.deepEqual(
      [unavailable.kind, unavailable.kind === 'retry' && unavailable.afterMs],
      ['retry', 1000],
    );
    assert.equal((await outcomeOf(t, withDetails(INVALID_ARGUMENT, retryInfo(1, 0)))).kind, 'refused');
    assert.equal((await outcomeOf(t, withDetails(RESOURCE_EXHAUSTED, Buffer.from('junk')))).kind, 'refused');
  });

  it('reports the peer’s message with its escapes undone', async t => {
    const outcome = await outcomeOf(t, { code: grpc.status.INVALID_ARGUMENT, details: 'größer\n100%' });
    assert.match(outcome.kind === 'refused' ? outcome.reason : '', /größer\n100%/);
  });

  it('counts a partial success', async t => {
    assert.deepEqual(await outcomeOf(t, partialSuccess(3, 'three')), {
      kind: 'delivered',
      rejected: 3,
      reason: 'three',
    });
  });

  it('takes an unreadable response for a success', async t => {
    assert.equal((await outcomeOf(t, Buffer.from([0xff, 0xff]))).kind, 'delivered');
  });

  it('reads no response over 4 MiB', async t => {
    const filling = (bytes: number): Buffer => messageOf(bytes);
    assert.equal((await outcomeOf(t, filling(limits.response_bytes_max))).kind, 'delivered');
    assert.equal((await outcomeOf(t, filling(limits.response_bytes_max + 1))).kind, 'refused');
  });

  it('is tried again when the peer cannot be reached, does not speak HTTP/2, or stays silent', async () => {
    const peers = {
      closes: createTcpServer(socket => socket.destroy()),
      speaksHttp1: createServer(),
      silent: createTcpServer(socket => socket.on('error', () => {}).resume()),
    };
    for (const server of Object.values(peers)) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const exporter = new OtlpGrpcExporter(transportOptions(`http://127.0.0.1:${port}`, { timeoutMs: 300 }));
      assert.equal((await exporter.export(batch())).kind, 'retry');
      exporter.destroy();
      server.close();
    }
    const exporter = new OtlpGrpcExporter(transportOptions('http://127.0.0.1:1'));
    const outcome = await exporter.export(batch());
    assert.match(outcome.kind === 'retry' ? outcome.reason : '', /ECONNREFUSED/);
  });
});

/** A message of exactly this size: one unknown field. */
function messageOf(bytes: number): Buffer {
  const whole = Buffer.alloc(bytes);
  const writer = new Writer(whole);
  writer.tag(15, 2);
  const length = bytes - 5;
  for (let i = 0; i < 4; i++) whole[1 + i] = ((length >>> (7 * i)) & 0x7f) | (i < 3 ? 0x80 : 0);
  return whole;
}

describe('an OTLP/HTTP export', () => {
  async function exporterFor(
    t: TestContext,
    answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
    path = '',
  ): Promise<OtlpHttpExporter> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', chunk => chunks.push(chunk));
      request.on('end', () => answer(request, response, Buffer.concat(chunks)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const exporter = new OtlpHttpExporter(
      transportOptions(`http://127.0.0.1:${port}${path}`, {
        headers: { 'x-tenant': 'acme' },
        timeoutMs: 1000,
      }),
    );
    t.after(() => {
      exporter.close();
      server.closeAllConnections();
      server.close();
    });
    return exporter;
  }

  it('posts protobuf to the signal’s path below the base', async t => {
    for (const [base, prefix] of [
      ['', ''],
      ['/otlp', '/otlp'],
      ['/otlp/', '/otlp'],
    ]) {
      const seen: unknown[] = [];
      const exporter = await exporterFor(
        t,
        ({ url, method, headers }, response, body) => {
          seen.push([method, url, headers['content-type'], headers['x-tenant'], body.toString()]);
          response.end();
        },
        base,
      );
      for (const signal of Object.values(Signal))
        assert.equal((await exporter.export(batch(signal))).kind, 'delivered');
      const row = (name: string): unknown[] => [
        'POST',
        `${prefix}/v1/${name}`,
        'application/x-protobuf',
        'acme',
        payload.toString(),
      ];
      assert.deepEqual(seen, [row('traces'), row('metrics'), row('logs')]);
    }
  });

  it('posts what was packed as it is, and says so', async t => {
    const seen: unknown[] = [];
    const exporter = await exporterFor(t, ({ headers }, response, body) => {
      seen.push([headers['content-encoding'], gunzipSync(body).toString()]);
      response.end();
    });
    assert.equal((await exporter.export(waited)).kind, 'delivered');
    assert.deepEqual(seen, [['gzip', large.toString()]]);
  });

  it('is tried again after exactly the retryable statuses', async t => {
    let status = 0;
    const exporter = await exporterFor(t, (_, response) => response.writeHead(status).end());
    const outcomes: Record<string, number[]> = { retry: [], refused: [], delivered: [] };
    for (status of [200, 202, 301, 400, 401, 404, 408, 413, 429, 500, 501, 502, 503, 504]) {
      outcomes[(await exporter.export(batch())).kind]!.push(status);
    }
    assert.deepEqual(outcomes, {
      retry: [429, 502, 503, 504],
      refused: [301, 400, 401, 404, 408, 413, 500, 501],
      delivered: [200, 202],
    });
  });

  it('is tried again when Retry-After says', async t => {
    const exporter = await exporterFor(t, (_, response) =>
      response.writeHead(503, { 'retry-after': '7' }).end(),
    );
    const outcome = await exporter.export(batch());
    assert.equal(outcome.kind === 'retry' && outcome.afterMs, 7000);
  });

  it('counts a partial success', async t => {
    const exporter = await exporterFor(t, (_, response) => response.end(partialSuccess(2, 'two')));
    assert.deepEqual(await exporter.export(batch()), { kind: 'delivered', rejected: 2, reason: 'two' });
  });

  it('is tried again when the answer is cut off, never comes, or is over 4 MiB', async t => {
    const answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [
      request => request.socket.destroy(),
      (request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half');
        setImmediate(() => request.socket.destroy());
      },
      () => {},
      (_, response) => response.end(Buffer.alloc(limits.response_bytes_max + 1)),
    ];
    for (const answer of answers) {
      const exporter = await exporterFor(t, answer);
      assert.equal((await exporter.export(batch())).kind, 'retry');
    }
  });

  it('carries what the transport takes', async t => {
    const bodies: Buffer[] = [];
    const server = createServer((request, response) => {
      request.on('data', chunk => bodies.push(chunk));
      request.on('end', () => response.end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const transport = new Transport(transportOptions(url, { protocol: 'http/protobuf' }));
    put(transport.sink, 42);
    assert.equal(await transport.flush(FLUSH_MS), true);
    assert.deepEqual(idsOf([Buffer.concat(bodies)]), [42]);
    await transport.shutdown(1000);
  });
});

describe('the delay before a retry', () => {
  it('is read from seconds and from dates, and bounded', () => {
    const now = Date.UTC(2026, 0, 1);
    assert.equal(readRetryAfterMs(undefined, now), undefined);
    assert.equal(readRetryAfterMs('3', now), 3000);
    assert.equal(readRetryAfterMs('Thu, 01 Jan 2026 00:00:09 GMT', now), 9000);
    assert.equal(readRetryAfterMs('Thu, 01 Jan 2020 00:00:00 GMT', now), 0);
    assert.equal(readRetryAfterMs('soon', now), undefined);
    assert.equal(readRetryAfterMs('300', now), 300_000);
    assert.equal(readRetryAfterMs('301', now), 300_000);
    assert.equal(readRetryDelayMs(retryInfo(10 ** 9, 0)), 300_000);
    assert.equal(readRetryDelayMs(retryInfo(-5, 0)), 0);
    assert.equal(readRetryDelayMs(Buffer.from([0x1a, 0x7f])), undefined);
  });
});
