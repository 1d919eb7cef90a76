// The application under the agent as a process of its own: started, asked, and let go.
import { join } from 'node:path';
import { limits } from '../../../src/limits.ts';
import { root } from '../../source-tree.ts';
import { Peer } from './peer.ts';
import { agentPlants } from './plants.ts';
import type { ServiceReport } from './service-child.ts';

const MIB = 1024 * 1024;
/** Heap that is collected later than at rest, and what sockets hold. */
const SLACK_MIB = 40;

/** What the agent's buffers may add to the application's memory. */
export const AGENT_MIB_MAX: number =
  (limits.ring_bytes_default + limits.resend_bytes_default) / MIB + SLACK_MIB;

const registerFile = join(root, 'src/register.ts');
const plantingFile = join(root, 'test/faults/network/agent-child.ts');
/** Batches go early, so that there are many on their way when a connection breaks. */
const LINGER_MS = '50';
const PENDING_LOOK_MS = 50;

export class Service {
  readonly port: number;
  readonly #peer: Peer;
  /** At rest. */
  #calmRssBytes = Number.POSITIVE_INFINITY;

  private constructor(peer: Peer, port: number) {
    this.#peer = peer;
    this.port = port;
  }

  /** @param collector `host:port` */
  static async start(
    name: string,
    collector: string,
    {
      plant,
      env = {},
    }: { readonly plant?: string | undefined; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Service> {
    const planted = plant !== undefined && Object.hasOwn(agentPlants, plant);
    const peer = new Peer({
      file: 'test/faults/network/service-child.ts',
      flags: ['--require', planted ? plantingFile : registerFile],
      env: {
        OTEL_SERVICE_NAME: name,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector}`,
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        // What is missing is counted: nothing may be left out for its own sake.
        OTEL_TRACES_SAMPLER: 'parentbased_always_on',
        TRICORD_TRACES_LINGER: LINGER_MS,
        TRICORD_LOGS_LINGER: LINGER_MS,
        ...(planted && { FAULT_PLANT: plant }),
        ...env,
      },
    });
    return new Service(peer, await peer.ask<number>('listen'));
  }

  report(): Promise<ServiceReport> {
    return this.#peer.ask<ServiceReport>('report');
  }

  /** Its memory is what it takes at rest. */
  async rest(): Promise<void> {
    this.#calmRssBytes = (await this.report()).rssBytes;
  }

  /** What there was at most above rest. */
  addedMiB({ peakRssBytes }: ServiceReport): number {
    return Math.max(0, peakRssBytes - this.#calmRssBytes) / MIB;
  }

  /** Resolves when the agent is connected and holds no more spans than so many. @throws Error when it never does */
  async drained(spansMax: number, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const { stats } = await this.report();
      if (stats.connected && stats.signals.traces.pending <= spansMax) return;
      if (performance.now() > deadline)
        throw new Error(`the agent still holds ${stats.signals.traces.pending} spans: ${stats.lastFailure}`);
      await new Promise(resolve => setTimeout(resolve, PENDING_LOOK_MS));
    }
  }

  /** Flushes as often as it takes within the time; the last account. */
  async flushed(withinMs: number): Promise<ServiceReport> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const report = await this.#peer.ask<ServiceReport>('flush');
      const pending = Object.values(report.stats.signals).reduce((sum, signal) => sum + signal.pending, 0);
      if (pending === 0 || performance.now() > deadline) return report;
    }
  }

  /** Lets it end by itself: true when it did so in order. */
  async leave(): Promise<boolean> {
    await this.#peer.ask('leave');
    const { code } = await this.#peer.ended;
    return code === 0;
  }

  discard(): void {
    this.#peer.process.kill('SIGKILL');
  }
}
