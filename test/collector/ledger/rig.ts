// A real queue between the ledger and exporters that the test makes: everything of the collector that keeps the ledger, without sockets.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Signal } from 'tricord/otlp';
import type { Batch, Exporter, Offered, Processor } from '../../../collector/component.ts';
import { ExportLoop } from '../../../collector/export-loop.ts';
import type { Intake } from '../../../collector/factory.ts';
import { Ledger, type LedgerRow } from '../../../collector/ledger/ledger.ts';
import { Log } from '../../../collector/log.ts';
import type { Queue, QueueOptions } from '../../../collector/queue/queue.ts';
import { openQueue } from '../../../collector/queue/wal.ts';
import { Routes } from '../../../collector/routes.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { closedInTime } from '../queue/scratch.ts';
import { traceRequest } from '../requests.ts';

export interface RigOptions {
  readonly directory: string;
  /** By id. Each gets the batches of the receiver `otlp`, of all signals. */
  readonly exporters: Readonly<Record<string, Partial<Exporter>>>;
  readonly processors?: readonly Processor[];
  readonly queue?: Partial<QueueOptions>;
}

const idle = { start: async () => undefined, stop: async () => undefined, export: async () => undefined };
const retry = { initialMs: 1, maxMs: 1, multiplier: 1, randomization: 0, giveUpAfterMs: 0 };

export class Rig {
  readonly queue: Queue;
  readonly ledger: Ledger = new Ledger();
  readonly #intake: Intake;
  readonly #loops: ExportLoop[] = [];
  #over = false;

  private constructor(queue: Queue, { exporters, processors = [] }: RigOptions) {
    this.queue = queue;
    this.#intake = this.ledger.counting(queue);
    const steps = new Map(processors.map((processor, index) => [String(index), processor]));
    for (const [id, exporter] of Object.entries(exporters)) {
      const reader = queue.reader(id);
      const paths = [Signal.traces, Signal.metrics, Signal.logs].map(signal => ({
        receiver: 'otlp',
        signal,
        pipelines: ['all'],
        steps: [...steps.keys()],
        exporter: id,
      }));
      const routes = new Routes(paths, steps, this.ledger, this.ledger.book(id, reader));
      const context = { id, dataDir: '', log: new Log(() => undefined), telemetry: new SelfTelemetry() };
      this.#loops.push(new ExportLoop({ ...idle, retry, ...exporter }, reader, routes, context));
    }
  }

  static async open(t: TestContext, options: RigOptions): Promise<Rig> {
    const { directory, exporters, queue: more } = options;
    const queue = await openQueue({ directory, readers: Object.keys(exporters), ...more });
    const rig = new Rig(queue, options);
    closedInTime(t, () => rig.close());
    return rig;
  }

  /** As many spans as the batch says. */
  offer(items = 1, more: Partial<Batch> = {}): Promise<Offered> {
    const payload = traceRequest(Array.from({ length: items }, (_, index) => `span ${index}`));
    return this.#intake.offer({ signal: Signal.traces, source: 'otlp', payload, items, ...more });
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }

  /** Resolves when the exporters have had everything. */
  async drain(): Promise<void> {
    await Promise.all(this.#loops.map(loop => loop.drain()));
  }

  /** As a collector that stops while its exporters are not done. */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    for (const loop of this.#loops) loop.abort();
    await this.drain();
    await this.queue.close();
  }

  /** The row of this exporter, which has no gap. */
  row(exporter: string, receiver = 'otlp', signal = 'traces'): LedgerRow {
    const rows = this.ledger.rows();
    assert.deepEqual(
      rows.filter(({ gap }) => gap !== 0),
      [],
      'the ledger has a gap',
    );
    const row = rows.find(
      each => each.exporter === exporter && each.receiver === receiver && each.signal === signal,
    );
    assert.ok(row, `no row of ${exporter}`);
    return row;
  }
}
