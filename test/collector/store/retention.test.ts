// What is dropped and what is merged: by age of arrival, by bytes, small files into larger ones.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { FAN_IN, mergeable } from '../../../collector/store/compaction.ts';
import { readManifest, type StoreFile } from '../../../collector/store/manifest.ts';
import { partitionName, partitionOf } from '../../../collector/store/partition.ts';
import { expired } from '../../../collector/store/retention.ts';
import {
  always,
  metricsBatch,
  nanos,
  type Opened,
  openStore,
  spanBatch,
  spanId,
  temporaryDirectory,
  traceId,
} from './fixtures.ts';

const HOUR = 3_600_000;
const now = 500_000 * HOUR;

const file = (changed: Partial<StoreFile>): StoreFile => ({
  name: 'spans/x.parquet',
  table: 'spans',
  partition: 500_000,
  level: 0,
  rows: 10,
  bytes: 100,
  memory: 1000,
  from: now,
  to: now,
  arrived: now,
  ...changed,
});

describe('retention', () => {
  it('drops what arrived longer ago than the age, to the millisecond', () => {
    const kept = file({ arrived: now - 1000 });
    const gone = file({ arrived: now - 1001 });
    assert.deepEqual([...expired([kept, gone], { ageMs: 1000, bytes: 1000 }, now)], [gone]);
  });

  it('counts age from arrival, not from the time in the rows', () => {
    const old = file({ from: 0, to: 0, partition: -500_000 });
    assert.equal(expired([old], { ageMs: 1000, bytes: 1000 }, now).size, 0);
  });

  it('drops the oldest hours first, and of an hour what arrived first, until the rest fits', () => {
    const hours = [1, 2].flatMap(hour => [
      file({ name: `${hour} scopes`, partition: hour, table: 'scopes', arrived: 0 }),
      file({ name: `${hour} late spans`, partition: hour, table: 'spans', arrived: 2 }),
      file({ name: `${hour} logs`, partition: hour === 1 ? -1 : hour, table: 'logs', arrived: 1 }),
    ]);
    const order = ['1 logs', '1 late spans', '1 scopes', '2 logs', '2 late spans', '2 scopes'];
    const dropped = (bytes: number): string[] =>
      [...expired(hours, { ageMs: Infinity, bytes }, now)].map(({ name }) => name);
    assert.deepEqual(dropped(600), []);
    assert.deepEqual(dropped(599), order.slice(0, 1));
    assert.deepEqual(dropped(500), order.slice(0, 1));
    assert.deepEqual(dropped(499), order.slice(0, 2));
    assert.deepEqual(dropped(300), order.slice(0, 3));
    assert.deepEqual(dropped(0), order);
  });

  it('removes rows and files of a live store, and counts them', async t => {
    const directory = await temporaryDirectory(t);
    const { exporter } = await openStore(t, directory, { retention: { age: HOUR, bytes: 2 ** 40 } });
    const span = { traceId: traceId(1), spanId: spanId(1), name: 'x', start: Date.now() };
    await exporter.export([spanBatch('shop', [span], Date.now() - 2 * HOUR)]);
    await exporter.export([spanBatch('shop', [{ ...span, traceId: traceId(2) }])]);
    await exporter.store.flush();
    await exporter.store.flush();
    // Both batches share the hour of their spans, whose latest row is fresh: nothing goes yet.
    assert.equal(exporter.store.stats().expiredRows, 0);
    await exporter.export([
      spanBatch('shop', [{ ...span, start: span.start - 3 * HOUR }], Date.now() - 2 * HOUR),
    ]);
    await exporter.store.flush();
    assert.equal(exporter.store.stats().expiredRows, 2);
    assert.equal(
      (await readdir(directory, { recursive: true })).filter(name => name.endsWith('.parquet')).length,
      2,
    );
  });

  /** Two looks at what is too old, with the clock set by `stepMs` before the second; rows that are gone. */
  async function expiredBy(t: TestContext, stepMs: number): Promise<number> {
    const directory = await temporaryDirectory(t);
    const { exporter } = await openStore(t, directory, { retention: { age: HOUR, bytes: 2 ** 40 } });
    const span = { traceId: traceId(1), spanId: spanId(1), name: 'x', start: Date.now() };
    await exporter.export([spanBatch('shop', [span])]);
    await exporter.store.flush();
    t.mock.timers.setTime(Date.now() + stepMs);
    await exporter.export([spanBatch('shop', [{ ...span, spanId: spanId(2), start: Date.now() }])]);
    await exporter.store.flush();
    return exporter.store.stats().expiredRows;
  }

  it('expires nothing when the clock is set forward', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    assert.equal(await expiredBy(t, 72 * HOUR), 0);
  });

  it('expires nothing when a clock that was ahead at the start is set back', async t => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 72 * HOUR });
    assert.equal(await expiredBy(t, -72 * HOUR), 0);
  });
});

describe('a partition', () => {
  const hour = 500_000;

  it('is the hour of the row when that is near its arrival', () => {
    assert.equal(partitionOf(now, now), hour);
    assert.equal(partitionOf(now - 1, now), hour - 1);
    assert.equal(partitionOf(now - 48 * HOUR, now), hour - 48);
    assert.equal(partitionOf(now + 3 * HOUR - 1, now), hour + 2);
  });

  it('is the hour of arrival for all that is far off', () => {
    assert.equal(partitionOf(now - 48 * HOUR - 1, now), -hour);
    assert.equal(partitionOf(now + 3 * HOUR, now), -hour);
    assert.equal(partitionOf(0, now), -hour);
  });

  it('has a name that sorts by time', () => {
    assert.equal(partitionName(hour), '2027011508');
    assert.equal(partitionName(-hour), 'stray-2027011508');
  });
});

describe('compaction', () => {
  it('merges files of one level, table and hour as soon as there are enough', () => {
    const files = Array.from({ length: FAN_IN }, () => file({}));
    assert.equal(mergeable(files.slice(1), now), null);
    assert.equal(mergeable(files, now)!.length, FAN_IN);
    assert.equal(mergeable([...files.slice(1), file({ level: 1 })], now), null);
    assert.equal(mergeable([...files.slice(1), file({ partition: 1 })], now), null);
    assert.equal(mergeable([...files.slice(1), file({ table: 'logs' })], now), null);
  });

  it('merges everything of an hour that got no rows for an hour', () => {
    const files = [file({ level: 2 }), file({})];
    assert.equal(mergeable(files, now + HOUR - 1), null);
    assert.equal(mergeable(files, now + HOUR)!.length, 2);
    assert.equal(mergeable(files.slice(1), now + HOUR), null);
  });

  it('leaves alone what is large already', () => {
    const large = file({ bytes: 512 * 1024 * 1024 });
    assert.equal(mergeable([large, file({})], now + HOUR), null);
    assert.equal(mergeable([large, file({}), file({})], now + HOUR)!.length, 2);
  });

  /** A store with little memory after as many flushes as make a merge, each of so many spans with a text so long. */
  async function merged(t: TestContext, perFlush: number, length: number): Promise<Opened> {
    const opened = await openStore(t, await temporaryDirectory(t), { memory: 128 * 2 ** 20, threads: 1 });
    const text = 'x'.repeat(length);
    const start = Date.now();
    for (let number = 0; number < FAN_IN; number++) {
      const spans = Array.from({ length: perFlush }, (_, index) => ({
        traceId: traceId(index * FAN_IN + number),
        spanId: spanId(number),
        name: `${number}`,
        start: start + number,
        attributes: { text },
      }));
      await opened.exporter.export([spanBatch('shop', spans)]);
      await opened.exporter.store.flush();
    }
    return opened;
  }

  it('keeps every row once where memory is not enough to sort them all', async t => {
    const { store } = (await merged(t, 16, 2 ** 18)).exporter;
    const { merges, flushFailures, files } = store.stats();
    assert.deepEqual({ merges, flushFailures, files }, { merges: 2, flushFailures: 0, files: 2 });
    const query = { filter: [[]], range: always, limit: 1000, spansPerTrace: 10, order: 'latest' } as const;
    const found = await store.traces.search(query);
    assert.equal(found.length, FAN_IN * 16);
    assert.ok(found.every(({ matched }) => matched.length === 1));
    assert.ok((await store.traces.trace(traceId(1)))!.length > 2 ** 18);
  });

  it('leaves files apart, and says so once, where memory is not enough for their rows', async t => {
    const { exporter, logged } = await merged(t, 3, 4 * 2 ** 20);
    await exporter.export([
      spanBatch('shop', [{ traceId: traceId(99), spanId: spanId(99), name: 'x', start: 0 }]),
    ]);
    await exporter.store.flush();
    const { merges, flushFailures, files } = exporter.store.stats();
    assert.deepEqual({ merges, flushFailures, files }, { merges: 1, flushFailures: 0, files: FAN_IN + 3 });
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /not enough to merge 8 files, which stay as they are: Out of Memory/);
  });

  it('keeps every row once, and every series once', async t => {
    const directory = await temporaryDirectory(t);
    const { exporter } = await openStore(t, directory);
    const { store } = exporter;
    const start = Date.now();
    for (let number = 1; number <= FAN_IN; number++) {
      const point = { timeUnixNano: nanos(start + number * 1000), asInt: number, attributes: [] };
      await exporter.export([
        spanBatch('shop', [{ traceId: traceId(number), spanId: spanId(number), name: 'x', start }]),
        metricsBatch([{ name: 'level', gauge: { dataPoints: [point] } }]),
      ]);
      await store.flush();
    }
    assert.ok(store.stats().merges >= 4);
    assert.ok(store.stats().files < 4 * FAN_IN);
    const query = { filter: [[]], range: always, limit: 100, spansPerTrace: 10, order: 'latest' } as const;
    assert.equal((await store.traces.search(query)).length, FAN_IN);
    const [series, ...more] = await store.metrics.select(
      [{ name: '__name__', op: '=', value: 'level' }],
      always,
    );
    assert.deepEqual([...series!.values], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(more, []);
    const { files } = await readManifest(directory);
    const merged = (table: string): StoreFile =>
      files.find(each => each.table === table && each.level === 1)!;
    // Those of the metric, and of target_info.
    assert.deepEqual([merged('samples').rows, merged('series').rows], [2 * FAN_IN, 2]);
    assert.ok(merged('series').memory < merged('samples').memory, 'what is left out takes no memory');
  });
});
