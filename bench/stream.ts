// Scenario `stream`: the agent's stream to the collector, beside unary OTLP/gRPC.
import type { SenderName } from './children/stream-clients.ts';
import type { SenderSettings } from './children/stream-sender.ts';
import { Collector } from './collector.ts';
import { type Contestant, type Figures, ratio, requireDelivered, type Scenario } from './scenario.ts';
import { figuresOf } from './workload.ts';

const KIB = 1024;
const sizes = { small: 4 * KIB, large: 180 * KIB } as const;
const senders: readonly SenderName[] = ['stream', 'otlp', 'grpc-js'];

const nameOf = (by: SenderName, bytes: number): string => `${by}, ${bytes / KIB} KiB`;

function contestant(by: SenderName, bytes: number): Contestant {
  const measure = (): Promise<Figures> =>
    Collector.during(async collector => {
      const settings: SenderSettings = { by, endpoint: collector.grpc, bytes, warmUpSeconds: 2, seconds: 4 };
      const figures = await figuresOf({ entry: 'children/stream-sender.ts', settings });
      const arrived = await collector.received('spans');
      requireDelivered('spans', figures.sent!, arrived);
      return { ...figures, arrived };
    });
  return { name: nameOf(by, bytes), measure };
}

const { small, large } = sizes;

export const scenario: Scenario = {
  name: 'stream',
  about:
    'OTLP requests of one size, sent as fast as the collector has them durable: over the agent’s stream, over its client for ' +
    'plain OTLP/gRPC (four calls at a time), and over grpc-js as OpenTelemetry’s exporters use it (thirty calls at a time). ' +
    'The collector checks each request and appends it to its write-ahead log, with fsync, before it answers.',
  contestants: Object.values(sizes).flatMap(bytes => senders.map(by => contestant(by, bytes))),
  columns: [
    { figure: 'batchesPerSecond', heading: 'batches/s', digits: 0 },
    { figure: 'mbPerSecond', heading: 'MB/s', digits: 0 },
    { figure: 'cpuMicros', heading: 'sender, CPU µs/batch', digits: 1 },
    { figure: 'arrived', heading: 'spans arrived', digits: 0 },
  ],
  ratios: [
    ratio(
      'small_batches_to_grpc_js',
      'batchesPerSecond',
      [nameOf('stream', small), nameOf('grpc-js', small)],
      {
        atLeast: 5,
      },
    ),
    ratio('small_batches_to_otlp', 'batchesPerSecond', [nameOf('stream', small), nameOf('otlp', small)], {
      atLeast: 5,
    }),
    ratio('large_bytes_to_grpc_js', 'mbPerSecond', [nameOf('stream', large), nameOf('grpc-js', large)], {
      atLeast: 1.5,
    }),
    ratio('large_bytes_to_otlp', 'mbPerSecond', [nameOf('stream', large), nameOf('otlp', large)], {
      atLeast: 1.5,
    }),
  ],
};
