// Workload: a few clients that export requests of one size over OTLP/gRPC, as fast as they are acknowledged.
import { HEADROOM_BYTES, type OutgoingBatch } from '../../src/transport/ledger.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { OtlpGrpcExporter } from '../../src/transport/otlp-grpc.ts';
import { report, settings } from '../parent.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { exportRequest } from './stream-request.ts';

export interface LoadSettings {
  /** `http://host:port`. */
  readonly endpoint: string;
  /** Bytes of one request, about. */
  readonly bytes: number;
  /** Clients, each with a connection, and calls that each has under way. */
  readonly clients: number;
  readonly calls: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const TIMEOUT_MS = 30_000;

const { endpoint, bytes, clients, calls, warmUpSeconds, seconds } = settings<LoadSettings>();
const request = exportRequest(bytes);
const buffer = new Uint8Array(HEADROOM_BYTES + request.bytes.length);
buffer.set(request.bytes, HEADROOM_BYTES);
const batch: OutgoingBatch = { signal: Signal.traces, items: request.items, buffer };
const exporters = Array.from(
  { length: clients },
  () => new OtlpGrpcExporter({ endpoint, headers: {}, timeoutMs: TIMEOUT_MS }),
);
/** The agent's connections do not keep a process alive. */
const alive = setInterval(() => {}, TIMEOUT_MS);
let sent = 0;

/** @throws Error unless all of it is taken, at once */
async function acknowledged(): Promise<void> {
  const outcome = await exporters[sent++ % clients]!.export(batch);
  if (outcome.kind !== 'delivered') throw new Error(outcome.reason);
  if (outcome.rejected > 0) throw new Error(`${outcome.rejected} spans were rejected: ${outcome.reason}`);
}

const acknowledgements = new Acknowledgements(request);
await acknowledgements.during(warmUpSeconds * 1000, clients * calls, acknowledged);
acknowledgements.restart();
await acknowledgements.during(seconds * 1000, clients * calls, acknowledged);
for (const exporter of exporters) exporter.destroy();
clearInterval(alive);
report({ ...acknowledgements.figures(), sent: sent * request.items });
