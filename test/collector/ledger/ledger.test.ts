// The ledger: every accepted item is delivered, filtered, dropped for a reason, or in the queue, over restarts too.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Signal, Writer } from 'tricord/otlp';
import {
  type DropReason,
  dropReasons,
  type Exporter,
  OfferError,
  type Processor,
  type QueuedBatch,
} from '../../../collector/component.ts';
import { RequestExporter, type Sender } from '../../../collector/exporters/otlp/request-exporter.ts';
import { ExporterBook } from '../../../collector/ledger/exporter-book.ts';
import { Ledger, type LedgerRow } from '../../../collector/ledger/ledger.ts';
import { Log } from '../../../collector/log.ts';
import { Inventory, ReaderAccount } from '../../../collector/queue/inventory.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { instance, scratchDirectory } from '../queue/scratch.ts';
import { logsRequest, traceRequest } from '../requests.ts';
import { captureAll, startCollector } from '../running-collector.ts';
import { metricsBatch, nanos, openStore, temporaryDirectory } from '../store/fixtures.ts';
import { balancedLedger } from './balanced-ledger.ts';
import { Rig } from './rig.ts';

const down: Partial<Exporter> = { export: () => Promise.reject(new OfferError('down', true, 0)) };
const refuse: Partial<Exporter> = { export: () => Promise.reject(new OfferError('bad', false)) };

/** Takes so many batches, one at a time, and then nothing more. */
function takes(count: number): Partial<Exporter> & { readonly stuck: Promise<void> } {
  const { promise: stuck, resolve } = Promise.withResolvers<void>();
  let left = count;
  const take = async (): Promise<void> => {
    if (left-- > 0) return;
    resolve();
    throw new OfferError('down', true, 0);
  };
  return { export: take, exportBytesMax: 1, stuck };
}

type Columns = Omit<LedgerRow, 'signal' | 'receiver' | 'exporter' | 'pipelines' | 'gap'>;

const zero: Columns = { recovered: 0, accepted: 0, delivered: 0, filtered: 0, dropped: {}, queued: 0 };

function columns({ recovered, accepted, delivered, filtered, dropped, queued }: LedgerRow): Columns {
  return { recovered, accepted, delivered, filtered, dropped, queued };
}

describe('the ledger', () => {
  it('has a row for each exporter, which stands where that exporter stands', async t => {
    const slow = takes(1);
    const rig = await Rig.open(t, {
      directory: await scratchDirectory(t),
      exporters: { quick: {}, slow, stuck: down },
    });
    rig.start();
    for (const items of [2, 3, 4]) await rig.offer(items);
    await slow.stuck;
    while (rig.row('quick').queued > 0) await new Promise(setImmediate);
    assert.deepEqual(columns(rig.row('quick')), { ...zero, accepted: 9, delivered: 9 });
    assert.deepEqual(columns(rig.row('slow')), { ...zero, accepted: 9, delivered: 2, queued: 7 });
    assert.deepEqual(columns(rig.row('stuck')), { ...zero, accepted: 9, queued: 9 });
  });

  it('counts a resent batch as a duplicate, and a refused one as refused, and neither as accepted', async t => {
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: {} } });
    rig.start();
    const origin = { instance: instance(1), sequence: 1n };
    assert.deepEqual([await rig.offer(5, { origin }), await rig.offer(5, { origin })], ['new', 'known']);
    await assert.rejects(rig.offer(7, { source: 'otlp'.repeat(100) }), OfferError);
    await rig.drain();
    assert.deepEqual(columns(rig.row('x')), { ...zero, accepted: 5, delivered: 5 });
    const [known, refused] = rig.ledger.intake();
    assert.deepEqual([known!.accepted, known!.duplicates, known!.refused], [5, 5, 0]);
    assert.deepEqual([refused!.accepted, refused!.duplicates, refused!.refused], [0, 0, 7]);
  });

  it('counts what processors leave out', async t => {
    const halve: Processor = { needs: 'full', process: batch => ({ ...batch, items: batch.items / 2 }) };
    const none: Processor = { needs: 'full', process: batch => (batch.items === 1 ? null : batch) };
    const rig = await Rig.open(t, {
      directory: await scratchDirectory(t),
      exporters: { x: {} },
      processors: [halve, none],
    });
    rig.start();
    await rig.offer(10);
    await rig.offer(2);
    await rig.drain();
    assert.deepEqual(columns(rig.row('x')), { ...zero, accepted: 12, delivered: 5, filtered: 7 });
  });

  it('owes items once for each way to an exporter, and to nobody else', async () => {
    const collector = await startCollector(`
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters: { capture: {}, capture/other: {} }
connectors: { forward: {} }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces/a: { receivers: [otlp], exporters: [capture, forward] }
    traces/b: { receivers: [forward], exporters: [capture] }
    logs: { receivers: [otlp], exporters: [capture/other] }
`);
    await post(collector.endpoints['otlp.http']!, '/v1/traces', traceRequest(['a', 'b']));
    await collector.capture.count(2);
    const { rows } = await collector.ledger();
    assert.deepEqual(
      rows.map(row => [row.signal, row.exporter, row.pipelines.join('>'), row.accepted, row.delivered]),
      [
        ['traces', 'capture', 'traces/a', 2, 2],
        ['traces', 'capture', 'traces/a>traces/b', 2, 2],
        ['logs', 'capture/other', 'logs', 0, 0],
      ],
    );
    await collector.stop();
  });
});

describe('the ledger over a restart', () => {
  it('opens with what each exporter had not settled, to the item', async t => {
    const directory = await scratchDirectory(t);
    const exporters = { quick: takes(9), slow: takes(2), stuck: down };
    const first = await Rig.open(t, { directory, exporters });
    for (const items of [1, 2, 4, 8]) await first.offer(items);
    first.start();
    await exporters.slow.stuck;
    while (first.row('quick').queued > 0) await new Promise(setImmediate);
    await first.close();
    const second = await Rig.open(t, { directory, exporters: { quick: {}, slow: {}, stuck: {} } });
    second.start();
    await second.offer(16);
    await second.drain();
    const all = { ...zero, accepted: 16 };
    assert.deepEqual(columns(second.row('quick')), { ...all, delivered: 16 });
    assert.deepEqual(columns(second.row('slow')), { ...all, recovered: 12, delivered: 28 });
    assert.deepEqual(columns(second.row('stuck')), { ...all, recovered: 15, delivered: 31 });
  });

  it('opens where a settlement says, before or behind the cursor', async t => {
    const directory = await scratchDirectory(t);
    const seen: QueuedBatch[] = [];
    const first = await Rig.open(t, {
      directory,
      exporters: { x: { export: async batches => void seen.push(...batches) }, other: down },
    });
    for (const items of [1, 2, 4, 8]) await first.offer(items);
    first.start();
    while (first.row('x').queued > 0) await new Promise(setImmediate);
    await first.close();
    const settlement = { start: seen[1]!.position, onSettled: () => undefined };
    const second = await Rig.open(t, { directory, exporters: { x: { settlement }, other: { settlement } } });
    second.start();
    await second.drain();
    assert.deepEqual(columns(second.row('x')), { ...zero, recovered: 12, delivered: 12 });
    assert.deepEqual(columns(second.row('other')), { ...zero, recovered: 12, delivered: 12 });
  });

  it('does not count as found what a crash has damaged, and says that there is damage', async t => {
    const directory = await scratchDirectory(t);
    const first = await Rig.open(t, { directory, exporters: { x: down } });
    for (const items of [1, 2, 4]) await first.offer(items);
    await first.close();
    await flip(directory, 'span 1', 0);
    const second = await Rig.open(t, { directory, exporters: { x: {} } });
    second.start();
    await second.drain();
    assert.deepEqual(columns(second.row('x')), { ...zero, recovered: 5, delivered: 5 });
    assert.equal(second.queue.stats().damaged, 1n);
  });
});

/** Damages the first place in the oldest segment but `skip` where the text stands. */
async function flip(directory: string, text: string, skip: number): Promise<void> {
  const names = (await readdir(directory)).filter(name => name.endsWith('.wal')).sort();
  const path = join(directory, names[skip]!);
  const bytes = await readFile(path);
  bytes[bytes.indexOf(text)]! ^= 1;
  await writeFile(path, bytes);
}

async function post(endpoint: string, path: string, body: Buffer<ArrayBuffer>): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf' };
  const response = await fetch(`http://${endpoint}${path}`, { method: 'POST', body, headers });
  assert.equal(response.status, 200);
}

/** An exporter of OTLP requests whose receiver leaves out so many items of each. */
function leavesOut(rejected: number): Partial<Exporter> {
  const writer = new Writer(new Uint8Array(64));
  const partial = writer.message(1);
  writer.uint(1, rejected);
  writer.close(partial);
  const response = writer.bytes.slice(0, writer.pos);
  const sender: Sender = { send: async () => response, close: () => undefined };
  const settings = { headers: {}, tls: { insecure: true }, compression: 'none', timeout: 1000 } as const;
  const context = { id: 'x', dataDir: '', log: new Log(() => undefined), telemetry: new SelfTelemetry() };
  const exporter = new RequestExporter(sender, { ...settings, max_request_size: 1 << 20 }, context);
  return { export: (batches, report) => exporter.export(batches, report) };
}

/** Points of one gauge series each. */
function points(values: readonly unknown[]): Pick<QueuedBatch, 'signal' | 'payload' | 'items'> {
  const timeUnixNano = nanos(Date.now());
  const metrics = values.map((value, index) => ({
    name: `m${index}`,
    gauge: { dataPoints: [{ timeUnixNano, ...(value as object) }] },
  }));
  const { signal, payload } = metricsBatch(metrics, {});
  return { signal, payload, items: values.length };
}

/** Offers, and what is done with it, so that items are dropped for a reason; resolves when all is done. */
type Case = (
  t: TestContext,
) => Promise<{ readonly rig: Rig; readonly row: LedgerRow; readonly items: number }>;

const offered = async (
  t: TestContext,
  exporter: Partial<Exporter>,
  items: number,
  processors: readonly Processor[] = [],
  batch: Partial<QueuedBatch> = {},
): Promise<{ readonly rig: Rig; readonly row: LedgerRow }> => {
  const rig = await Rig.open(t, {
    directory: await scratchDirectory(t),
    exporters: { x: exporter },
    processors,
  });
  rig.start();
  await rig.offer(items, batch);
  await rig.drain();
  const signal = batch.signal === Signal.metrics ? 'metrics' : 'traces';
  return { rig, row: rig.row('x', 'otlp', signal) };
};

const stored = async (t: TestContext, settings: Parameters<typeof openStore>[2] = {}): Promise<StoreOf> => {
  const { exporter } = await openStore(t, await temporaryDirectory(t), settings);
  const { store } = exporter;
  return { store, exporter: { export: (batches, report) => exporter.export(batches, report) } };
};

interface StoreOf {
  readonly store: Awaited<ReturnType<typeof openStore>>['exporter']['store'];
  readonly exporter: Partial<Exporter>;
}

const cases: Readonly<Record<DropReason, Case>> = {
  processor: async t => {
    const throws: Processor = {
      needs: 'full',
      process: () => {
        throw new TypeError('bug');
      },
    };
    return { ...(await offered(t, {}, 3, [throws])), items: 3 };
  },
  rejected: async t => ({ ...(await offered(t, refuse, 4)), items: 4 }),
  gave_up: async t => {
    const retry = { initialMs: 1, maxMs: 1, multiplier: 1, randomization: 0, giveUpAfterMs: 2 };
    return { ...(await offered(t, { ...down, retry }, 5)), items: 5 };
  },
  partially_rejected: async t => ({ ...(await offered(t, leavesOut(2), 6)), items: 2 }),
  undecodable: async t => {
    const { exporter } = await stored(t);
    return { ...(await offered(t, exporter, 7, [], { payload: Uint8Array.of(0x0a, 0x7f, 1) })), items: 7 };
  },
  untranslatable: async t => {
    const { exporter } = await stored(t);
    const timeless: Processor = { needs: 'full', process: batch => ({ ...batch, receivedAt: Number.NaN }) };
    const undated = points([{ asDouble: 1, timeUnixNano: '0' }]);
    return { ...(await offered(t, exporter, 1, [timeless], undated)), items: 1 };
  },
  unstorable: async t => {
    const { store, exporter } = await stored(t);
    const append = store.append.bind(store);
    t.mock.method(store, 'append', (...[rows, position]: Parameters<typeof append>) =>
      rows.some(each => each.rows.length > 0) ? Promise.reject(new Error('no')) : append(rows, position),
    );
    return { ...(await offered(t, exporter, 8)), items: 8 };
  },
  series_limit: async t => {
    const { exporter } = await stored(t, { series_max: 1 });
    const batch = points([{ asDouble: 1 }, { asDouble: 2 }, { asDouble: 3 }]);
    return { ...(await offered(t, exporter, 3, [], batch)), items: 2 };
  },
  point_without_value: async t => {
    const { exporter } = await stored(t);
    return { ...(await offered(t, exporter, 2, [], points([{ asDouble: 1 }, { flags: 1 }]))), items: 1 };
  },
  damaged: async t => {
    const directory = await scratchDirectory(t);
    const queue = { segmentBytes: 4096, bytesMax: 1 << 20, hotBytesMax: 0 };
    const rig = await Rig.open(t, { directory, exporters: { x: {} }, queue });
    for (let batch = 0; batch < 8; batch++) await rig.offer(15);
    await flip(directory, 'span 14', 1);
    rig.start();
    await rig.drain();
    return { rig, row: rig.row('x'), items: 15 };
  },
  queue_size: async t => {
    const queue = { segmentBytes: 4096, bytesMax: 16_384, hotBytesMax: 0, whenFull: 'drop_oldest' } as const;
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: {} }, queue });
    for (let batch = 0; batch < 60; batch++) await rig.offer(5);
    rig.start();
    await rig.drain();
    const { size } = rig.queue.stats().dropped;
    assert.ok(size > 0n);
    return { rig, row: rig.row('x'), items: 5 * Number(size) };
  },
  queue_age: async t => {
    const queue = { segmentBytes: 4096, hotBytesMax: 0, whenFull: 'drop_oldest', ageMaxMs: 1 } as const;
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: {} }, queue });
    for (let batch = 0; batch < 8; batch++) await rig.offer(15);
    while (rig.queue.stats().dropped.age < 8n) await new Promise(setImmediate);
    rig.start();
    await rig.drain();
    return { rig, row: rig.row('x'), items: 120 };
  },
  unrouted: async t => {
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: {}, y: {} } });
    await rig.offer(9, { source: 'otlp/gone' });
    assert.equal(rig.row('x', 'otlp/gone').queued, 9);
    rig.start();
    await rig.drain();
    return { rig, row: rig.row('x', 'otlp/gone'), items: 9 };
  },
};

describe('what is dropped', () => {
  for (const reason of dropReasons) {
    it(`because of ${reason} is in the ledger under that name`, async t => {
      const { row, items } = await cases[reason](t);
      assert.deepEqual(row.dropped, { [reason]: items });
      assert.equal(row.queued, 0);
    });
  }

  it('because it is damaged at the very end holds up no shutdown', { timeout: 10_000 }, async t => {
    const directory = await scratchDirectory(t);
    const rig = await Rig.open(t, { directory, exporters: { x: {} }, queue: { hotBytesMax: 0 } });
    await rig.offer(2);
    await rig.offer(3);
    await flip(directory, 'span 2', 0);
    rig.start();
    await rig.drain();
    assert.deepEqual(columns(rig.row('x')), { ...zero, accepted: 5, delivered: 2, queued: 3 });
  });

  it('because nobody takes it has one row, not one for each exporter', async t => {
    const { rig } = await cases.unrouted(t);
    const rows = rig.ledger.rows().filter(({ receiver }) => receiver === 'otlp/gone');
    assert.deepEqual(
      rows.map(({ exporter, pipelines }) => ({ exporter, pipelines })),
      [{ exporter: 'x', pipelines: [] }],
    );
  });

  it('after a part was delivered is only the rest', async t => {
    const retry = { initialMs: 1, maxMs: 1, multiplier: 1, randomization: 0, giveUpAfterMs: 2 };
    const half: Partial<Exporter> = {
      retry,
      export: async (batches, report) => {
        for (const batch of batches) if (batch.items === 3) report?.delivered(batch);
        throw new OfferError('the other half is down', true, 0);
      },
    };
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: half } });
    await rig.offer(3);
    await rig.offer(4);
    rig.start();
    await rig.drain();
    assert.deepEqual(columns(rig.row('x')), {
      ...zero,
      accepted: 7,
      delivered: 3,
      dropped: { gave_up: 4 },
    });
  });
});

describe('a gap', () => {
  /** Places that each forget what they should count. */
  const planted: readonly (readonly [string, object, string])[] = [
    ['an exporter forgets what became of a batch', ExporterBook.prototype, 'deliver'],
    ['a reader forgets that it got a batch', ReaderAccount.prototype, 'pass'],
    ['the queue forgets that it has a batch', Inventory.prototype, 'appended'],
  ];
  for (const [what, owner, method] of planted) {
    it(`shows when ${what}`, async t => {
      const collector = await startCollector();
      const { mock } = t.mock.method(owner as Record<string, () => void>, method, () => undefined);
      await post(collector.endpoints['otlp.http']!, '/v1/traces', traceRequest(['a', 'b']));
      await collector.capture.count(1);
      assert.equal(mock.callCount(), 1);
      const web = collector.endpoints.web!;
      await assert.rejects(balancedLedger(web), /the ledger has a gap/);
      assert.notEqual(await collector.metric(gapOfTraces), 0);
      await assert.rejects(collector.stop(), /the ledger has a gap/);
    });
  }

  it('shows when a resent batch is accepted twice', async t => {
    const rig = await Rig.open(t, { directory: await scratchDirectory(t), exporters: { x: {} } });
    const { offer } = rig.queue;
    t.mock.method(rig.queue, 'offer', (batch: QueuedBatch) => offer.call(rig.queue, batch).then(() => 'new'));
    rig.start();
    const origin = { instance: instance(1), sequence: 1n };
    await rig.offer(5, { origin });
    rig.row('x');
    await rig.offer(5, { origin });
    assert.throws(() => rig.row('x'), /gap/);
  });

  it('is 0 in the metrics of a collector without a bug', async () => {
    const collector = await startCollector(captureAll);
    await post(collector.endpoints['otlp.http']!, '/v1/traces', traceRequest(['a', 'b']));
    await post(collector.endpoints['otlp.http']!, '/v1/logs', logsRequest(['c']));
    await collector.capture.count(2);
    assert.equal(await collector.metric(gapOfTraces), 0);
    const delivered = gapOfTraces.replace('gap_items', 'delivered_items_total');
    assert.equal(await collector.metric(delivered), 2);
    await collector.stop();
  });

  const gapOfTraces =
    'tricord_ledger_gap_items{signal="traces",receiver="otlp",exporter="capture",pipeline="traces"}';
});

describe('/ledger', () => {
  it('answers in JSON, and sends a browser to the page', async () => {
    const collector = await startCollector();
    const url = `http://${collector.endpoints.web}/ledger`;
    const plain = await fetch(url);
    assert.match(plain.headers.get('content-type')!, /^application\/json/);
    const { found } = (await plain.json()) as { found: unknown };
    assert.deepEqual(found, { batches: 0, damaged: 0, tornBytes: 0 });
    const headers = { accept: 'text/html,application/xhtml+xml;q=0.9' };
    const browser = await fetch(url, { headers, redirect: 'manual' });
    assert.deepEqual([browser.status, browser.headers.get('location')], [303, '/#/ledger']);
    await collector.stop();
  });

  it('is there, and empty, before anything has started', () => {
    const ledger = new Ledger();
    assert.deepEqual([ledger.rows(), ledger.intake()], [[], []]);
  });
});
