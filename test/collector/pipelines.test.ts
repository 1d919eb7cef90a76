// From the receivers through the queue to the exporters: who gets what, what is tried again, what is dropped and counted.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Signal } from 'tricord/otlp';
import {
  type Exporter,
  OfferError,
  type Position,
  type Processor,
  type QueuedBatch,
} from '../../collector/component.ts';
import { ExportLoop } from '../../collector/export-loop.ts';
import { Ledger } from '../../collector/ledger/ledger.ts';
import { Log } from '../../collector/log.ts';
import type { Reader, ReaderCounts } from '../../collector/queue/queue.ts';
import { Tally } from '../../collector/queue/tally.ts';
import { Routes } from '../../collector/routes.ts';
import { SelfTelemetry } from '../../collector/self-telemetry.ts';
import type { Health } from '../../collector/web/self-routes.ts';
import { logsRequest, traceRequest } from './requests.ts';
import { captureAll, startCollector, type TestCollector } from './running-collector.ts';

const post = async (collector: TestCollector, receiver: string, path: string, body: Buffer<ArrayBuffer>) => {
  const headers = { 'content-type': 'application/x-protobuf' };
  const url = `http://${collector.endpoints[`${receiver}.http`]}${path}`;
  const response = await fetch(url, { method: 'POST', body, headers });
  assert.equal(response.status, 200);
};

describe('pipelines', () => {
  it('lead each receiver and signal to its own exporters', async () => {
    const collector = await startCollector(
      `
receivers:
  otlp/a: { protocols: { http: { endpoint: 127.0.0.1:0 } } }
  otlp/b: { protocols: { http: { endpoint: 127.0.0.1:0 } } }
exporters: { capture/a: , capture/b: , capture/both: }
connectors: { forward: }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces/a: { receivers: [otlp/a], exporters: [capture/a, forward] }
    traces/b: { receivers: [otlp/b], exporters: [capture/b, forward] }
    traces/both: { receivers: [forward], exporters: [capture/both] }
    logs: { receivers: [otlp/b], exporters: [capture/b] }
`
        .replaceAll(': ,', ': {},')
        .replaceAll(': }', ': {} }'),
    );
    await post(collector, 'otlp/a', '/v1/traces', traceRequest(['from a']));
    await post(collector, 'otlp/b', '/v1/traces', traceRequest(['from b']));
    await post(collector, 'otlp/b', '/v1/logs', logsRequest(['log of b']));
    const arrived = async (id: string, count: number) =>
      (await collector.captures.get(id)!.count(count)).map(({ source, signal }) => `${source} ${signal}`);
    assert.deepEqual(await arrived('capture/both', 2), ['otlp/a 1', 'otlp/b 1']);
    assert.deepEqual(await arrived('capture/b', 2), ['otlp/b 1', 'otlp/b 3']);
    assert.deepEqual(await arrived('capture/a', 1), ['otlp/a 1']);
    await collector.stop();
  });

  it('hold an exporter up for itself alone', async () => {
    const collector = await startCollector(`
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters: { capture/slow: {}, capture/quick: {} }
service:
  web: { endpoint: 127.0.0.1:0 }
  shutdown_timeout: 10ms
  pipelines: { traces: { receivers: [otlp], exporters: [capture/slow, capture/quick] } }
`);
    const tried = Promise.withResolvers<void>();
    collector.captures.get('capture/slow')!.fails = () => {
      tried.resolve();
      return new OfferError('down', true, 0);
    };
    await post(collector, 'otlp', '/v1/traces', traceRequest(['x']));
    await tried.promise;
    await collector.captures.get('capture/quick')!.count(1);
    const health = await (await fetch(`http://${collector.endpoints.web}/healthz`)).json();
    assert.equal(
      (health as { components: Record<string, string> }).components['exporter capture/slow'],
      'retrying',
    );
    await collector.stop();
  });
});

describe('a full queue', () => {
  it('drops the oldest instead when told to, and counts it by reason', async () => {
    const collector = await startCollector(
      captureAll.concat('  shutdown_timeout: 10ms\n  queue: { max_age: 20ms, when_full: drop_oldest }\n'),
    );
    collector.capture.fails = () => new OfferError('away', true);
    await post(collector, 'otlp', '/v1/traces', traceRequest(['too old']));
    const dropped = (reason: string) =>
      collector.metric(`tricord_queue_dropped_batches_total{reason="${reason}"}`);
    while ((await dropped('age')) < 1);
    assert.deepEqual([await dropped('age'), await dropped('size')], [1, 0]);
    await collector.stop();
  });

  it('refuses retryably, says so, and takes again when an exporter has made room', async () => {
    const collector = await startCollector(
      captureAll.concat('  shutdown_timeout: 10ms\n  queue: { max_size: 64KiB, segment_size: 16KiB }\n'),
    );
    let down = true;
    collector.capture.fails = () => (down ? new OfferError('down', true, 0) : undefined);
    const url = `http://${collector.endpoints['otlp.http']}/v1/logs`;
    const headers = { 'content-type': 'application/x-protobuf' };
    const send = async (): Promise<number> => {
      const body = logsRequest(['x'.repeat(10_000)]);
      return (await fetch(url, { method: 'POST', body, headers })).status;
    };
    let accepted = 0;
    while ((await send()) === 200) accepted++;
    assert.ok(accepted >= 3 && accepted <= 6, `${accepted} of 10 KB in 64 KiB`);
    assert.equal(await send(), 503);
    const health = (await (await fetch(`http://${collector.endpoints.web}/healthz`)).json()) as Health;
    assert.equal(health.components.queue, 'full');
    down = false;
    await collector.capture.count(accepted);
    while ((await send()) !== 200) await delay(10);
    await collector.capture.count(accepted + 1);
    await collector.stop();
  });
});

/** A queue's reader over an array. */
class ListReader implements Reader {
  readonly settled: Position[] = [];
  sought: Position | undefined;
  readonly #batches: QueuedBatch[];

  constructor(batches: readonly QueuedBatch[]) {
    this.#batches = [...batches];
  }

  async read(_bytesMax: number, signal: AbortSignal): Promise<QueuedBatch[]> {
    if (this.#batches.length > 0) return this.#batches.splice(0, 2);
    while (!signal.aborted) await delay(1);
    return [];
  }

  idle(): boolean {
    return this.#batches.length === 0;
  }

  done(position: Position): void {
    this.settled.push(position);
  }

  seek(position: Position): void {
    this.sought = position;
  }

  counts(): ReaderCounts {
    return { found: new Tally(), waiting: new Tally(), lost: new Map() };
  }
}

const batch = (position: number, source = 'otlp'): QueuedBatch => ({
  signal: Signal.traces,
  payload: new Uint8Array(1),
  items: 10,
  position: BigInt(position),
  receivedAt: Date.now(),
  source,
});

const retry = { initialMs: 1, maxMs: 2, multiplier: 1, randomization: 0, giveUpAfterMs: 0 };

interface LoopOptions {
  readonly processors?: readonly Processor[];
  readonly exporter?: Partial<Exporter>;
}

/** Runs a loop over the batches until all are through. */
async function drain(
  batches: readonly QueuedBatch[],
  exportBatches: (batches: readonly QueuedBatch[]) => Promise<void>,
  { processors = [], exporter = {} }: LoopOptions = {},
): Promise<{ readonly reader: ListReader; readonly metrics: string }> {
  const telemetry = new SelfTelemetry();
  const context = { id: 'x', dataDir: '', log: new Log(() => undefined), telemetry };
  const whole = {
    retry,
    start: async () => undefined,
    stop: async () => undefined,
    export: exportBatches,
    ...exporter,
  };
  const reader = new ListReader(batches);
  const ledger = new Ledger();
  const steps = new Map(processors.map((processor, index) => [String(index), processor]));
  const traces = { receiver: 'otlp', signal: Signal.traces, pipelines: ['traces'], exporter: 'x' };
  const routes = new Routes(
    [{ ...traces, steps: [...steps.keys()] }],
    steps,
    ledger,
    ledger.book('x', reader),
  );
  const loop = new ExportLoop(whole, reader, routes, context);
  loop.start();
  await loop.drain();
  return { reader, metrics: telemetry.render() };
}

const dropped = (reason: string, items: number): RegExp =>
  new RegExp(`^otelcol_exporter_send_failed_spans_total\\{exporter="x",reason="${reason}"\\} ${items}$`, 'm');

describe('the loop of an exporter', () => {
  it('tries retryable failures again until they pass, and moves the cursor only then', async () => {
    const calls: bigint[][] = [];
    const { reader, metrics } = await drain([batch(1), batch(2), batch(3)], async batches => {
      calls.push(batches.map(({ position }) => position));
      if (calls.length <= 2) throw new OfferError('later', true, 0);
    });
    assert.deepEqual(calls, [[1n, 2n], [1n, 2n], [1n, 2n], [3n]]);
    assert.deepEqual(reader.settled, [2n, 3n]);
    assert.match(metrics, /^otelcol_exporter_sent_spans_total\{exporter="x"\} 30$/m);
    assert.match(metrics, /^tricord_exporter_retries_total\{exporter="x"\} 2$/m);
  });

  it('drops only the batch that is refused for good, not those beside it', async () => {
    const delivered: bigint[] = [];
    const { reader, metrics } = await drain([batch(1), batch(2)], async batches => {
      if (batches.some(({ position }) => position === 2n)) throw new OfferError('bad', false);
      delivered.push(...batches.map(({ position }) => position));
    });
    assert.deepEqual(delivered, [1n]);
    assert.deepEqual(reader.settled, [2n]);
    assert.match(metrics, dropped('rejected', 10));
  });

  it('gives up after the configured time, counted', async () => {
    const exporter = { retry: { ...retry, giveUpAfterMs: 5 } };
    const fails = (): Promise<void> => Promise.reject(new OfferError('down', true, 0));
    const { metrics } = await drain([batch(1)], fails, { exporter });
    assert.match(metrics, dropped('gave_up', 10));
  });

  it('does not stand still for ever at a batch that only ever raises unexpected errors', async () => {
    let calls = 0;
    const { metrics } = await drain([batch(1)], async () => {
      calls++;
      throw new TypeError('bug');
    });
    assert.equal(calls, 10);
    assert.match(metrics, dropped('rejected', 10));
  });

  it('survives a processor that throws, and counts what it cost', async () => {
    const processors: Processor[] = [
      {
        needs: 'full',
        process: one => {
          if (one.position === 1n) throw new TypeError('bug');
          return one;
        },
      },
    ];
    const seen: bigint[] = [];
    const keep = async (batches: readonly QueuedBatch[]): Promise<void> => {
      seen.push(...batches.map(({ position }) => position));
    };
    const { metrics } = await drain([batch(1), batch(2)], keep, { processors });
    assert.deepEqual(seen, [2n]);
    assert.match(metrics, dropped('processor', 10));
  });

  it('passes over what does not lead to it', async () => {
    const { reader } = await drain([batch(1, 'other'), batch(2, 'other')], () => assert.fail('exported'));
    assert.deepEqual(reader.settled, [2n]);
  });

  it('lets the cursor follow a settlement, and takes along what lies behind it and goes elsewhere', async () => {
    let settle: (position: Position) => void = () => undefined;
    const settlement = {
      start: 7n,
      onSettled: (listener: (position: Position) => void) => {
        settle = listener;
      },
    };
    const ignore = async (): Promise<void> => undefined;
    const { reader } = await drain([batch(8), batch(9, 'other')], ignore, { exporter: { settlement } });
    assert.equal(reader.sought, 7n);
    assert.deepEqual(reader.settled, []);
    settle(8n);
    assert.deepEqual(reader.settled, [9n]);
  });
});
