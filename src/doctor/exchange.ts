// Speaks with a collector as the agent would: the stream, plain OTLP/gRPC, OTLP/HTTP, and one span that can be told from others.
import { randomBytes } from 'node:crypto';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { processClock } from '../context/clock.ts';
import { TracerProvider } from '../trace/tracer-provider.ts';
import { GRPC_PREFIX_BYTES, GrpcConnection, prefixMessage } from '../transport/grpc.ts';
import { GrpcCode, type GrpcStatus } from '../transport/grpc-status.ts';
import { HEADROOM_BYTES } from '../transport/ledger.ts';
import { Signal } from '../transport/otlp/record.ts';
import type { ExportOutcome } from '../transport/otlp/response.ts';
import { encodeHello, INSTANCE_ID_BYTES, STREAM_PATH } from '../transport/otlp/stream-frame.ts';
import { OtlpGrpcExporter } from '../transport/otlp-grpc.ts';
import { OtlpHttpExporter } from '../transport/otlp-http.ts';
import { Transport, type TransportOptions } from '../transport/transport.ts';

/** All that the agent's transport takes. */
export type Destination = TransportOptions;

/** What a stream's beginning was answered: how long that took, or how the call ended. */
export type StreamAnswer = { readonly ms: number } | { readonly status: GrpcStatus };

/** Says hello on the stream. */
export function askForStream(destination: Destination): Promise<StreamAnswer> {
  const { promise, resolve } = Promise.withResolvers<StreamAnswer>();
  const connection = new GrpcConnection(destination, status => resolve({ status }));
  const began = performance.now();
  const call = connection.call(STREAM_PATH, {
    message: () => resolve({ ms: performance.now() - began }),
    drain: () => {},
    end: status => resolve({ status }),
  });
  const { resource, timeoutMs } = destination;
  const hello = encodeHello({ instanceId: randomBytes(INSTANCE_ID_BYTES), resource, nextSequence: 1 });
  const framed = new Uint8Array(GRPC_PREFIX_BYTES + hello.length);
  framed.set(hello, GRPC_PREFIX_BYTES);
  prefixMessage(framed, GRPC_PREFIX_BYTES);
  call.write(framed);
  const message = `no answer within ${timeoutMs} ms`;
  const timer = setTimeout(
    () => resolve({ status: { code: GrpcCode.deadlineExceeded, message } }),
    timeoutMs,
  );
  return promise.finally(() => {
    clearTimeout(timer);
    connection.destroy();
  });
}

/** Exports nothing, over OTLP/gRPC or OTLP/HTTP as the destination's protocol says. */
export async function exportNothing(
  destination: Destination,
): Promise<ExportOutcome & { readonly ms: number }> {
  const exporter =
    destination.protocol === 'grpc' ? new OtlpGrpcExporter(destination) : new OtlpHttpExporter(destination);
  // Nothing of an export keeps a process alive, so the doctor waits by itself.
  const alive = setInterval(() => {}, 1000);
  const began = performance.now();
  try {
    const batch = { signal: Signal.traces, items: 0, buffer: new Uint8Array(HEADROOM_BYTES) };
    const outcome = await exporter.export(batch);
    return { ...outcome, ms: performance.now() - began };
  } finally {
    clearInterval(alive);
    exporter.destroy();
  }
}

export interface Delivery {
  readonly traceId: string;
  readonly delivered: boolean;
  readonly rejected: boolean;
  readonly ms: number;
  readonly failure: string | undefined;
}

/** The test span's name, and the attribute that marks it. */
export const TEST_SPAN = 'tricord doctor';
export const TEST_ATTRIBUTE = 'tricord.doctor';

/** Has one span delivered by the agent's own transport. */
export async function deliverSpan(destination: Destination): Promise<Delivery> {
  const transport = new Transport(destination);
  const { sink } = transport;
  const began = performance.now();
  const span = new TracerProvider({ sink, clock: processClock })
    .getTracer('tricord/doctor')
    .startSpan(TEST_SPAN, { root: true, attributes: { [TEST_ATTRIBUTE]: true } }, ROOT_CONTEXT);
  span.end();
  const flushed = await transport.flush(destination.timeoutMs);
  const ms = performance.now() - began;
  const { signals, lastFailure } = transport.stats();
  await transport.shutdown(0);
  const rejected = signals.traces.rejected > 0;
  const { traceId } = span.spanContext();
  return { traceId, delivered: flushed && !rejected, rejected, ms, failure: lastFailure };
}
