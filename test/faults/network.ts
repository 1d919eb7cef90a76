// Breaks the network between agents and the collector, and kills the collector, while applications answer requests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, seededRandom } from '../collector/queue/memory-disk.ts';
import { missing, superfluous, unaccounted } from './network/account.ts';
import { FaultProxy } from './network/fault-proxy.ts';
import { type Latency, latencyOf } from './network/latency.ts';
import { Load } from './network/load.ts';
import { collectorPlants } from './network/plants.ts';
import { COLLECTOR_MIB_MAX, RunningCollector } from './network/running-collector.ts';
import { AGENT_MIB_MAX, Service } from './network/service.ts';
import type { ServiceReport } from './network/service-child.ts';
import { contentsOf, type StoreContents } from './network/store-contents.ts';
import { disturb } from './network/unrest.ts';
import { type Command, type FaultScenario, type Outcome, type PromiseOutcome, repeated } from './scenario.ts';

const SERVICES = 2;
const REQUESTS_PER_SECOND = 400;
const ID_LENGTH = 16;
const WHOLE_SECONDS = 600;
/** A round: some time without faults, then some time with them. */
const ROUND_SECONDS = 60;
const CALM_SHARE = 0.3;
const SECONDS_PER_KILL = 9;
const DOWN_SECONDS_MAX = 3;
const WARM_UP_SECONDS = 10;
/** A back-off of the agent's is 30 s at most, and connections found dead take 20 s. */
const DRAINED_WITHIN_MS = 60_000;
/** Spans that an agent holds at rest: those of a tenth of a second. */
const PENDING_AT_REST = REQUESTS_PER_SECOND / SERVICES;
const P99_RATIO_MAX = 1.2;

export const scenario: FaultScenario = {
  about: 'agents under load through a network of faults, and a collector that is killed',
  parts: [],
  plants: Object.keys(collectorPlants),
  async run(command: Command, tell): Promise<Outcome> {
    const dataDir = await mkdtemp(join(tmpdir(), 'tricord-network-'));
    const run = new NetworkRun(command, dataDir, tell);
    try {
      return outcomeOf(command, await run.result());
    } finally {
      await run.discard();
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};

interface Result {
  readonly calm: Latency;
  readonly faulty: Latency;
  readonly failed: number;
  readonly faults: number;
  readonly connections: number;
  readonly foundDead: number;
  readonly reports: readonly ServiceReport[];
  readonly addedMiB: number;
  readonly diedServices: number;
  readonly collector: RunningCollector;
  readonly contents: StoreContents;
}

class NetworkRun {
  readonly #seconds: number;
  readonly #random: Random;
  readonly #seed: number;
  readonly #collector: RunningCollector;
  readonly #tell: (line: string) => void;
  readonly #dataDir: string;
  readonly #proxies: FaultProxy[] = [];
  readonly #services: Service[] = [];
  #load: Load | undefined;
  #faults = 0;

  constructor({ seed, budget, plant }: Command, dataDir: string, tell: (line: string) => void) {
    this.#seconds = (WHOLE_SECONDS * budget) / 100;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#collector = new RunningCollector(dataDir, plant);
    this.#dataDir = dataDir;
    this.#tell = tell;
  }

  async result(): Promise<Result> {
    await this.#start();
    const load = this.#load!;
    const rounds = Math.max(1, Math.round(this.#seconds / ROUND_SECONDS));
    for (let round = 1; round <= rounds; round++) {
      const seconds = this.#seconds / rounds;
      await this.#settle(load);
      await load.stay('calm', seconds * CALM_SHARE);
      if (round === 1) await Promise.all(this.#services.map(service => service.rest()));
      await load.enter('faulty');
      await this.#trouble(seconds * (1 - CALM_SHARE));
      await load.enter('settling');
      this.#tell(
        `round ${round} of ${rounds}: ${this.#faults} faults, ${this.#collector.kills} kills so far`,
      );
    }
    return this.#end(load);
  }

  async #start(): Promise<void> {
    await this.#collector.start();
    for (let number = 1; number <= SERVICES; number++) {
      const proxy = await FaultProxy.before(this.#collector.endpoint, this.#seed + number);
      this.#proxies.push(proxy);
      this.#services.push(await Service.start(`service ${number}`, proxy.endpoint));
    }
    const ports = this.#services.map(({ port }) => port);
    this.#load = await Load.start({ ports, perSecond: REQUESTS_PER_SECOND, idLength: ID_LENGTH }, 'settling');
    await delay(1000 * Math.min(WARM_UP_SECONDS, this.#seconds / 4));
  }

  async #settle(load: Load): Promise<void> {
    await load.enter('settling');
    await Promise.all(this.#services.map(service => service.drained(PENDING_AT_REST, DRAINED_WITHIN_MS)));
  }

  /** Faults of each proxy by a sequence of its own, and kills of the collector, all at the same time. */
  async #trouble(seconds: number): Promise<void> {
    const unrest = this.#proxies.map(proxy =>
      disturb(proxy, seededRandom(Math.floor(this.#random() * 2 ** 32)), seconds),
    );
    const [, ...counts] = await Promise.all([this.#kill(seconds), ...unrest]);
    this.#faults += counts.reduce((sum, count) => sum + count, 0);
  }

  async #kill(seconds: number): Promise<void> {
    const kills = Math.max(1, Math.round(seconds / SECONDS_PER_KILL));
    const share = (1000 * seconds) / kills;
    const startedMs = performance.now();
    for (let kill = 0; kill < kills; kill++) {
      const atMs = startedMs + share * (kill + 0.4 + 0.4 * this.#random());
      await delay(Math.max(0, atMs - performance.now()));
      await this.#collector.kill();
      await delay(Math.min(DOWN_SECONDS_MAX * 1000, share / 4) * this.#random());
      await this.#collector.start();
      for (const proxy of this.#proxies) proxy.target = this.#collector.endpoint;
    }
  }

  async #end(load: Load): Promise<Result> {
    await load.stop();
    const reports = await Promise.all(this.#services.map(service => service.flushed(DRAINED_WITHIN_MS)));
    const left = await Promise.all(this.#services.map(service => service.leave()));
    await this.#collector.stop();
    return {
      calm: latencyOf(load.slices('calm')),
      faulty: latencyOf(load.slices('faulty')),
      failed: latencyOf(load.all()).failed,
      faults: this.#faults,
      connections: this.#proxies.reduce((sum, { connections }) => sum + connections, 0),
      foundDead: this.#proxies.reduce((sum, { abandoned }) => sum + abandoned, 0),
      reports,
      addedMiB: Math.max(...reports.map((report, at) => this.#services[at]!.addedMiB(report))),
      diedServices: left.filter(orderly => !orderly).length,
      collector: this.#collector,
      contents: await contentsOf(this.#dataDir),
    };
  }

  /** Ends all that still runs. */
  async discard(): Promise<void> {
    this.#load?.discard();
    for (const service of this.#services) service.discard();
    for (const proxy of this.#proxies) proxy.close();
    await this.#collector.discard();
  }
}

function outcomeOf(command: Command, result: Result): Outcome {
  const { calm, faulty, reports, collector, contents } = result;
  const sum = (value: (report: ServiceReport) => number): number =>
    reports.reduce((all, report) => all + value(report), 0);
  const { spans, logs, samples } = contents;
  return {
    figures: {
      calm: { ...calm },
      faulty: { ...faulty },
      network: {
        faults: result.faults,
        kills: collector.kills,
        connections: result.connections,
        'found dead': result.foundDead,
      },
      agents: {
        accepted: sum(({ stats }) => stats.signals.traces.accepted + stats.signals.logs.accepted),
        delivered: sum(({ stats }) => stats.signals.traces.delivered + stats.signals.logs.delivered),
        batches: sum(({ stats }) => stats.batchesSent),
        resent: sum(({ stats }) => stats.batchesResent),
        'MiB added': result.addedMiB,
      },
      collector: {
        rows: spans.rows + logs.rows + samples.rows,
        'came again': collector.duplicates,
        MiB: collector.peakMiB,
      },
    },
    ...repeated(command, promisesOf(command, result)),
    skipped: {},
  };
}

const none = { atMost: 0 };

function promisesOf({ budget }: Command, result: Result): PromiseOutcome[] {
  const { reports, contents, collector } = result;
  const resent = reports.reduce((sum, { stats }) => sum + stats.batchesResent, 0);
  const always: PromiseOutcome[] = [
    {
      name: 'acknowledged items lost',
      value: missing(reports, 'delivered', contents),
      target: none,
    },
    { name: 'accepted items not stored', value: missing(reports, 'accepted', contents), target: none },
    { name: 'items stored twice', value: superfluous(reports, contents), target: none },
    { name: "gap in the collector's ledger", value: collector.gap, target: none },
    { name: "items missing in the agents' accounts", value: unaccounted(reports), target: none },
    { name: 'requests that failed', value: result.failed, target: none },
    { name: 'applications that did not end in order', value: result.diedServices, target: none },
    {
      name: 'transport threads that died',
      value: reports.reduce((sum, { stats }) => sum + stats.deaths, 0),
      target: none,
    },
    {
      name: "MiB added to an application's memory",
      value: result.addedMiB,
      target: { atMost: AGENT_MIB_MAX },
    },
    { name: 'MiB of the collector', value: collector.peakMiB, target: { atMost: COLLECTOR_MIB_MAX } },
  ];
  const whole: PromiseOutcome[] = [
    {
      name: 'p99 with faults, times without',
      value: result.faulty.p99Ms / result.calm.p99Ms,
      target: { atMost: P99_RATIO_MAX },
    },
    { name: 'kills of the collector', value: collector.kills, target: { atLeast: 30 } },
    { name: 'faults of the network', value: result.faults, target: { atLeast: 100 } },
    { name: 'batches that came again', value: resent, target: { atLeast: 100 } },
    { name: 'black holes found by keep-alive', value: result.foundDead, target: { atLeast: 1 } },
  ];
  return budget === 100 ? [...always, ...whole] : always;
}
