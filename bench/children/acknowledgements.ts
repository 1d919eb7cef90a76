// What was acknowledged, and after how long each: rates and quantiles of a workload that waits for its disk or its receiver.
import { performance } from 'node:perf_hooks';
import type { Figures } from '../scenario.ts';
import { quantile } from '../statistics.ts';
import type { ExportRequest } from './stream-request.ts';

export class Acknowledgements {
  readonly #request: ExportRequest;
  #waitsMs: number[] = [];
  #elapsedMs = 0;

  /** @param request what each of them is for */
  constructor(request: ExportRequest) {
    this.#request = request;
  }

  get count(): number {
    return this.#waitsMs.length;
  }

  /** Forgets the warm-up. */
  restart(): void {
    this.#waitsMs = [];
    this.#elapsedMs = 0;
  }

  /** One after another by each of `producers`, for so long, and at least one; what is under way then counts. */
  async during(durationMs: number, producers: number, acknowledge: () => Promise<void>): Promise<void> {
    const startedMs = performance.now();
    const produce = async (): Promise<void> => {
      do await this.#one(acknowledge);
      while (performance.now() - startedMs < durationMs);
    };
    await Promise.all(Array.from({ length: producers }, produce));
    this.#elapsedMs += performance.now() - startedMs;
  }

  figures(): Figures {
    const perSecond = (this.#waitsMs.length / this.#elapsedMs) * 1000;
    return {
      mbPerSecond: (perSecond * this.#request.bytes.length) / 1e6,
      itemsPerSecond: perSecond * this.#request.items,
      p50Ms: quantile(this.#waitsMs, 0.5),
      p99Ms: quantile(this.#waitsMs, 0.99),
    };
  }

  async #one(acknowledge: () => Promise<void>): Promise<void> {
    const sinceMs = performance.now();
    await acknowledge();
    this.#waitsMs.push(performance.now() - sinceMs);
  }
}
