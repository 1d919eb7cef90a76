// The contestants of `wal` that receive, keep and forward: our collector, and the OpenTelemetry Collector where it is there.
import type { Arrivals } from './children/counting-receiver.ts';
import type { LoadSettings } from './children/otlp-load.ts';
import { exportRequest } from './children/stream-request.ts';
import type { SenderSettings } from './children/stream-sender.ts';
import { Collector } from './collector.ts';
import { type BenchDisk, withFolder } from './disk.ts';
import { withOtelCollector } from './otel-collector.ts';
import { type Contestant, type Figures, requireDelivered, VoidRun } from './scenario.ts';
import { figuresOf, Workload } from './workload.ts';

const KIB = 1024;
const BYTES = 64 * KIB;
const PHASES = { warmUpSeconds: 1, seconds: 3 } as const;
const CLIENTS = 4;
const CALLS = 8;
const FORWARDED_WITHIN_MS = 60_000;

export const load: string = `${BYTES / KIB} KiB, ${CLIENTS} clients with ${CALLS} calls each`;

export const ours = 'forwarding: tricord, always';
export const oursByStream = 'forwarding: tricord, always, by the stream';
export const theirsSynced = 'forwarding: OpenTelemetry, fsync';
export const theirs = 'forwarding: OpenTelemetry, default';

const request = exportRequest(BYTES);

/** Sends to the endpoint until its time is over; among its figures is `sent`, in spans. */
type Load = (endpoint: string) => Promise<Figures>;

const unary: Load = endpoint => {
  const settings: LoadSettings = { ...PHASES, endpoint, bytes: BYTES, clients: CLIENTS, calls: CALLS };
  return figuresOf({ entry: 'children/otlp-load.ts', settings });
};

const stream: Load = async endpoint => {
  const settings: SenderSettings = { ...PHASES, by: 'stream', endpoint, bytes: BYTES };
  const { sent, mbPerSecond, batchesPerSecond } = await figuresOf({
    entry: 'children/stream-sender.ts',
    settings,
  });
  return { sent: sent!, mbPerSecond: mbPerSecond!, itemsPerSecond: batchesPerSecond! * request.items };
};

/** Runs `use` with a collector that keeps its queue in `folder` and forwards to `receiver`, `host:port`. */
type WithCollector = (
  folder: string,
  receiver: string,
  use: (endpoint: string) => Promise<Figures>,
) => Promise<Figures>;

const tricordConfig = (receiver: string): string => `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:0 }
exporters:
  otlp: { endpoint: "http://${receiver}" }
service:
  web: { endpoint: 127.0.0.1:0 }
  queue: { fsync: always }
  telemetry: { logs: { level: warn } }
  pipelines:
    traces: { receivers: [otlp], exporters: [otlp] }
`;

const tricord: WithCollector = (folder, receiver, use) =>
  Collector.within(folder, tricordConfig(receiver), ({ grpc }) => use(grpc));

const openTelemetry =
  (fsync: boolean): WithCollector =>
  (folder, receiver, use) =>
    withOtelCollector(folder, receiver, fsync, use);

export function forwarders(disk: BenchDisk, withPeer: boolean): Contestant[] {
  const contestant = (name: string, collector: WithCollector, send: Load): Contestant => ({
    name,
    measure: () => withFolder(disk, folder => measure(folder, collector, send)),
  });
  const peers = [
    contestant(theirsSynced, openTelemetry(true), unary),
    contestant(theirs, openTelemetry(false), unary),
  ];
  return [
    contestant(ours, tricord, unary),
    contestant(oursByStream, tricord, stream),
    ...(withPeer ? peers : []),
  ];
}

async function measure(folder: string, collector: WithCollector, send: Load): Promise<Figures> {
  const receiver = new Workload({ entry: 'children/counting-receiver.ts' });
  try {
    const port = await receiver.next<number>('listening');
    const figures = await collector(folder, `127.0.0.1:${port}`, async endpoint => {
      const sending = await send(endpoint);
      const { elapsedMs } = await arrivals(receiver, sending.sent!);
      const sentBytes = (sending.sent! / request.items) * request.bytes.length;
      return { ...sending, forwardedMbPerSecond: sentBytes / 1000 / elapsedMs };
    });
    // Now that the collector has stopped, nothing comes any more: there must be neither less nor more.
    const { spans } = await arrivals(receiver, 0);
    requireDelivered('spans', figures.sent!, spans);
    return figures;
  } finally {
    await receiver.kill();
  }
}

/** Waits until so many have arrived. @throws VoidRun when they do not */
async function arrivals(receiver: Workload, spans: number): Promise<Arrivals> {
  receiver.send('await', spans);
  const late = Promise.withResolvers<never>();
  const giveUp = (): void => late.reject(new VoidRun(`not all of ${spans} spans arrived`));
  const timer = setTimeout(giveUp, FORWARDED_WITHIN_MS);
  try {
    return await Promise.race([receiver.next<Arrivals>('arrived'), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
