// Scenario `wal`: what it costs to have a batch on disk before it is acknowledged.
import { benchDisk } from './disk.ts';
import { buildOtelCollector } from './otel-collector.ts';
import { type Ratio, ratio, type Scenario } from './scenario.ts';
import { alone, appenders, blocking, group, nameOf, PRODUCERS, plain, sizes } from './wal-append.ts';
import { forwarders, load, ours, oursByStream, theirs, theirsSynced } from './wal-forward.ts';

const disk = benchDisk();
const noPeer = buildOtelCollector();
process.stderr.write(`wal: writes to ${disk.folder} (${disk.fileSystem})\n`);
if (noPeer !== undefined) process.stderr.write(`wal: without the OpenTelemetry Collector: ${noPeer}\n`);

const about =
  'Batches of spans, appended to the collector’s queue, while one reader takes and settles all of them. One producer offers its next ' +
  'batch when the last one is acknowledged: with `always` that is one write and one fsync for each batch, as in the plain loops, ' +
  `and so like for like. Those append the same bytes to one file, a write and an fdatasync for each: \`${plain}\` has the ` +
  `runtime’s threads make the calls, as the queue does; \`${blocking}\` stands still for each, as no collector could. ` +
  `${PRODUCERS} producers share their fsyncs, as receivers do: group commit, which no loop with one write under way has. ` +
  `Then the whole way: requests over OTLP/gRPC (${load}), or over one agent’s stream, are acknowledged from a queue on disk, ` +
  'and forwarded to a receiver that counts. *Forwarded* is until the last one is there: the rate of a queue, which takes in ' +
  'no more than it lets out but for as long as it has room. *Acknowledged* is that shorter rate: of an agent’s stream, which is how ' +
  'tricord’s agents send, and of the same requests as the other one gets. The OpenTelemetry Collector has `file_storage` under its `sending_queue`, with ' +
  '`fsync: true`, and with its default, which does not sync. ' +
  `The disk is ${disk.fileSystem}.${noPeer === undefined ? '' : ` The OpenTelemetry Collector is left out: ${noPeer}.`}`;

const KIB = 1024;
const LARGE = sizes.filter(bytes => bytes >= 64 * KIB);
const SHARE_PERCENT = 80;

/** MB/s of one contestant in percent of another's, both with batches of one size. */
function share(name: string, bytes: number, what: string, beside: string): Ratio {
  const [upper, lower] = [nameOf(what, bytes), nameOf(beside, bytes)];
  return {
    name: `${name}_${bytes / KIB}_kib`,
    needs: [upper, lower],
    of: round => (100 * round[upper]!.mbPerSecond!) / round[lower]!.mbPerSecond!,
    target: { atLeast: SHARE_PERCENT },
    unit: '%',
  };
}

const peerRatios = [
  ratio('forwarded_to_fsync', 'forwardedMbPerSecond', [ours, theirsSynced], { atLeast: 5 }),
  ratio('forwarded_to_default', 'forwardedMbPerSecond', [ours, theirs], { atLeast: 1 }),
  ratio('acknowledged_by_stream_to_fsync', 'mbPerSecond', [oursByStream, theirsSynced], { atLeast: 5 }),
  ratio('acknowledged_by_stream_to_default', 'mbPerSecond', [oursByStream, theirs], { atLeast: 1 }),
  ratio('acknowledged_to_fsync', 'mbPerSecond', [ours, theirsSynced]),
  ratio('acknowledged_to_default', 'mbPerSecond', [ours, theirs], { atLeast: 1 }),
];

export const scenario: Scenario = {
  name: 'wal',
  about,
  contestants: [...appenders(disk), ...forwarders(disk, noPeer === undefined)],
  columns: [
    { figure: 'mbPerSecond', heading: 'MB/s', digits: 1 },
    { figure: 'itemsPerSecond', heading: 'spans/s', digits: 0 },
    { figure: 'p50Ms', heading: 'acknowledged p50, ms', digits: 2 },
    { figure: 'p99Ms', heading: 'p99, ms', digits: 2 },
    { figure: 'forwardedMbPerSecond', heading: 'forwarded, MB/s', digits: 1 },
  ],
  ratios: [
    ...LARGE.map(bytes => share('one_producer_to_plain', bytes, alone, plain)),
    ...LARGE.map(bytes => share('one_producer_to_blocking', bytes, alone, blocking)),
    ...LARGE.map(bytes => share('group_commit_to_blocking', bytes, group('always'), blocking)),
    ...(noPeer === undefined ? peerRatios : []),
  ],
};
