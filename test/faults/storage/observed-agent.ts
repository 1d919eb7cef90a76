// A process with the agent beside the senders, and what must be in the store of its spans.
import { promise } from '../../collector/queue/breach.ts';
import { Maker } from '../../end-to-end/maker.ts';
import { type Collector, eventually, type FoundSpan } from '../../end-to-end/stack.ts';

export class ObservedAgent {
  readonly #maker: Maker;
  #traceId = '';

  private constructor(maker: Maker) {
    this.#maker = maker;
  }

  static async start(
    { endpoints }: Collector,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ObservedAgent> {
    const agent = new ObservedAgent(new Maker(endpoints.grpc, { SPANS_PER_TICK: '1', ...env }));
    agent.#traceId = (await agent.#maker.next()).traceId;
    return agent;
  }

  /**
   * Stops it, and gives its spans, the one above all others among them.
   * @throws Breach unless each is in the collector's store, once
   */
  async stop(collector: Collector): Promise<readonly FoundSpan[]> {
    const { made, flushed, traces } = await this.#maker.stop();
    const dropped = Object.values(traces.dropped as Record<string, number>).reduce((sum, one) => sum + one);
    promise(
      flushed === true && traces.lost === 0,
      'stuck',
      `the agent could not deliver ${traces.pending + traces.lost}`,
    );
    return await eventually(async () => {
      const spans = await collector.trace(this.#traceId);
      const numbers = new Set(spans.map(({ spanId }) => spanId));
      promise(numbers.size === spans.length, 'twice', `${spans.length - numbers.size} of the agent's spans`);
      const missing = made + 1 - dropped - spans.length;
      promise(missing <= 0, 'lost', `${missing} of the agent's ${made + 1} spans`);
      return spans;
    });
  }

  kill(): void {
    this.#maker.kill();
  }
}
