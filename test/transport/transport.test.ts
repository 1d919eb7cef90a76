// The transport as the application sees it: flush, shutdown, options, threads that die, connections that go silent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import * as grpc from '@grpc/grpc-js';
import { OptionError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { GrpcConnection } from '../../src/transport/grpc.ts';
import type { GrpcStatus } from '../../src/transport/grpc-status.ts';
import { STREAM_PATH } from '../../src/transport/otlp/stream-frame.ts';
import { Transport, type TransportOptions } from '../../src/transport/transport.ts';
import { certificate as own } from '../instrument/certificate.ts';
import { TestCollector } from './test-collector.ts';
import { idsOf, places, put, transportOptions } from './transport-options.ts';

const FLUSH_MS = 10_000;

async function collectorFor(t: TestContext): Promise<TestCollector> {
  const collector = await TestCollector.start();
  t.after(() => collector.stop());
  return collector;
}

const taken = (collector: TestCollector): number[] =>
  idsOf(collector.taken.map(({ payload }) => payload)).sort((a, b) => a - b);

describe('the options of the transport', () => {
  const refused: [string, Partial<TransportOptions>, RegExp][] = [
    ['no scheme', { endpoint: 'localhost:4317' }, /is not a URL like/],
    ['another scheme', { endpoint: 'ftp://localhost' }, /is not a URL like/],
    ['a secret in the endpoint', { endpoint: 'http://me:hunter2@localhost' }, /^(?!.*hunter2)/],
    ['a header with a line break', { headers: { a: 'b\r\nc: d' } }, /header "a"/],
    ['a header that HTTP/2 forbids', { headers: { Connection: 'close' } }, /header "Connection"/],
    [
      'a certificate that is none',
      { certificate: 'nonsense' },
      /OTEL_EXPORTER_OTLP_CERTIFICATE: the contents cannot be used/,
    ],
    [
      'a key that is none',
      { clientCertificate: own.cert, clientKey: 'nonsense' },
      /OTEL_EXPORTER_OTLP_CLIENT_KEY: the contents cannot be used/,
    ],
    ['a short instance ID', { instanceId: new Uint8Array(15) }, /15 bytes, not 16/],
    ['a huge resource', { resource: new Uint8Array(limits.batch_bytes_max / 4 + 1) }, /resource/],
  ];
  for (const [what, changes, message] of refused) {
    it(`refuse ${what}`, () => {
      const options = transportOptions('http://127.0.0.1:1', changes);
      assert.throws(
        () => new Transport(options),
        (error: Error) => error instanceof OptionError && message.test(error.message),
      );
    });
  }
});

for (const { place, thread } of places) {
  describe(`a flush, ${place}`, () => {
    it('is over at once when nothing is pending', async t => {
      const transport = new Transport(transportOptions('http://127.0.0.1:1', { thread }));
      t.after(() => transport.shutdown(0));
      assert.equal(transport.flushSync(3_600_000), true);
      assert.equal(await transport.flush(3_600_000), true);
    });

    it('covers what was written before it, under steady writing', async t => {
      const collector = await collectorFor(t);
      const transport = new Transport(transportOptions(collector.url, { thread }));
      t.after(() => transport.shutdown(0));
      let id = 0;
      const writing = setInterval(() => put(transport.sink, id++), 0);
      for (let round = 0; round < 5; round++) {
        await sleep(10);
        const before = id;
        assert.equal(await transport.flush(FLUSH_MS), true);
        assert.ok(collector.items >= before);
      }
      clearInterval(writing);
    });

    it('answers all who ask at the same time', async t => {
      const collector = await collectorFor(t);
      const transport = new Transport(transportOptions(collector.url, { thread }));
      t.after(() => transport.shutdown(0));
      put(transport.sink, 1);
      const flushes = [transport.flush(FLUSH_MS), transport.flush(FLUSH_MS), transport.flush(FLUSH_MS)];
      assert.deepEqual(await Promise.all(flushes), [true, true, true]);
    });
  });
}

for (const { place, thread } of places) {
  describe(`a shutdown, ${place}`, () => {
    it('delivers what is pending, ends the call in order, and refuses what comes after', async t => {
      const collector = await collectorFor(t);
      const transport = new Transport(transportOptions(collector.url, { thread, tracesLingerMs: 60_000 }));
      put(transport.sink, 1);
      const ended = once(collector, 'end');
      await Promise.all([transport.shutdown(FLUSH_MS), transport.shutdown(FLUSH_MS), ended]);
      assert.deepEqual(taken(collector), [1]);
      assert.equal(put(transport.sink, 2), false);
      assert.equal(transport.stats().signals.traces.dropped.closed, 1);
      assert.equal(transport.stats().deaths, 0);
      assert.equal(await transport.flush(1000), true);
    });

    it('is over when the collector is not there', async () => {
      const transport = new Transport(transportOptions('http://127.0.0.1:1', { thread }));
      put(transport.sink, 1);
      await transport.shutdown(FLUSH_MS);
      const { lost, pending } = transport.stats().signals.traces;
      assert.deepEqual({ lost, pending }, { lost: 1, pending: 0 });
    });
  });
}

describe('a transport thread that dies', () => {
  it('is replaced, and only what it held is lost, which is counted', async t => {
    const collector = await collectorFor(t);
    const created = once(process, 'worker') as Promise<[Worker]>;
    const transport = new Transport(transportOptions(collector.url));
    t.after(() => transport.shutdown(0));
    const [worker] = await created;
    put(transport.sink, 1, 0, 1, 'known before');
    assert.equal(await transport.flush(FLUSH_MS), true);
    await worker.terminate();
    assert.equal(transport.stats().deaths, 1);
    put(transport.sink, 2, 0, 1, 'known before');
    put(transport.sink, 3, 0, 1, 'new');
    assert.equal(transport.flushSync(FLUSH_MS), false, 'there is nobody to wait for');
    await collector.until(({ items }) => items === 3);
    assert.deepEqual(taken(collector), [1, 2, 3]);
    assert.equal(await transport.flush(FLUSH_MS), true);
    const { accepted, delivered, lost, pending } = transport.stats().signals.traces;
    assert.deepEqual(
      { accepted, delivered, lost, pending },
      { accepted: 3, delivered: 3, lost: 0, pending: 0 },
    );
    const instances = collector.calls.map(({ hello }) => Buffer.from(hello.instanceId).toString('hex'));
    assert.equal(new Set(instances).size, 2, 'sequences begin anew under a new instance');
  });

  it('counts what it held as lost', async () => {
    const created = once(process, 'worker') as Promise<[Worker]>;
    const transport = new Transport(transportOptions('http://127.0.0.1:1'));
    const [worker] = await created;
    put(transport.sink, 1);
    await transport.flush(FLUSH_MS);
    await worker.terminate();
    const { accepted, lost, pending } = transport.stats().signals.traces;
    assert.deepEqual({ accepted, lost, pending }, { accepted: 1, lost: 1, pending: 0 });
    await transport.shutdown(0);
  });

  it('never throws into the application, not even when it cannot start', async () => {
    const warnings: string[] = [];
    const unusable = { tracesLingerMs: (() => {}) as unknown as number };
    const warn = (line: string): void => void warnings.push(line);
    const transport = new Transport(transportOptions('http://127.0.0.1:1', { ...unusable, warn }));
    assert.ok(put(transport.sink, 1));
    assert.equal(transport.stats().deaths, 1);
    assert.deepEqual(warnings, [transport.stats().lastFailure]);
    assert.match(transport.stats().lastFailure ?? '', /DataCloneError/);
    assert.equal(await transport.flush(100), false);
    assert.equal(transport.flushSync(100), false);
    await transport.shutdown(0);
  });
});

describe('a connection', () => {
  /** Forwards to the collector until it is told to go silent. */
  async function proxyTo(t: TestContext, port: number): Promise<{ url: string; silence: () => void }> {
    const sockets: Socket[] = [];
    const server = createServer(near => {
      const far = connect(port, '127.0.0.1');
      sockets.push(near, far);
      near.on('error', () => far.destroy()).pipe(far);
      far.on('error', () => near.destroy()).pipe(near);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const silence = (): void => {
      for (const socket of sockets) socket.unpipe();
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, silence };
  }

  it('that is half open is found by a ping', async t => {
    const collector = await collectorFor(t);
    const proxy = await proxyTo(t, collector.port);
    const closed = Promise.withResolvers<GrpcStatus>();
    const ended = Promise.withResolvers<GrpcStatus>();
    const options = { ...transportOptions(proxy.url), keepaliveMs: 20, keepaliveTimeoutMs: 100 };
    const connection = new GrpcConnection(options, closed.resolve);
    connection.call(STREAM_PATH, { message: () => {}, drain: () => {}, end: ended.resolve });
    // Several pings are answered first.
    await sleep(150);
    proxy.silence();
    for (const status of await Promise.all([closed.promise, ended.promise])) {
      assert.deepEqual(status, { code: 14, message: 'a ping was not answered' });
    }
  });

  it('that does not come about in time ends with UNAVAILABLE', async t => {
    const closed = Promise.withResolvers<GrpcStatus>();
    const server = createServer(socket => socket.on('error', () => {}).resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = new GrpcConnection(transportOptions(url, { timeoutMs: 50 }), closed.resolve);
    assert.deepEqual(await closed.promise, { code: 14, message: 'no connection in time' });
    const call = Promise.withResolvers<GrpcStatus>();
    connection.call(STREAM_PATH, { message: () => {}, drain: () => {}, end: call.resolve });
    assert.equal((await call.promise).code, 14);
    assert.equal((await connection.unary('/a/b', new Uint8Array(5), 1000)).status.code, 14);
  });
});

describe('TLS', () => {
  const pem = { private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) };

  async function flushTo(
    t: TestContext,
    mutual: boolean,
    changes: Partial<TransportOptions>,
  ): Promise<Transport> {
    const authorities = mutual ? Buffer.from(own.cert) : null;
    const credentials = grpc.ServerCredentials.createSsl(authorities, [pem], mutual);
    const collector = await TestCollector.start({ credentials });
    const transport = new Transport(transportOptions(`https://127.0.0.1:${collector.port}`, changes));
    t.after(async () => {
      await transport.shutdown(0);
      collector.stop();
    });
    put(transport.sink, 1);
    const delivered = await transport.flush(FLUSH_MS);
    assert.equal(delivered, collector.items === 1);
    return transport;
  }

  it('delivers to a collector whose authority is trusted', async t => {
    const { connected } = (await flushTo(t, false, { certificate: own.cert })).stats();
    assert.equal(connected, true);
  });

  it('sends nothing to one whose authority is not, and says why', async t => {
    const transport = await flushTo(t, false, {});
    assert.equal(transport.stats().connected, false);
    while (!/self-signed certificate/.test(transport.stats().lastFailure ?? '')) await sleep(5);
  });

  it('shows the client’s certificate where one is asked for', async t => {
    const certificates = { certificate: own.cert, clientCertificate: own.cert, clientKey: own.key };
    assert.equal((await flushTo(t, true, certificates)).stats().connected, true);
    assert.equal((await flushTo(t, true, { certificate: own.cert })).stats().connected, false);
  });
});
