// The service of `http`, `startup` and `memory`: with an agent in front of it or none, under load, everything counted.
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadOrder, LoadReport } from './children/http-load.ts';
import { Core, pin } from './cores.ts';
import { SERVICE_MS_MAX } from './duration.ts';
import { type Receiver, type ReceiverName, receiving } from './receiver.ts';
import { VoidRun } from './scenario.ts';
import { Workload } from './workload.ts';

export type Framework = 'express' | 'fastify' | 'bare';
export type ServiceAgent = 'none' | 'tricord' | 'opentelemetry' | 'dd-trace';

export interface ServiceOptions {
  readonly framework: Framework;
  readonly agent: ServiceAgent;
  /** Head sampling probability. */
  readonly sampled: number;
  /** Options of the runtime. */
  readonly execArgv?: readonly string[];
  /** Variables beside those of the agent. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a service has used since its start. */
export interface ServiceUsage {
  readonly processMicros: number;
  readonly mainMicros: number;
  readonly rssBytes: number;
}

interface Listening {
  readonly port: number;
  /** From the start of the runtime in the process; milliseconds. */
  readonly sinceStartMs: number;
}

/** Under load, and until everything that the agent held back is done: per request, and as if the core had done only that. */
export interface Turnover extends LoadReport {
  readonly processMicros: number;
  readonly mainMicros: number;
  /** Requests that one core answers, and does the agent's work for. */
  readonly perCoreSecond: number;
}

interface AgentSetup {
  /** The agent's own entry for applications that know nothing of it. */
  readonly entry: string | undefined;
  readonly receiver: ReceiverName;
  /** How long it may hold back what it has to send. */
  readonly holdsBackMs: number;
  readonly environment: (sampled: number) => Readonly<Record<string, string>>;
}

const openTelemetrySampler = (sampled: number): Record<string, string> => ({
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: String(sampled),
  // The same for both, so that as many collections fall into each measurement.
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
});

const setups: Readonly<Record<ServiceAgent, AgentSetup>> = {
  none: { entry: undefined, receiver: 'none', holdsBackMs: 0, environment: () => ({}) },
  tricord: {
    entry: 'tricord/register',
    receiver: 'collector',
    holdsBackMs: 1000,
    environment: openTelemetrySampler,
  },
  opentelemetry: {
    entry: '@opentelemetry/auto-instrumentations-node/register',
    receiver: 'collector',
    // Five seconds for less than 512 spans or records, which are not waited for; it sends whole batches at once.
    holdsBackMs: 1000,
    environment: sampled => ({
      ...openTelemetrySampler(sampled),
      // Without those that ask a cloud over the network.
      OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os,process',
      OTEL_SEMCONV_STABILITY_OPT_IN: 'http',
      // The defaults of 2048 drop under this load, and a run that drops is void.
      OTEL_BSP_MAX_QUEUE_SIZE: '65536',
      OTEL_BLRP_MAX_QUEUE_SIZE: '65536',
    }),
  },
  'dd-trace': {
    entry: 'dd-trace/init',
    receiver: 'trace agent',
    holdsBackMs: 2000,
    environment: sampled => ({
      DD_TRACE_SAMPLE_RATE: String(sampled),
      DD_LOGS_INJECTION: 'true',
      // What would speak to others than the trace agent.
      DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
      DD_REMOTE_CONFIGURATION_ENABLED: 'false',
      DD_TRACE_STARTUP_LOGS: 'false',
    }),
  },
};

const CONNECTIONS = 32;
/** A service that uses less of its core than this is done. */
const IDLE_SHARE_MAX = 0.05;
const LOOK_EVERY_MS = 100;
const SETTLES_WITHIN_MS = 8000;

export const receiverOf = (agent: ServiceAgent): ReceiverName => setups[agent].receiver;

export class Service {
  readonly listening: Listening;
  /** From just before the process was started until it said that it listens. */
  readonly startMs: number;
  readonly #holdsBackMs: number;
  readonly #workload: Workload;
  #generator: Workload | undefined;
  #requests = 0;

  /** Runs `use` with a service and a receiver of its own, and then demands that everything about its requests arrives. */
  static during<T>(options: ServiceOptions, use: (service: Service) => Promise<T>): Promise<T> {
    return receiving(receiverOf(options.agent), async receiver => {
      const service = await Service.start(options, receiver);
      try {
        const result = await use(service);
        await receiver.requireAll(service.#requests, options.sampled);
        return result;
      } finally {
        await service.stop();
      }
    });
  }

  static async start(options: ServiceOptions, receiver: Receiver): Promise<Service> {
    const { framework, agent, sampled, execArgv = [], env = {} } = options;
    const { entry, environment } = setups[agent];
    const startedMs = performance.now();
    const workload = new Workload({
      entry: 'children/http-service.cjs',
      settings: { framework },
      env: { ...receiver.environment, ...environment(sampled), ...env },
      endsWithinMs: SERVICE_MS_MAX,
      execArgv: [...execArgv, ...(entry === undefined ? [] : ['--require', entry])],
    });
    try {
      const listening = await workload.next<Listening>('listening');
      return new Service(workload, listening, performance.now() - startedMs, setups[agent].holdsBackMs);
    } catch (error) {
      await workload.kill();
      throw error;
    }
  }

  private constructor(workload: Workload, listening: Listening, startMs: number, holdsBackMs: number) {
    this.#holdsBackMs = holdsBackMs;
    this.#workload = workload;
    this.listening = listening;
    this.startMs = startMs;
  }

  async usage(): Promise<ServiceUsage> {
    this.#workload.send('usage');
    return this.#workload.next<ServiceUsage>('usage');
  }

  /**
   * Asks over 32 keep-alive connections, from another process and core: as fast as it answers, or at a rate.
   * @throws VoidRun when a request fails
   */
  async load(seconds: number, perSecond?: number): Promise<LoadReport> {
    const generator = this.#startGenerator();
    const order: LoadOrder = { port: this.listening.port, connections: CONNECTIONS, seconds, perSecond };
    generator.send('load', order);
    const report = await generator.next<LoadReport>('loaded');
    if (report.failed > 0) throw new VoidRun(`${report.failed} of ${report.answered} requests failed`);
    this.#requests += report.answered;
    return report;
  }

  /** The load, and what it cost with all that the agent has to do for it, also what it does later. */
  async turnover(seconds: number, perSecond?: number): Promise<Turnover> {
    const before = await this.usage();
    const report = await this.load(seconds, perSecond);
    const loaded = await this.usage();
    const after = await this.#settled(loaded);
    const laterSeconds = (after.processMicros - loaded.processMicros) / 1e6;
    return {
      ...report,
      processMicros: (after.processMicros - before.processMicros) / report.answered,
      mainMicros: (after.mainMicros - before.mainMicros) / report.answered,
      perCoreSecond: report.answered / (report.seconds + laterSeconds),
    };
  }

  /** Waits until the agent has nothing left to do. @throws VoidRun when it never ends */
  async #settled(loaded: ServiceUsage): Promise<ServiceUsage> {
    const since = performance.now();
    let last = loaded;
    for (;;) {
      await delay(LOOK_EVERY_MS);
      const usage = await this.usage();
      const share = (usage.processMicros - last.processMicros) / (LOOK_EVERY_MS * 1000);
      last = usage;
      const waitedMs = performance.now() - since;
      if (share < IDLE_SHARE_MAX && waitedMs > this.#holdsBackMs + LOOK_EVERY_MS) return usage;
      if (waitedMs > SETTLES_WITHIN_MS) throw new VoidRun('it did not come to rest after the load');
    }
  }

  async stop(): Promise<void> {
    await this.#generator?.kill();
    await this.#workload.kill();
  }

  #startGenerator(): Workload {
    if (this.#generator !== undefined) return this.#generator;
    this.#generator = new Workload({ entry: 'children/http-load.ts', endsWithinMs: SERVICE_MS_MAX });
    pin(this.#workload.process.pid!, Core.service);
    pin(this.#generator.process.pid!, Core.others);
    return this.#generator;
  }
}
