// The exit matrix: each ending in two ways, with the agent and without, what arrived, and whether anybody could tell.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type DecodedNumberPoint, decodeMetrics, Signal } from 'tricord/otlp';
import { acknowledge, TestCollector } from '../../transport/test-collector.ts';
import { type Ending, groups } from './endings.ts';
import { type Ended, run, type Seen, type Way } from './run.ts';

const way = (module: Way['module'], flag: Way['flag'], thread: boolean): Way => ({ module, flag, thread });
/** Each combination in turns, the opposite of each with it. */
const pairs: readonly (readonly [Way, Way])[] = [
  [way('commonjs', '--require', true), way('module', '--import', false)],
  [way('module', '--import', true), way('commonjs', '--require', false)],
  [way('commonjs', '--import', true), way('module', '--require', false)],
  [way('module', '--require', true), way('commonjs', '--import', false)],
];
const pairOf = (turn: number): readonly [Way, Way] => pairs[turn % pairs.length]!;

/** Items of each kind. */
export interface Items {
  readonly spans: number;
  readonly records: number;
  readonly points: number;
}

/** One ending in one way. */
export interface Cell {
  readonly way: Way;
  readonly seen: Seen;
  /** What is counted, and how much of it has arrived. */
  readonly due: Items;
  readonly arrived: Items;
  /** Milliseconds that the agent added to the end. */
  readonly addedMs: number;
}

export interface Row {
  readonly ending: Ending;
  readonly cells: readonly Cell[];
}

/** One ending in one way where the collector does not do what it should. */
export interface TroubledRow {
  readonly ending: Ending;
  readonly cells: Readonly<Record<Trouble, Cell>>;
}

export interface Matrix {
  readonly groups: readonly { readonly title: string; readonly rows: readonly Row[] }[];
  readonly troubled: readonly TroubledRow[];
}

type Trouble = 'slow' | 'silent' | 'away';

export interface Planned {
  readonly ending: Ending;
  readonly ways: readonly Way[];
}

/** Each ending with the transport thread and without. */
export const plan: readonly { readonly title: string; readonly rows: readonly Planned[] }[] = groups.map(
  ({ title, endings }, turn) => ({
    title,
    rows: endings.map((ending, i) => {
      const ways = pairOf(turn + i).map(way => (ending.only ? { ...way, module: ending.only } : way));
      return { ending, ways };
    }),
  }),
);

/** What is run against collectors in trouble: the commonest endings, in all ways between them. */
export const troubled: readonly { readonly ending: Ending; readonly way: Way }[] = [
  'nothing left to do',
  '`process.exit(3)` in the middle of work',
  'SIGTERM, and nobody listens',
  'SIGTERM, and a listener that works asynchronously before `process.exit(0)`',
  'an exception while loading',
  'an unhandled rejection, `--unhandled-rejections=throw`',
  'a thread throws, and nobody listens for it',
  'a forked child has nothing left to do',
].map((name, turn) => {
  const ending = groups.flatMap(({ endings }) => endings).find(ending => ending.name === name);
  assert.ok(ending, name);
  return { ending, way: pairOf(turn)[turn % 8 < 4 ? 0 : 1] };
});

/** Far longer than anything here takes: only what was delivered, or cannot be, ends these waits. */
const LONG_MS = '60000';
const SLOW_MS = 200;
const SILENT_FLUSH_MS = '200';

const itemsOf = (count: number): Items => ({ spans: count, records: 2 * count, points: count });

/** What the collector has, each item once. */
function arrivedAt(collector: TestCollector): Items {
  const counted = (signal: number): number =>
    collector.taken.reduce((sum, batch) => sum + (batch.signal === signal ? batch.itemCount : 0), 0);
  const points = new Map<string, number>();
  for (const { hello, batches } of collector.calls) {
    const instance = Buffer.from(hello.instanceId).toString('hex');
    for (const { signal, payload } of batches) {
      if (signal !== Signal.metrics) continue;
      decodeMetrics(payload, {
        metric: ({ name, data }) => {
          if (name === 'work' && data?.type === 'sum')
            points.set(instance, Number((data.points[0] as DecodedNumberPoint).value));
        },
      });
    }
  }
  const sum = [...points.values()].reduce((all, value) => all + value, 0);
  return { spans: counted(Signal.traces), records: counted(Signal.logs), points: sum };
}

const includes = (all: Items, part: Items): boolean =>
  all.spans >= part.spans && all.records >= part.records && all.points >= part.points;

function agentEnv(way: Way, url: string, changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_SERVICE_NAME: 'exits',
    OTEL_METRIC_EXPORT_INTERVAL: LONG_MS,
    TRICORD_TRACES_LINGER: LONG_MS,
    TRICORD_LOGS_LINGER: LONG_MS,
    TRICORD_FLUSH_TIMEOUT: LONG_MS,
    TRICORD_TRANSPORT_THREAD: way.thread ? 'on' : 'off',
    ...changes,
  };
}

/** What the agent says of a collector that it cannot reach, or that does not take everything. */
const OF_THE_COLLECTOR = /^tricord: the collector at .*\n/gm;

/**
 * The process, and the same without the agent; fails when anybody could tell one from the other.
 * @param told what the agent may say beside
 */
async function compared(
  ending: Ending,
  way: Way,
  env: NodeJS.ProcessEnv,
  goOn: () => Promise<void> = async () => {},
  told?: RegExp,
): Promise<{ seen: Seen; addedMs: number }> {
  const { tookMs, ...ended }: Ended = await run(ending, way, env, goOn);
  const seen = told === undefined ? ended : { ...ended, stderr: ended.stderr.replaceAll(told, '') };
  const { tookMs: alone, ...plain }: Ended = await run(ending, way, undefined, async () => {});
  if (ending.stderr === undefined) assert.deepEqual(seen, plain);
  else {
    assert.deepEqual({ ...seen, stderr: '' }, { ...plain, stderr: '' });
    for (const { stderr } of [seen, plain]) assert.match(stderr, ending.stderr);
  }
  return { seen, addedMs: tookMs - alone };
}

/** One ending in one way, with the collector there. */
async function cell(ending: Ending, way: Way): Promise<Cell> {
  const { promised = 'all', made, inThread = 0, flushMs } = ending;
  const collector = await TestCollector.start();
  try {
    const sent = itemsOf(made / 2);
    const quickly = {
      OTEL_METRIC_EXPORT_INTERVAL: '50',
      TRICORD_TRACES_LINGER: '50',
      TRICORD_LOGS_LINGER: '50',
    };
    const bound = flushMs === undefined ? {} : { TRICORD_FLUSH_TIMEOUT: String(flushMs) };
    const env = agentEnv(way, collector.url, promised === 'what was sent' ? quickly : bound);
    const goOn =
      promised === 'what was sent' ? () => collector.until(it => includes(arrivedAt(it), sent)) : undefined;
    const outcome = await compared(ending, way, env, goOn);
    const all = itemsOf(made);
    const arrived = arrivedAt(collector);
    if (promised === 'what was sent') {
      assert.ok(includes(arrived, sent) && includes(all, arrived), JSON.stringify(arrived));
      return { way, due: sent, arrived, ...outcome };
    }
    const expected = way.thread ? all : { ...itemsOf(made - inThread), points: made };
    assert.deepEqual(arrived, expected);
    return { way, due: all, arrived, ...outcome };
  } finally {
    collector.stop();
  }
}

export async function matrixRow({ ending, ways }: Planned): Promise<Row> {
  const cells: Cell[] = [];
  for (const way of ways) cells.push(await cell(ending, way));
  return { ending, cells };
}

/** A collector that takes its time. */
async function slowCell(ending: Ending, way: Way): Promise<Cell> {
  const collector = await TestCollector.start({
    onBatch: (call, batch, it) => void setTimeout(() => acknowledge(call, batch, it), SLOW_MS),
  });
  try {
    const outcome = await compared(ending, way, agentEnv(way, collector.url));
    const due = itemsOf(ending.made);
    const arrived = arrivedAt(collector);
    assert.deepEqual(arrived, due);
    return { way, due, arrived, ...outcome };
  } finally {
    collector.stop();
  }
}

/** A collector that takes connections and says nothing, or that is not there. */
async function deafCell(ending: Ending, way: Way, trouble: 'silent' | 'away'): Promise<Cell> {
  const server = createServer(socket => socket.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  if (trouble === 'away') await new Promise(closed => server.close(closed));
  try {
    const bound = trouble === 'silent' ? { TRICORD_FLUSH_TIMEOUT: SILENT_FLUSH_MS } : {};
    const env = agentEnv(way, `http://127.0.0.1:${port}`, bound);
    const outcome = await compared(ending, way, env, undefined, OF_THE_COLLECTOR);
    return { way, due: itemsOf(ending.made), arrived: itemsOf(0), ...outcome };
  } finally {
    server.close();
  }
}

export async function troubledRow({ ending, way }: (typeof troubled)[number]): Promise<TroubledRow> {
  const slow = await slowCell(ending, way);
  const silent = await deafCell(ending, way, 'silent');
  const away = await deafCell(ending, way, 'away');
  return { ending, cells: { slow, silent, away } };
}
