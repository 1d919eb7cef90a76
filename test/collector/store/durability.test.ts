// What survives: restarts, SIGKILL, a disk that refuses, files that no manifest names, a manifest that lies.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { OfferError, type QueuedBatch } from '../../../collector/component.ts';
import type { Store } from '../../../collector/store/store.ts';
import {
  always,
  alwaysExactly,
  logsBatch,
  metricsBatch,
  nanos,
  openStore,
  spanBatch,
  spanId,
  temporaryDirectory,
  traceId,
} from './fixtures.ts';

const now = Date.now();
const span = (number: number) => ({
  traceId: traceId(number),
  spanId: spanId(number),
  name: `span ${number}`,
  start: now + number,
});

async function spanNames(store: Store): Promise<string[]> {
  const found = await store.traces.search({
    filter: [[]],
    range: always,
    limit: 1000,
    spansPerTrace: 1000,
    order: 'latest',
  });
  return found.flatMap(({ matched }) => matched.map(({ name }) => name)).sort();
}

const parquetFiles = async (directory: string): Promise<string[]> =>
  (await readdir(directory, { recursive: true })).filter(name => name.endsWith('.parquet'));

describe('rows of the store', () => {
  it('are visible at once, and settled only after the flush', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const settled: bigint[] = [];
    exporter.settlement!.onSettled(position => settled.push(position));
    const batch = spanBatch('shop', [span(1)]);
    await exporter.export([batch]);
    assert.deepEqual(await spanNames(exporter.store), ['span 1']);
    assert.deepEqual(settled, []);
    await exporter.store.flush();
    assert.deepEqual(settled, [batch.position]);
    assert.deepEqual(await spanNames(exporter.store), ['span 1']);
  });

  it('are there after a restart, and the position with them', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    assert.equal(first.exporter.settlement!.start, undefined);
    const batch = spanBatch('shop', [span(1), span(2)]);
    await first.exporter.export([batch]);
    await first.exporter.stop();
    const second = await openStore(t, directory);
    assert.equal(second.exporter.settlement!.start, batch.position);
    assert.deepEqual(await spanNames(second.exporter.store), ['span 1', 'span 2']);
  });

  it('are stored once however often their batch comes', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    const batches = [1, 2, 3].map(number => spanBatch('shop', [span(number)]));
    await first.exporter.export(batches);
    await first.exporter.export(batches);
    await first.exporter.export([...batches, spanBatch('shop', [span(4)])]);
    await first.exporter.stop();
    const second = await openStore(t, directory);
    await second.exporter.export(batches);
    assert.deepEqual(await spanNames(second.exporter.store), ['span 1', 'span 2', 'span 3', 'span 4']);
  });

  it('of two batches that pipelines made of one record are both stored', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const one = spanBatch('shop', [span(1)]);
    await exporter.export([one, { ...spanBatch('shop', [span(2)]), position: one.position }]);
    assert.deepEqual(await spanNames(exporter.store), ['span 1', 'span 2']);
  });

  it('that cannot be decoded are dropped by name, and stop nothing', async t => {
    const { exporter, telemetry } = await openStore(t, await temporaryDirectory(t));
    const bad = { ...spanBatch('shop', [span(1)]), payload: Uint8Array.of(0x0a, 0x7f, 1), items: 5 };
    await exporter.export([bad, spanBatch('shop', [span(2)])]);
    assert.deepEqual(await spanNames(exporter.store), ['span 2']);
    assert.match(telemetry.render(), /tricord_store_dropped_total\{reason="undecodable"\} 5\n/);
  });

  it('come back from the queue after SIGKILL, the flushed ones not twice', async t => {
    const directory = await temporaryDirectory(t);
    const script = join(import.meta.dirname, 'crashing-writer.ts');
    const child = spawn(process.execPath, ['--conditions=source', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(openStore(t, directory), new RegExp(`in use by process ${child.pid}`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { exporter } = await openStore(t, directory);
    const start = exporter.settlement!.start!;
    assert.deepEqual(await spanNames(exporter.store), ['span 1']);
    const again = [1, 2].map(number => ({
      ...spanBatch('shop', [span(number)]),
      position: start - 1n + BigInt(number),
    }));
    await exporter.export(again);
    assert.deepEqual(await spanNames(exporter.store), ['span 1', 'span 2']);
  });

  it('are read consistently while generations change under the query', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([spanBatch('shop', [span(1)])]);
    const reads = [];
    for (let number = 2; number < 8; number++) {
      reads.push(spanNames(exporter.store));
      await exporter.export([spanBatch('shop', [span(number)])]);
      reads.push(spanNames(exporter.store));
      await exporter.store.flush();
    }
    for (const names of await Promise.all(reads)) assert.equal(names.length, new Set(names).size);
    assert.equal((await spanNames(exporter.store)).length, 7);
  });
});

describe('a flush', () => {
  it('that was cut off before its manifest leaves nothing behind', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    const batch = spanBatch('shop', [span(1)]);
    await first.exporter.export([batch]);
    const before = await readFile(join(directory, 'manifest.json'), 'utf8').catch(() => null);
    await first.exporter.stop();
    // As if the process had died between COPY and the manifest: the files are there, the manifest is the old one.
    if (before === null) await rm(join(directory, 'manifest.json'));
    await writeFile(join(directory, 'manifest.json.new'), '{"half');
    const second = await openStore(t, directory);
    assert.equal(second.exporter.settlement!.start, undefined);
    assert.deepEqual(await parquetFiles(directory), []);
    assert.equal(second.exporter.store.stats().strayFiles, 2);
    await second.exporter.export([batch]);
    assert.deepEqual(await spanNames(second.exporter.store), ['span 1']);
  });

  it('that fails keeps the rows, and succeeds when the disk does', async t => {
    const directory = await temporaryDirectory(t);
    const { exporter } = await openStore(t, directory);
    const settled: bigint[] = [];
    exporter.settlement!.onSettled(position => settled.push(position));
    await writeFile(join(directory, 'spans'), 'no directory');
    await exporter.export([spanBatch('shop', [span(1)])]);
    await assert.rejects(exporter.store.flush());
    await exporter.export([spanBatch('shop', [span(2)])]);
    await assert.rejects(exporter.store.flush());
    assert.equal(exporter.store.stats().flushFailures, 2);
    assert.deepEqual(settled, []);
    assert.deepEqual(await spanNames(exporter.store), ['span 1', 'span 2']);
    await rm(join(directory, 'spans'));
    await exporter.store.flush();
    await exporter.store.flush();
    assert.equal(settled.length, 2);
    assert.deepEqual(await spanNames(exporter.store), ['span 1', 'span 2']);
  });

  it('begins by itself when enough rows have come', async t => {
    const flush = { interval: 3_600_000, rows: 2, bytes: 2 ** 30 };
    const { exporter } = await openStore(t, await temporaryDirectory(t), { flush });
    const settled = new Promise<bigint>(resolve => exporter.settlement!.onSettled(resolve));
    const batch = spanBatch('shop', [span(1), span(2)]);
    await exporter.export([batch]);
    assert.equal(await settled, batch.position);
  });

  it('that cannot succeed makes the store refuse retryably when its memory is full', async t => {
    const directory = await temporaryDirectory(t);
    const flush = { interval: 3_600_000, rows: 1, bytes: 2 ** 30 };
    const { exporter } = await openStore(t, directory, { flush });
    await writeFile(join(directory, 'spans'), 'no directory');
    await exporter.export([spanBatch('shop', [span(1)])]);
    await assert.rejects(exporter.store.flush());
    await exporter.export([spanBatch('shop', [span(2), span(3)])]);
    const last = spanBatch('shop', [span(4)]);
    await assert.rejects(
      exporter.export([last]),
      (error: unknown) => error instanceof OfferError && error.retryable,
    );
    await rm(join(directory, 'spans'));
    await exporter.store.flush();
    await exporter.store.flush();
    await exporter.export([last]);
    assert.deepEqual(await spanNames(exporter.store), ['span 1', 'span 2', 'span 3', 'span 4']);
  });
});

describe('a database without memory', () => {
  it('refuses retryably, wherever it notices, and gives up nothing', { timeout: 120_000 }, async t => {
    const flush = { interval: 3_600_000, rows: 1_000_000, bytes: 40 * 2 ** 20 };
    const directory = await temporaryDirectory(t);
    const { exporter, logged } = await openStore(t, directory, { memory: 40 * 2 ** 20, flush });
    const batches = 40;
    let [lost, full] = [0, 0];
    const report = { delivered: () => undefined, lost: () => lost++ };
    const taken = async (batch: QueuedBatch): Promise<boolean> => {
      try {
        await exporter.export([batch], report);
        return true;
      } catch (error) {
        assert.ok(error instanceof OfferError && error.retryable, `${error}`);
        if (error.message.includes('memory is full')) full++;
        return false;
      }
    };
    for (let number = 0; number < batches; number++) {
      const text = (index: number): string =>
        Math.sin(number * 500 + index)
          .toString(36)
          .repeat(250);
      const spans = Array.from({ length: 500 }, (_, index) => ({
        ...span(index),
        attributes: { text: text(index) },
      }));
      const batch = spanBatch('shop', spans);
      for (let attempt = 0; attempt < 15 && !(await taken(batch)); attempt++) await delay(20);
    }
    t.diagnostic(`the memory was full ${full} times`); // How often is the database's own affair.
    assert.equal(lost, 0, logged.join('\n'));
  });
});

describe('opening a store', () => {
  it('refuses a directory that is in use, and says so', async t => {
    const directory = await temporaryDirectory(t);
    await openStore(t, directory);
    await assert.rejects(openStore(t, directory), new RegExp(`${directory} is in use`));
  });

  it('refuses a path below a file, naming it', async t => {
    const directory = await temporaryDirectory(t);
    const file = join(directory, 'file');
    await writeFile(file, '');
    await assert.rejects(openStore(t, join(file, 'store')), (error: Error) => error.message.includes(file));
  });

  it('refuses a path that reads as a pattern', async t => {
    const directory = join(await temporaryDirectory(t), 'a*');
    await assert.rejects(openStore(t, directory), /without \* \?/);
  });

  it('refuses a manifest that cannot be understood, and does not touch it', async t => {
    const directory = await temporaryDirectory(t);
    for (const text of ['', '{', '{"version":2,"sequence":0,"position":null,"files":[]}']) {
      await writeFile(join(directory, 'manifest.json'), text);
      await assert.rejects(openStore(t, directory), /manifest\.json is no manifest of this store/);
      assert.equal(await readFile(join(directory, 'manifest.json'), 'utf8'), text);
    }
  });

  it('refuses a manifest that names files outside', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    await first.exporter.export([spanBatch('shop', [span(1)])]);
    await first.exporter.stop();
    const path = join(directory, 'manifest.json');
    const manifest = await readFile(path, 'utf8');
    await writeFile(path, manifest.replace(/"spans\/[^"]*"/, '"../../etc/passwd.parquet"'));
    await assert.rejects(openStore(t, directory), /no manifest/);
  });

  it('goes on without a file that the disk has lost or cut, and counts it', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    await first.exporter.export([spanBatch('shop', [span(1)])]);
    await first.exporter.store.flush();
    await first.exporter.export([spanBatch('shop', [span(2)])]);
    await first.exporter.stop();
    const [lost, cut] = (await parquetFiles(directory)).filter(name => name.startsWith('spans'));
    await rename(join(directory, lost!), join(directory, 'elsewhere'));
    await writeFile(join(directory, cut!), 'PAR1');
    const second = await openStore(t, directory);
    assert.equal(second.exporter.store.stats().missingFiles, 2);
    assert.deepEqual(await spanNames(second.exporter.store), []);
    await second.exporter.export([spanBatch('shop', [span(3)])]);
    assert.deepEqual(await spanNames(second.exporter.store), ['span 3']);
  });

  it('makes a damaged lock file anew', async t => {
    const directory = await temporaryDirectory(t);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'store.lock'), '');
    await openStore(t, directory);
  });
});

describe('all three signals', () => {
  it('keep their rows over a restart', async t => {
    const directory = await temporaryDirectory(t);
    const first = await openStore(t, directory);
    const point = { timeUnixNano: nanos(now), asInt: 3, attributes: [] };
    await first.exporter.export([
      spanBatch('shop', [span(1)]),
      metricsBatch([
        { name: 'requests', sum: { isMonotonic: true, aggregationTemporality: 2, dataPoints: [point] } },
      ]),
      logsBatch([{ timeUnixNano: nanos(now), body: { stringValue: 'hello' } }]),
    ]);
    await first.exporter.stop();
    const { store } = (await openStore(t, directory)).exporter;
    const [series] = await store.metrics.select(
      [{ name: '__name__', op: '=', value: 'requests_total' }],
      always,
    );
    assert.deepEqual([...series!.values], [3]);
    const [entry] = await store.logs.select({ matchers: [], direction: 'forward', limit: 10 }, alwaysExactly);
    assert.equal(entry!.line, 'hello');
    assert.deepEqual(await spanNames(store), ['span 1']);
  });
});
