// A collector under fire: a real process on a folder that outlives it, killed and started again, and what is seen of it.
import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerPage } from '../../../collector/web/self-routes.ts';
import { Peer } from './peer.ts';
import { collectorPlants } from './plants.ts';

const MIB = 1024 * 1024;
const STORE_MIB = 256;
const REQUESTS_MIB = 64;
const CAUGHT_UP_WITHIN_MS = 120_000;
const LOOK_MS = 100;
/** Rows that are not in files yet; as many are on their way there at most. */
const ROWS_MIB = 32;
/** Code and heap of the runtime and of the database. */
const REST_MIB = 256;

/** What the collector may take: what it is told that the database, requests and rows may, and the rest. */
export const COLLECTOR_MIB_MAX: number = STORE_MIB + REQUESTS_MIB + 2 * ROWS_MIB + REST_MIB;

/** All that is seen of the lives of one collector. */
export class RunningCollector {
  /** What the ledgers of all looks had of gaps, in items. */
  gap = 0;
  kills = 0;
  peakMiB = 0;
  /** Items that came again after they were durable, of all lives until their last looks. */
  duplicates = 0;
  readonly #dataDir: string;
  readonly #plant: string;
  #peer: Peer | undefined;
  #endpoints: Readonly<Record<string, string>> = {};

  constructor(dataDir: string, plant = 'none') {
    this.#dataDir = dataDir;
    this.#plant = Object.hasOwn(collectorPlants, plant) ? plant : 'none';
  }

  /** `host:port` of OTLP/gRPC and the stream; another one after each start. */
  get endpoint(): string {
    return this.#endpoints['otlp.grpc']!;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const free = '127.0.0.1:0';
    const settings = [
      `receivers.otlp.protocols.grpc.endpoint=${free}`,
      `receivers.otlp.protocols.http.endpoint=${free}`,
      `service.web.endpoint=${free}`,
      `service.requests.max_size=${REQUESTS_MIB}MiB`,
      `exporters.store.memory=${STORE_MIB}MiB`,
      `exporters.store.flush.bytes=${ROWS_MIB}MiB`,
    ];
    this.#peer = new Peer({
      file: 'test/faults/network/collector-child.ts',
      args: [this.#plant, '--data-dir', this.#dataDir, ...settings.flatMap(setting => ['--set', setting])],
      yields: true,
    });
    this.#endpoints = JSON.parse(await this.#peer.ask<string>('ready')).endpoints;
    await this.#look();
  }

  async #ledger(): Promise<LedgerPage> {
    const response = await fetch(`http://${this.#endpoints.web}/ledger`);
    return (await response.json()) as LedgerPage;
  }

  /** Until the store has all that is queued; a stop waits for it no longer than its timeout, and the rest stays in the queue. */
  async #caughtUp(): Promise<void> {
    const deadlineMs = performance.now() + CAUGHT_UP_WITHIN_MS;
    while ((await this.#ledger()).rows.some(({ queued }) => queued > 0)) {
      if (performance.now() > deadlineMs)
        throw new Error(`the store has not caught up within ${CAUGHT_UP_WITHIN_MS} ms`);
      await delay(LOOK_MS);
    }
  }

  /** At the ledger and the memory; gives the items that came again in this life. */
  async #look(): Promise<number> {
    const { rows, intake } = await this.#ledger();
    this.gap += rows.reduce((sum, row) => sum + Math.abs(row.gap), 0);
    const peak = await this.#peer!.ask<number>('peakRssBytes');
    this.peakMiB = Math.max(this.peakMiB, peak / MIB);
    return intake.reduce((sum, { duplicates }) => sum + duplicates, 0);
  }

  /** SIGKILL, after a look. */
  async kill(): Promise<void> {
    this.duplicates += await this.#look();
    this.kills++;
    await this.#peer!.end('SIGKILL');
  }

  /** SIGTERM when all is stored, after a look: everything is in the files of the store then. @throws Error when it fails */
  async stop(): Promise<void> {
    await this.#caughtUp();
    this.duplicates += await this.#look();
    const { code, signal } = await this.#peer!.end('SIGTERM');
    if (code !== 0) throw new Error(`the collector ended with ${signal ?? `exit code ${code}`}`);
  }

  /** Ends whatever runs. */
  async discard(): Promise<void> {
    const { process } = this.#peer ?? {};
    if (process !== undefined && process.exitCode === null && process.signalCode === null)
      await this.#peer!.end('SIGKILL');
  }
}
