// Takes the collector away from an application under load, for long, and looks at what its absence has cost.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '../../src/limits.ts';
import { seededRandom } from '../collector/queue/memory-disk.ts';
import { droppedBy, missing, superfluous, unaccounted } from './network/account.ts';
import { FaultProxy } from './network/fault-proxy.ts';
import { type Latency, latencyOf } from './network/latency.ts';
import { Load } from './network/load.ts';
import { agentPlants } from './network/plants.ts';
import { COLLECTOR_MIB_MAX, RunningCollector } from './network/running-collector.ts';
import { AGENT_MIB_MAX, Service } from './network/service.ts';
import type { ServiceReport } from './network/service-child.ts';
import { contentsOf, type Estimate, estimateOf, type StoreContents } from './network/store-contents.ts';
import { type Command, type FaultScenario, type Outcome, type PromiseOutcome, repeated } from './scenario.ts';

const REQUESTS_PER_SECOND = 2000;
const ID_LENGTH = 16;
/** Of runs with less than so many percent. */
const LONG_ID = 600;
const SHORT_PERCENT = 5;
const WHOLE_SECONDS = 600;
const BEFORE_SHARE = 0.2;
const BEFORE_SECONDS_MIN = 2;
const SLICE_SECONDS = 10;
/** A back-off of 30 s at most, and the way of all that was kept. */
const DRAINED_WITHIN_MS = 90_000;
/** Spans that an agent holds at rest: those of a tenth of a second. */
const PENDING_AT_REST = REQUESTS_PER_SECOND / 2;
const P99_RATIO_MAX = 1.2;
const OFF_PERCENT_MAX = 2;
/** What chance may add to that where there is little to count. */
const STANDARD_ERRORS = 4;

export const scenario: FaultScenario = {
  about: 'an application at 2,000 requests a second, and the collector away',
  parts: [],
  plants: Object.keys(agentPlants),
  async run(command: Command, tell): Promise<Outcome> {
    const dataDir = await mkdtemp(join(tmpdir(), 'tricord-down-'));
    const run = new DownRun(command, dataDir, tell);
    try {
      return outcomeOf(command, await run.result());
    } finally {
      await run.discard();
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};

interface Result {
  readonly before: Latency;
  readonly outage: Latency;
  readonly all: Latency;
  readonly report: ServiceReport;
  readonly addedMiB: number;
  readonly orderly: boolean;
  readonly collector: RunningCollector;
  readonly contents: StoreContents;
  readonly estimates: { readonly spans: Estimate; readonly logs: Estimate };
}

class DownRun {
  readonly #command: Command;
  readonly #dataDir: string;
  readonly #tell: (line: string) => void;
  readonly #collector: RunningCollector;
  #proxy: FaultProxy | undefined;
  #service: Service | undefined;
  #load: Load | undefined;

  constructor(command: Command, dataDir: string, tell: (line: string) => void) {
    this.#command = command;
    this.#dataDir = dataDir;
    this.#tell = tell;
    this.#collector = new RunningCollector(dataDir, command.plant);
  }

  async result(): Promise<Result> {
    const seconds = (WHOLE_SECONDS * this.#command.budget) / 100;
    const { service, load, proxy } = await this.#start();
    await inSlices(load, 'before', Math.max(BEFORE_SECONDS_MIN, BEFORE_SHARE * seconds));
    await service.rest();
    await load.enter('leaving');
    await this.#away();
    this.#tell(`the collector is away for ${seconds} s`);
    await inSlices(load, 'outage', seconds);
    await load.enter('after');
    await this.#collector.start();
    proxy.target = this.#collector.endpoint;
    await service.drained(PENDING_AT_REST, DRAINED_WITHIN_MS);
    await load.stop();
    return this.#end(service, load);
  }

  /** In front of the collector, which is at another port after its restart, stands a proxy that does nothing. */
  async #start(): Promise<{ service: Service; load: Load; proxy: FaultProxy }> {
    const { seed, plant, budget } = this.#command;
    await this.#collector.start();
    const proxy = await FaultProxy.before(this.#collector.endpoint, seed);
    this.#proxy = proxy;
    // A short absence must fill the buffers, too; they cannot be as short as it, so a very short one gets more to hold.
    const resendBytes = Math.max(limits.resend_bytes_min, (limits.resend_bytes_default * budget) / 100);
    const env = { TRICORD_RESEND_BYTES: String(Math.ceil(resendBytes)) };
    const service = await Service.start('service', proxy.endpoint, { plant, env });
    this.#service = service;
    const order = {
      ports: [service.port],
      perSecond: REQUESTS_PER_SECOND,
      idLength: budget < SHORT_PERCENT ? LONG_ID : ID_LENGTH,
    };
    const load = await Load.start(order, 'warm-up');
    this.#load = load;
    await load.stay('warm-up', BEFORE_SECONDS_MIN);
    return { service, load, proxy };
  }

  /** One way or the other, as chance has it. */
  async #away(): Promise<void> {
    if (seededRandom(this.#command.seed)() < 0.5) await this.#collector.stop();
    else await this.#collector.kill();
  }

  async #end(service: Service, load: Load): Promise<Result> {
    const report = await service.flushed(DRAINED_WITHIN_MS);
    const orderly = await service.leave();
    await this.#collector.stop();
    return {
      before: latencyOf(load.slices('before')),
      outage: latencyOf(load.slices('outage')),
      all: latencyOf(load.all()),
      report,
      addedMiB: service.addedMiB(report),
      orderly,
      collector: this.#collector,
      contents: await contentsOf(this.#dataDir),
      estimates: {
        spans: await estimateOf(this.#dataDir, 'spans'),
        logs: await estimateOf(this.#dataDir, 'logs'),
      },
    };
  }

  /** Ends all that still runs. */
  async discard(): Promise<void> {
    this.#load?.discard();
    this.#service?.discard();
    this.#proxy?.close();
    await this.#collector.discard();
  }
}

const inSlices = (load: Load, phase: string, seconds: number): Promise<void> =>
  load.stay(phase, seconds, Math.ceil(seconds / SLICE_SECONDS));

function outcomeOf(command: Command, result: Result): Outcome {
  const { report, contents, estimates, collector } = result;
  const account = (signal: 'traces' | 'logs') => {
    const { accepted, delivered, leftOut } = report.stats.signals[signal];
    return { accepted, delivered, 'left out': leftOut, dropped: droppedBy(report, signal) };
  };
  return {
    figures: {
      before: { ...result.before },
      outage: { ...result.outage },
      spans: { ...account('traces'), rows: contents.spans.rows, estimated: estimates.spans.items },
      logs: { ...account('logs'), rows: contents.logs.rows, estimated: estimates.logs.items },
      application: { answered: report.requests, 'MiB added': result.addedMiB },
      collector: { MiB: collector.peakMiB },
    },
    ...repeated(command, promisesOf(command, result)),
    skipped: {},
  };
}

const none = { atMost: 0 };

function promisesOf({ budget }: Command, result: Result): PromiseOutcome[] {
  const { report, contents, collector, all, estimates } = result;
  const whole = budget === 100;
  const off = (name: string, { items, error }: Estimate, truth: number): PromiseOutcome => {
    const byChance = whole ? 0 : (100 * STANDARD_ERRORS * error) / truth;
    const value = (100 * Math.abs(items - truth)) / truth;
    return { name: `estimated ${name} off by, %`, value, target: { atMost: OFF_PERCENT_MAX + byChance } };
  };
  const always: PromiseOutcome[] = [
    { name: 'requests that failed', value: all.failed, target: none },
    { name: 'applications that did not end in order', value: result.orderly ? 0 : 1, target: none },
    { name: 'transport threads that died', value: report.stats.deaths, target: none },
    {
      name: "MiB added to the application's memory",
      value: result.addedMiB,
      target: { atMost: AGENT_MIB_MAX },
    },
    { name: 'MiB of the collector', value: collector.peakMiB, target: { atMost: COLLECTOR_MIB_MAX } },
    off('spans', estimates.spans, report.requests),
    off('lines of log', estimates.logs, report.lines),
    { name: "items missing in the agent's account", value: unaccounted([report]), target: none },
    { name: 'accepted items not stored', value: missing([report], 'accepted', contents), target: none },
    { name: 'items stored twice', value: superfluous([report], contents), target: none },
    { name: "gap in the collector's ledger", value: collector.gap, target: none },
    {
      name: 'spans left out for want of room',
      value: report.stats.signals.traces.leftOut,
      target: { atLeast: 1 },
    },
  ];
  if (!whole) return always;
  const ratio = result.outage.p99Ms / result.before.p99Ms;
  return [
    ...always,
    { name: 'p99 without the collector, times with', value: ratio, target: { atMost: P99_RATIO_MAX } },
  ];
}
