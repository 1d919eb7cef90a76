// The memory between sockets and the queue: a hard bound over all receivers, fair shares, and refusals that say when to come back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeHello, readRetryDelayMs, Signal, STREAM_PATH } from 'tricord/otlp';
import { Log } from '../../../collector/log.ts';
import { Admission } from '../../../collector/receivers/admission.ts';
import { GrpcListener } from '../../../collector/receivers/otlp-grpc.ts';
import { REQUEST_BYTES_MAX, ThrottledError } from '../../../collector/receivers/refusal.ts';
import { RequestMemory } from '../../../collector/receivers/request-memory.ts';
import { StreamService } from '../../../collector/receivers/stream.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { exportPaths } from '../../../collector/signals.ts';
import { MemoryDisk } from '../queue/memory-disk.ts';
import { batchOf, openScratch } from '../queue/scratch.ts';
import { traceRequest } from '../requests.ts';
import { captureAll, startCollector, type TestCollector } from '../running-collector.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('the memory for requests', () => {
  it('gives one client alone half, and not a byte more', () => {
    const memory = new RequestMemory(1000);
    const hold = memory.hold({});
    hold.take(500);
    assert.throws(() => hold.take(1), ThrottledError);
    assert.deepEqual([memory.bytes, memory.free, memory.refusals], [500, 500, 1]);
  });

  it('comes to equal shares between greedy clients, with one left for the next', () => {
    const memory = new RequestMemory(1200);
    const holds = Array.from({ length: 3 }, () => memory.hold({}));
    const held = [0, 0, 0];
    for (let turn = 0; turn < 3000; turn++) {
      try {
        holds[turn % 3]!.take(1);
        held[turn % 3]!++;
      } catch (error) {
        assert.ok(error instanceof ThrottledError);
      }
    }
    assert.deepEqual(held, [300, 300, 300]);
    memory.hold({}).take(150);
  });

  it('counts all requests of one connection together', () => {
    const memory = new RequestMemory(1000);
    const connection = {};
    memory.hold(connection).take(400);
    assert.throws(() => memory.hold(connection).take(101), ThrottledError);
  });

  it('has room for the largest request beside another one', () => {
    const memory = new RequestMemory();
    for (let client = 0; client < 2; client++) memory.hold({}).take(REQUEST_BYTES_MAX);
  });

  it('takes back all of a request that is over, whatever is said of it afterwards', () => {
    const memory = new RequestMemory(1000);
    const hold = memory.hold({});
    hold.take(300);
    hold.release();
    hold.take(100);
    hold.give(50);
    hold.release();
    assert.equal(memory.bytes, 0);
  });
});

describe('a greedy client', () => {
  const open = async (t: TestContext, size: string): Promise<TestCollector> => {
    const collector = await startCollector(captureAll.concat(`  requests: { max_size: ${size} }\n`));
    t.after(() => collector.stop());
    return collector;
  };

  const held = (collector: TestCollector): Promise<number> => collector.metric('tricord_requests_bytes');

  const becomes = async (collector: TestCollector, test: (bytes: number) => boolean): Promise<void> => {
    while (!test(await held(collector))) await new Promise(setImmediate);
  };

  const post = (collector: TestCollector, body: Buffer<ArrayBuffer>): Promise<Response> =>
    fetch(`http://${collector.endpoints['otlp.http']}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-protobuf' },
    });

  const socketTo = async (t: TestContext, collector: TestCollector): Promise<Socket> => {
    const [host, port] = collector.endpoints['otlp.http']!.split(':');
    const socket = connectTcp(Number(port), host).on('error', () => undefined);
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n');
    return socket;
  };

  it('over HTTP gets 429 with Retry-After, and others are served', async t => {
    const collector = await open(t, '512KiB');
    const patient = await socketTo(t, collector);
    patient.write(`content-length: ${MIB}\r\n\r\n`);
    patient.write(Buffer.alloc(200 * KIB));
    await becomes(collector, bytes => bytes === 200 * KIB);
    assert.equal((await post(collector, traceRequest(['another']))).status, 200);
    patient.write(Buffer.alloc(100 * KIB));
    const [answer] = await once(patient, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 429 .*\r\n(.*\r\n)*retry-after: 1\r\n/i);
    await becomes(collector, bytes => bytes === 0);
    assert.equal(await collector.metric('tricord_requests_throttled_total'), 1);
    const refusals = 'otelcol_receiver_refused_requests_total';
    const labels = '{receiver="otlp",transport="http",signal="traces",reason="throttled"}';
    assert.equal(await collector.metric(refusals + labels), 1);
  });

  it('that goes away in the middle leaves nothing behind', async t => {
    const collector = await open(t, '1MiB');
    const socket = await socketTo(t, collector);
    socket.write(`content-length: ${MIB}\r\n\r\n`);
    socket.write(Buffer.alloc(100 * KIB));
    const session = sessionTo(t, collector);
    const call = beginCall(session, exportPaths[Signal.traces], MIB, 100 * KIB);
    await becomes(collector, bytes => bytes === (100 + 256) * KIB);
    socket.resetAndDestroy();
    call.close();
    await becomes(collector, bytes => bytes === 0);
  });

  const sessionTo = (t: TestContext, collector: TestCollector): ClientHttp2Session => {
    const session = connectHttp2(`http://${collector.endpoints['otlp.grpc']}`);
    session.on('error', () => undefined);
    t.after(() => session.destroy());
    return session;
  };

  const headersOf = (path: string, more: Record<string, string> = {}) => ({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });

  /** Announces a message of a size, and sends so many bytes of it. */
  const beginCall = (
    session: ClientHttp2Session,
    path: string,
    size: number,
    sent: number,
  ): ClientHttp2Stream => {
    const call = session.request(headersOf(path));
    call.on('error', () => undefined);
    call.resume();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(size, 1);
    call.write(Buffer.concat([prefix, Buffer.alloc(sent)]));
    return call;
  };

  const statusOf = async (call: ClientHttp2Stream): Promise<Record<string, string>> => {
    const [headers] = await once(call, 'response');
    if (headers['grpc-status'] !== undefined) return headers;
    const [trailers] = await once(call, 'trailers');
    return trailers;
  };

  it('over gRPC gets RESOURCE_EXHAUSTED with RetryInfo, and others are served', async t => {
    const collector = await open(t, '2MiB');
    const greedy = sessionTo(t, collector);
    const path = exportPaths[Signal.traces];
    for (let call = 1; call <= 4; call++) {
      beginCall(greedy, path, MIB, 10 * KIB);
      await becomes(collector, bytes => bytes === call * 256 * KIB);
    }
    const status = await statusOf(beginCall(greedy, path, MIB, 10 * KIB));
    assert.equal(status['grpc-status'], '8');
    const details = Buffer.from(status['grpc-status-details-bin']!, 'base64');
    assert.equal(readRetryDelayMs(details), 1000);

    const other = sessionTo(t, collector).request(headersOf(path));
    const request = traceRequest(['another']);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(request.length, 1);
    other.end(Buffer.concat([prefix, request]));
    other.resume();
    assert.equal((await statusOf(other))['grpc-status'], '0');
    greedy.destroy();
    await becomes(collector, bytes => bytes === 0);
  });

  it('does not fill the queue while the disk stalls: there is room for others', async t => {
    const disk = new MemoryDisk();
    const queue = await openScratch(t, '/queue', { disk, waitingBytesMax: 300 * KIB });
    await queue.offer(batchOf('opens the segment'));
    const context = {
      id: 'otlp',
      dataDir: '',
      log: new Log(() => undefined),
      telemetry: new SelfTelemetry(),
    };
    const memory = new RequestMemory(300 * KIB);
    const streams = new StreamService(context, queue, memory);
    const admission = new Admission(context, 'grpc', queue);
    const at = { host: '127.0.0.1', port: 0 };
    const listener = new GrpcListener(at, 'key', undefined, admission, streams, memory);
    await listener.start();
    const stall = Promise.withResolvers<void>();
    disk.stall = stall.promise;
    const request = traceRequest(['x'.repeat(10 * KIB)]);
    const sessions = [
      connectHttp2(`http://${listener.address()}`),
      connectHttp2(`http://${listener.address()}`),
    ];
    const send = (session: ClientHttp2Session): Promise<Record<string, string>> => {
      const call = session.request(headersOf(exportPaths[Signal.traces]));
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(request.length, 1);
      call.end(Buffer.concat([prefix, request]));
      call.resume();
      return statusOf(call);
    };
    const greedy = Array.from({ length: 40 }, () => send(sessions[0]!));
    while (memory.refusals < 40 - 14) await new Promise(setImmediate);
    const other = send(sessions[1]!);
    while (memory.bytes < 15 * request.length) await new Promise(setImmediate);
    stall.resolve();
    disk.stall = undefined;
    assert.equal((await other)['grpc-status'], '0');
    const codes = (await Promise.all(greedy)).map(status => status['grpc-status']);
    assert.deepEqual(
      [codes.filter(code => code === '0').length, codes.filter(code => code === '8').length],
      [14, 26],
    );
    for (const session of sessions) session.destroy();
    await listener.stop();
  });

  it('with a bomb over gRPC gets as far as its share', async t => {
    const collector = await open(t, '1MiB');
    const bomb = gzipSync(Buffer.alloc(8 * MIB));
    const call = sessionTo(t, collector).request(
      headersOf(exportPaths[Signal.traces], { 'grpc-encoding': 'gzip' }),
    );
    call.resume();
    const prefix = Buffer.alloc(5);
    prefix[0] = 1;
    prefix.writeUInt32BE(bomb.length, 1);
    call.end(Buffer.concat([prefix, bomb]));
    assert.equal((await statusOf(call))['grpc-status'], '8');
    await becomes(collector, bytes => bytes === 0);
  });

  it('on the stream is stopped when it announces more than its credit, before it has sent it', async t => {
    const collector = await open(t, '64MiB');
    const call = sessionTo(t, collector).request(headersOf(STREAM_PATH));
    call.on('error', () => undefined);
    const hello = encodeHello({
      instanceId: new Uint8Array(16).fill(9),
      resource: new Uint8Array(0),
      nextSequence: 1,
    });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(hello.length, 1);
    call.write(Buffer.concat([prefix, hello]));
    await once(call, 'data'); // The credit: 16 MiB.
    const trailers = once(call, 'trailers');
    call.resume();
    prefix.writeUInt32BE(17 * MIB, 1);
    call.write(Buffer.concat([prefix, Buffer.alloc(KIB)]));
    const [status] = await trailers;
    assert.equal(status['grpc-status'], '3');
    assert.match(decodeURI(status['grpc-message']), /17825792 bytes sent on a credit of 16777216/);
    assert.equal(await held(collector), 0);
  });

  it('on the stream gets RESOURCE_EXHAUSTED for parts of messages that are its share, within its credit', async t => {
    const collector = await open(t, '3MiB');
    const session = sessionTo(t, collector);
    for (let filler = 1; filler <= 5; filler++) {
      beginCall(session, exportPaths[Signal.traces], MIB, KIB);
      await becomes(collector, bytes => bytes === filler * 256 * KIB);
    }
    const status = await statusOf(beginCall(session, STREAM_PATH, MIB, 300 * KIB));
    assert.equal(status['grpc-status'], '8');
    session.destroy();
    await becomes(collector, bytes => bytes === 0);
  });
});
