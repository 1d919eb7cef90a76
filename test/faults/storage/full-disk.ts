// A real collector on a real disk that has no more room: a small tmpfs that fills up, or a limit on the size of a file.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { promise } from '../../collector/queue/breach.ts';
import type { Collector } from '../../end-to-end/stack.ts';
import { type Part, type Tally, Unavailable } from './part.ts';
import {
  metric,
  promiseAnswers,
  promiseSoon,
  type RealCollectorOptions,
  startCollector,
} from './real-collector.ts';
import { promiseStored, Senders } from './senders.ts';
import { SmallDisk } from './small-disk.ts';

const diskMebibytes = 16;
/** What is left holds a segment or two. */
const ballastMebibytes = 13;
const senderCount = 8;
const spanBytes = 16 * 1024;
/** So often are all of them told to come again before there is room. */
const refusalRounds = 5;
/** Less than a segment. */
const fileBytesMax = 256 * 1024;

/** The queue believes that it may have more than there is. */
const queueSettings = ['service.queue.max_size=64MiB', 'service.queue.segment_size=1MiB'];
/** Nothing goes from the queue by itself. */
const lateFlush = 'exporters.store.flush.interval=1h';

/** What a shortage has started, and ends. */
interface Stage {
  readonly directory: string;
  start(options: Omit<RealCollectorOptions, 'plant'>): Promise<Collector>;
  disk(): Promise<SmallDisk>;
}

/** Each resolves with the items that were looked for. */
const shortages: readonly ((stage: Stage) => Promise<number>)[] = [othersTakeRoom, exporterAway, fileLimit];

export const part: Part = {
  processesOnly: true,
  async open(directory, _seed, plant) {
    const tryAt = async (point: number): Promise<Tally> => {
      await using ending = new AsyncDisposableStack();
      const items = await shortages[point]!({
        directory,
        start: async options => {
          const collector = await startCollector({ ...options, plant });
          ending.defer(() => kill(collector));
          return collector;
        },
        disk: async () => {
          const disk = await SmallDisk.mount(join(directory, `disk-${point}`), diskMebibytes);
          ending.defer(() => disk.unmount());
          return disk;
        },
      });
      return { faults: 1, restarts: 1, items };
    };
    return { count: shortages.length, least: shortages.length, tryAt, timeoutMs: 120_000 };
  },
};

/** A file of somebody else's fills the disk, and is deleted. */
async function othersTakeRoom(stage: Stage): Promise<number> {
  const disk = await stage.disk();
  const settings = [...queueSettings, lateFlush, `exporters.store.path=${join(stage.directory, 'store')}`];
  const options = { dataDir: join(disk.path, 'data'), through: disk.through, settings };
  const collector = await stage.start(options);
  const senders = new Senders(collector.endpoints.http, senderCount, spanBytes);
  await refused(collector, senders, () => disk.occupy(ballastMebibytes));
  await taken(collector, senders, () => disk.giveBack());
  return await restarted(stage, options, collector, senders);
}

/** The only exporter has nobody to deliver to, so that the queue itself fills the disk; then it catches up. */
async function exporterAway(stage: Stage): Promise<number> {
  const disk = await stage.disk();
  const there = { dataDir: join(stage.directory, 'destination') };
  const before = await stage.start(there);
  await kill(before);
  const file = join(stage.directory, 'forwarding.yaml');
  await writeFile(file, forwardingTo(before.endpoints.grpc));
  const options = {
    dataDir: join(disk.path, 'data'),
    through: disk.through,
    files: [file],
    settings: queueSettings,
  };
  const collector = await stage.start(options);
  const senders = new Senders(collector.endpoints.http, senderCount, spanBytes);
  await refused(collector, senders, async () => undefined);
  const destination = Promise.withResolvers<Collector>();
  await taken(collector, senders, async () =>
    destination.resolve(await stage.start({ ...there, at: before.endpoints })),
  );
  await senders.stop();
  return await promiseStored(senders, await destination.promise);
}

const forwardingTo = (grpc: string): string => `
receivers:
  otlp:
    protocols: { grpc: {}, http: {} }
exporters:
  otlp:
    endpoint: http://${grpc}
    retry_on_failure: { initial_interval: 100ms, max_interval: 500ms }
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [otlp] }
`;

/** The process may not write a file to its end: EFBIG. A new segment is another file, so that it goes on all the same. */
async function fileLimit(stage: Stage): Promise<number> {
  const options = { dataDir: join(stage.directory, 'limited'), settings: [...queueSettings, lateFlush] };
  const collector = await stage.start(options);
  const senders = new Senders(collector.endpoints.http, senderCount, spanBytes);
  await promiseSoon('nothing is taken', () => senders.acknowledged.length > senderCount);
  await limitFiles(collector, `${fileBytesMax}`);
  await promiseSoon('no file was too large', () => hasDiskErrors(collector));
  await taken(collector, senders, async () => undefined);
  await limitFiles(collector, 'unlimited');
  return await restarted(stage, options, collector, senders);
}

async function limitFiles({ child }: Collector, bytes: string): Promise<void> {
  await promisify(execFile)('prlimit', ['--pid', `${child.process.pid}`, `--fsize=${bytes}:`]).catch(
    error => {
      throw new Unavailable(`prlimit does not run here: ${(error as Error).message}`);
    },
  );
}

/** Takes the room away, under load, until everybody was told to come again. */
async function refused(collector: Collector, senders: Senders, takeRoom: () => Promise<void>): Promise<void> {
  await promiseSoon('nothing is taken', () => senders.acknowledged.length > senderCount);
  await takeRoom();
  await promiseSoon('nobody is refused', () => senders.refusals > senderCount * refusalRounds);
  promise(await hasDiskErrors(collector), 'silent', 'no error of the disk is counted');
  await promiseAnswers(collector);
}

async function hasDiskErrors(collector: Collector): Promise<boolean> {
  return (await metric(collector, 'tricord_queue_disk_errors_total')) > 0;
}

/** Gives room, and waits for more to be taken than was ever under way. */
async function taken(collector: Collector, senders: Senders, giveRoom: () => Promise<void>): Promise<void> {
  const before = senders.acknowledged.length;
  await giveRoom();
  await promiseSoon(
    'nothing is taken any more',
    () => senders.acknowledged.length > before + 4 * senderCount,
  );
  promise(collector.child.running, 'crashed', collector.child.tail());
  await collector.ledger();
}

/** Everything that was acknowledged is there after a start, too. */
async function restarted(
  stage: Stage,
  options: Omit<RealCollectorOptions, 'plant'>,
  collector: Collector,
  senders: Senders,
): Promise<number> {
  await senders.stop();
  await promiseStored(senders, collector);
  await kill(collector);
  return await promiseStored(senders, await stage.start(options));
}

async function kill({ child }: Collector): Promise<void> {
  if (!child.running) return;
  const exit = once(child.process, 'exit');
  child.process.kill('SIGKILL');
  await exit;
}
