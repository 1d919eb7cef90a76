// The otlp exporter: bytes pass unchanged, requests are joined, and failures are tried again where OTLP says so.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { Signal, Writer } from 'tricord/otlp';
import { type ExportReport, OfferError, type QueuedBatch } from '../../../collector/component.ts';
import { otlpExporter } from '../../../collector/exporters/otlp/otlp-exporter.ts';
import type { ComponentContext } from '../../../collector/factory.ts';
import { Log } from '../../../collector/log.ts';
import { grpcStatus } from '../../../collector/receivers/grpc-status.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { exportPaths } from '../../../collector/signals.ts';
import { logsRequest, traceRequest } from '../requests.ts';
import { startCollector } from '../running-collector.ts';

interface Answer {
  readonly code?: number;
  readonly details?: string;
  readonly metadata?: Metadata;
  readonly response?: Uint8Array;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** A gRPC receiver that answers as it is told, one answer for each call, and with success after the last. */
class Receiver {
  readonly calls: { readonly signal: Signal; readonly request: Buffer; readonly metadata: Metadata }[] = [];
  readonly answers: Answer[] = [];
  port = 0;
  readonly #server = new Server();

  async start(): Promise<this> {
    for (const signal of [Signal.traces, Signal.metrics, Signal.logs]) {
      const method = { path: exportPaths[signal], requestStream: false, responseStream: false };
      const codecs = {
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      };
      this.#server.addService(
        { Export: { ...method, ...codecs } },
        {
          Export: (
            call: ServerUnaryCall<Buffer, Buffer>,
            done: (error: object | null, value?: Buffer) => void,
          ) => {
            this.calls.push({ signal, request: call.request, metadata: call.metadata });
            const { code, response, ...rest } = this.answers.shift() ?? {};
            if (code === undefined) done(null, Buffer.from(response ?? []));
            else done({ code, ...rest });
          },
        },
      );
    }
    this.port = await new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

let position = 0n;
function queued(signal: Signal, payload: Uint8Array): QueuedBatch {
  return { signal, payload, items: 1, position: ++position, receivedAt: Date.now() };
}

const telemetry = new SelfTelemetry();
const context: ComponentContext = { id: 'otlp', dataDir: '', log: new Log(() => undefined), telemetry };

describe('the otlp exporter', () => {
  const open: { stop(): unknown }[] = [];
  after(async () => {
    for (const each of open) await each.stop();
  });

  const connected = async (settings: Record<string, unknown> = {}) => {
    const receiver = await new Receiver().start();
    const parsed = otlpExporter.schema.parse({ endpoint: `http://127.0.0.1:${receiver.port}`, ...settings });
    const exporter = await otlpExporter.create(parsed, context);
    open.push(exporter, receiver);
    return { receiver, exporter };
  };

  it('joins batches of one signal into one request, with the headers', async () => {
    const { receiver, exporter } = await connected({ headers: { 'X-Tenant': 'acme' } });
    const [a, b, c] = [traceRequest(['a']), logsRequest(['b']), traceRequest(['c'])];
    await exporter.export([queued(Signal.traces, a), queued(Signal.logs, b), queued(Signal.traces, c)]);
    const requests = new Map(receiver.calls.map(({ signal, request }) => [signal, request]));
    assert.equal(receiver.calls.length, 2);
    assert.deepEqual(requests.get(Signal.traces), Buffer.concat([a, c]));
    assert.deepEqual(requests.get(Signal.logs), b);
    assert.deepEqual(receiver.calls[0]!.metadata.get('x-tenant'), ['acme']);
  });

  it('compresses when asked', async () => {
    const { receiver, exporter } = await connected({ compression: 'gzip' });
    const request = traceRequest(Array.from({ length: 100 }, (_, i) => `span ${i}`));
    await exporter.export([queued(Signal.traces, request)]);
    assert.deepEqual(receiver.calls[0]!.request, request);
    assert.deepEqual(receiver.calls[0]!.metadata.get('grpc-encoding'), []);
  });

  const retryable = [1, 4, 10, 11, 14, 15];
  for (let code = 1; code <= 16; code++) {
    const expected = retryable.includes(code);
    it(`holds ${status[code]} for ${expected ? 'passing' : 'lasting'}`, async () => {
      const { receiver, exporter } = await connected();
      receiver.answers.push({ code, details: 'no' });
      await assert.rejects(
        exporter.export([queued(Signal.traces, traceRequest(['x']))]),
        (error: unknown) => error instanceof OfferError && error.retryable === expected,
      );
    });
  }

  it('waits as long as RetryInfo says, and holds RESOURCE_EXHAUSTED with it for passing', async () => {
    const { receiver, exporter } = await connected();
    const metadata = new Metadata();
    metadata.set(
      'grpc-status-details-bin',
      Buffer.from(grpcStatus(new OfferError('slow down', true, 4200)).details!),
    );
    receiver.answers.push({ code: status.RESOURCE_EXHAUSTED, details: 'slow down', metadata });
    await assert.rejects(
      exporter.export([queued(Signal.traces, traceRequest(['x']))]),
      (error: unknown) => error instanceof OfferError && error.retryable && error.retryAfterMs === 4200,
    );
  });

  it('tells what has arrived though the call failed for others', async () => {
    const { receiver, exporter } = await connected();
    const batches = [queued(Signal.traces, traceRequest(['x'])), queued(Signal.logs, logsRequest(['y']))];
    receiver.answers.push({}, { code: status.UNAVAILABLE });
    const delivered: QueuedBatch[] = [];
    const report: ExportReport = {
      delivered: batch => delivered.push(batch),
      lost: () => assert.fail('nothing was lost'),
    };
    await assert.rejects(exporter.export(batches, report));
    assert.deepEqual(delivered, [batches.find(({ signal }) => signal === receiver.calls[0]!.signal)]);
  });

  it('counts what a partial success left out, and does not send it again', async () => {
    const { receiver, exporter } = await connected();
    const writer = new Writer(new Uint8Array(64));
    const partial = writer.message(1);
    writer.uint(1, 7);
    writer.string(2, 'too old');
    writer.close(partial);
    receiver.answers.push({ response: writer.bytes.subarray(0, writer.pos) });
    await exporter.export([queued(Signal.traces, traceRequest(['x']))]);
    assert.equal(receiver.calls.length, 1);
    assert.match(telemetry.render(), /tricord_exporter_partially_rejected_spans_total\{exporter="otlp"\} 7/);
  });

  it('is lasting in no way when nobody listens', async () => {
    const { receiver, exporter } = await connected({ timeout: '1s' });
    receiver.stop();
    await assert.rejects(
      exporter.export([queued(Signal.traces, traceRequest(['x']))]),
      (error: unknown) => error instanceof OfferError && error.retryable,
    );
  });

  it('carries batches from one collector to the next, byte for byte', async () => {
    const next = await startCollector();
    const first = await startCollector(`
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters: { otlp: { endpoint: "http://${next.endpoints['otlp.grpc']}" } }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines: { traces: { receivers: [otlp], exporters: [otlp] } }
`);
    const request = traceRequest(['through']);
    await fetch(`http://${first.endpoints['otlp.http']}/v1/traces`, {
      method: 'POST',
      body: request,
      headers: { 'content-type': 'application/x-protobuf' },
    });
    const [batch] = await next.capture.count(1);
    assert.deepEqual(Buffer.from(batch!.payload), request);
    await first.stop();
    await next.stop();
  });
});
