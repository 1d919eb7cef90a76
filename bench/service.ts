// The service of `http`, `startup` and `memory`: with an agent in front of it or none, under load, everything counted.
import type { LoadOrder, LoadReport } from './children/http-load.ts';
import { Core, pin } from './cores.ts';
import { minutes } from './duration.ts';
import { type Receiver, type ReceiverName, receiving } from './receiver.ts';
import { VoidRun } from './scenario.ts';
import { ENDS_WITHIN_MS, Workload } from './workload.ts';

export type Framework = 'express' | 'fastify' | 'bare';
export type ServiceAgent = 'none' | 'tricord' | 'opentelemetry' | 'dd-trace';

export interface ServiceOptions {
  readonly framework: Framework;
  readonly agent: ServiceAgent;
  /** Head sampling probability. */
  readonly sampled: number;
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

interface AgentSetup {
  /** The agent's own entry for applications that know nothing of it. */
  readonly entry: string | undefined;
  readonly receiver: ReceiverName;
  readonly environment: (sampled: number) => Readonly<Record<string, string>>;
}

const openTelemetrySampler = (sampled: number): Record<string, string> => ({
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: String(sampled),
  // The same for both, so that as many collections fall into each measurement.
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
});

const setups: Readonly<Record<ServiceAgent, AgentSetup>> = {
  none: { entry: undefined, receiver: 'none', environment: () => ({}) },
  tricord: { entry: 'tricord/register', receiver: 'collector', environment: openTelemetrySampler },
  opentelemetry: {
    entry: '@opentelemetry/auto-instrumentations-node/register',
    receiver: 'collector',
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
const endsWithinMs = ENDS_WITHIN_MS + minutes(0) * 60_000;

export const receiverOf = (agent: ServiceAgent): ReceiverName => setups[agent].receiver;

export class Service {
  readonly listening: Listening;
  /** From just before the process was started until it said that it listens. */
  readonly startMs: number;
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

  static async start({ framework, agent, sampled }: ServiceOptions, receiver: Receiver): Promise<Service> {
    const { entry, environment } = setups[agent];
    const startedMs = performance.now();
    const workload = new Workload({
      entry: 'children/http-service.cjs',
      settings: { framework },
      env: { ...receiver.environment, ...environment(sampled) },
      endsWithinMs,
      execArgv: entry === undefined ? [] : ['--require', entry],
    });
    try {
      const listening = await workload.next<Listening>('listening');
      return new Service(workload, listening, performance.now() - startedMs);
    } catch (error) {
      await workload.kill();
      throw error;
    }
  }

  private constructor(workload: Workload, listening: Listening, startMs: number) {
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

  async stop(): Promise<void> {
    await this.#generator?.kill();
    await this.#workload.kill();
  }

  #startGenerator(): Workload {
    if (this.#generator !== undefined) return this.#generator;
    this.#generator = new Workload({ entry: 'children/http-load.ts', endsWithinMs });
    pin(this.#workload.process.pid!, Core.service);
    pin(this.#generator.process.pid!, Core.others);
    return this.#generator;
  }
}
