// OTLP over gRPC: the statuses, and the stock OpenTelemetry exporters as clients.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { readRetryDelayMs, Signal } from 'tricord/otlp';
import { OfferError } from '../../../collector/component.ts';
import { grpcStatus } from '../../../collector/receivers/grpc-status.ts';
import { REQUEST_BYTES_MAX } from '../../../collector/receivers/refusal.ts';
import { exportPaths } from '../../../collector/signals.ts';
import { logsRequest, traceRequest } from '../requests.ts';
import { startCollector, type TestCollector } from '../running-collector.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const GZIP = 2;

function client(address: string, options: Record<string, number> = {}): Client {
  return new Client(address, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
}

/** Resolves with the response or the error. */
function call(to: Client, path: string, request: Buffer): Promise<Buffer | ServiceError> {
  const { promise, resolve } = Promise.withResolvers<Buffer | ServiceError>();
  to.makeUnaryRequest(
    path,
    asIs,
    asIs,
    request,
    new Metadata(),
    { deadline: Date.now() + 15_000 },
    (error, response) => resolve(error ?? response!),
  );
  return promise;
}

const MIB = 1024 * 1024;

describe('OTLP/gRPC', () => {
  let collector: TestCollector;
  let plain: Client;
  before(async () => {
    collector = await startCollector();
    plain = client(collector.endpoints['otlp.grpc']!);
  });
  after(async () => {
    plain.close();
    await collector.stop();
  });

  it('lets clients send 4 MiB ahead on a call, and 8 on the connection', async t => {
    const session = connect(`http://${collector.endpoints['otlp.grpc']}`);
    t.after(() => session.destroy());
    const headers = { ':method': 'POST', ':path': '/nobody/Knows', 'content-type': 'application/grpc' };
    const call = session.request(headers);
    await once(session, 'remoteSettings');
    assert.equal(session.remoteSettings.initialWindowSize, 4 * MIB);
    await once(call.end().resume(), 'close');
    assert.equal(session.state.remoteWindowSize, 8 * MIB);
  });

  it('takes each signal as it is, and answers with an empty message', async () => {
    const before = collector.capture.batches.length;
    const request = traceRequest(['a', 'b', 'c']);
    assert.deepEqual(await call(plain, exportPaths[Signal.traces], request), Buffer.alloc(0));
    assert.deepEqual(await call(plain, exportPaths[Signal.logs], logsRequest(['x'])), Buffer.alloc(0));
    assert.deepEqual(await call(plain, exportPaths[Signal.metrics], Buffer.alloc(0)), Buffer.alloc(0));
    const [traces, logs, metrics] = (await collector.capture.count(before + 3)).slice(before);
    assert.deepEqual(Buffer.from(traces!.payload), request);
    assert.deepEqual(
      [traces, logs, metrics].map(batch => [batch!.signal, batch!.items]),
      [
        [1, 3],
        [3, 1],
        [2, 0],
      ],
    );
    const accepted = 'otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"}';
    assert.equal(await collector.metric(accepted), 3);
  });

  it('takes gzip', async () => {
    const before = collector.capture.batches.length;
    const zipped = client(collector.endpoints['otlp.grpc']!, { 'grpc.default_compression_algorithm': GZIP });
    const request = traceRequest(['zipped']);
    assert.deepEqual(await call(zipped, exportPaths[Signal.traces], request), Buffer.alloc(0));
    assert.deepEqual(Buffer.from((await collector.capture.count(before + 1)).at(-1)!.payload), request);
    zipped.close();
  });

  it('answers INVALID_ARGUMENT and the place for what is malformed', async () => {
    const error = await call(plain, exportPaths[Signal.traces], traceRequest(['x']).subarray(0, -3));
    assert.ok(error instanceof Error);
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.match(error.details, /resource_spans/);
    assert.equal(error.metadata.get('grpc-status-details-bin').length, 1);
  });

  it('answers RESOURCE_EXHAUSTED to the first size that is too large, packed or not', async () => {
    const tooLarge = Buffer.alloc(REQUEST_BYTES_MAX + 1);
    const zipped = client(collector.endpoints['otlp.grpc']!, { 'grpc.default_compression_algorithm': GZIP });
    for (const sender of [plain, zipped]) {
      const error = await call(sender, exportPaths[Signal.traces], tooLarge);
      assert.ok(error instanceof Error);
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    }
    zipped.close();
    assert.ok(
      (await call(plain, exportPaths[Signal.traces], traceRequest(['still here']))) instanceof Buffer,
    );
  });

  it('answers UNIMPLEMENTED to an unknown service', async () => {
    const error = await call(
      plain,
      '/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export',
      Buffer.alloc(0),
    );
    assert.equal((error as ServiceError).code, status.UNIMPLEMENTED);
  });

  const exporters: readonly (readonly [string, () => SpanExporter])[] = [
    ['gRPC', () => new GrpcExporter({ url: `http://${collector.endpoints['otlp.grpc']}` })],
    [
      'HTTP with protobuf',
      () => new ProtobufExporter({ url: `http://${collector.endpoints['otlp.http']}/v1/traces` }),
    ],
    [
      'HTTP with JSON and gzip',
      () =>
        new JsonExporter({
          url: `http://${collector.endpoints['otlp.http']}/v1/traces`,
          compression: CompressionAlgorithm.GZIP,
        }),
    ],
  ];
  for (const [name, exporter] of exporters) {
    it(`takes spans from the stock OpenTelemetry exporter over ${name}`, async () => {
      const before = collector.capture.batches.length;
      const provider = new TracerProvider({
        spanProcessors: [new BatchSpanProcessor({ exporter: exporter() })],
      });
      const span = provider
        .getTracer('test')
        .startSpan(`stock ${name}`, { attributes: { n: 1.5, list: ['a', 'b'] } });
      span.addEvent('event');
      span.end();
      await provider.forceFlush();
      const batch = (await collector.capture.count(before + 1)).at(-1)!;
      assert.equal(batch.items, 1);
      assert.ok(Buffer.from(batch.payload).includes(`stock ${name}`));
      await provider.shutdown();
    });
  }
});

describe('the status of a refused offer', () => {
  it('is UNAVAILABLE with a RetryInfo when it may be tried again, INVALID_ARGUMENT when not', () => {
    const refused = grpcStatus(new OfferError('full', true, 1500));
    assert.deepEqual([refused.code, refused.message], [status.UNAVAILABLE, 'full']);
    assert.equal(readRetryDelayMs(refused.details!), 1500);
    assert.equal(grpcStatus(new OfferError('never', false)).code, status.INVALID_ARGUMENT);
  });

  it('tells nothing of an internal failure', () => {
    const internal = grpcStatus(new Error('secret path'));
    assert.deepEqual([internal.code, internal.message], [status.INTERNAL, 'internal error']);
  });
});
