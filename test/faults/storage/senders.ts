// Clients that send spans of one trace over OTLP/HTTP, each one after another, and remember what each was answered.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { promise } from '../../collector/queue/breach.ts';
import { type Collector, eventually } from '../../end-to-end/stack.ts';

const retryMs = 50;

export interface Acknowledged {
  readonly spanId: string;
  /** Readings of `performance.now()`. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export class Senders {
  readonly traceId = randomBytes(16).toString('hex');
  readonly acknowledged: Acknowledged[] = [];
  refusals = 0;
  readonly #url: string;
  readonly #filling: string;
  readonly #running: Promise<unknown>;
  #stopping = false;
  /** What the first of them that was answered nonsense has to say. */
  #breach: unknown;

  /** @param http `host:port`; each of `count` sends spans of `bytes` */
  constructor(http: string, count: number, bytes: number) {
    this.#url = `http://${http}/v1/traces`;
    this.#filling = 'x'.repeat(bytes);
    this.#running = Promise.all(Array.from({ length: count }, () => this.#run()));
  }

  /** @throws Breach when one was refused in a way that says not to come again */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    if (this.#breach !== undefined) throw this.#breach;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopping) await this.#send();
    } catch (error) {
      this.#breach ??= error;
    }
  }

  async #send(): Promise<void> {
    const spanId = randomBytes(8).toString('hex');
    const sentAt = performance.now();
    const headers = { 'content-type': 'application/json' };
    let response: Response;
    try {
      response = await fetch(this.#url, { method: 'POST', headers, body: this.#request(spanId) });
      await response.arrayBuffer();
    } catch {
      return await delay(retryMs); // It is away, or closes its connections.
    }
    const { status } = response;
    if (status === 200) {
      this.acknowledged.push({ spanId, sentAt, answeredAt: performance.now() });
      return;
    }
    const retryable = (status === 429 || status === 503) && response.headers.has('retry-after');
    promise(retryable, 'lost', `refused with ${status}, which no client tries again`);
    this.refusals++;
    await delay(retryMs);
  }

  #request(spanId: string): string {
    const now = `${Date.now()}000000`;
    const times = { startTimeUnixNano: now, endTimeUnixNano: now };
    const attributes = [{ key: 'filling', value: { stringValue: this.#filling } }];
    const span = { traceId: this.traceId, spanId, name: 'sent', kind: 1, ...times, attributes };
    return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  }
}

/** @throws Breach unless everything that was acknowledged is there in the end, and nothing twice */
export async function promiseStored(senders: Senders, collector: Collector): Promise<number> {
  await eventually(async () => {
    const found = (await collector.trace(senders.traceId)).map(({ spanId }) => spanId);
    const present = new Set(found);
    promise(present.size === found.length, 'twice', `${found.length - present.size} spans`);
    const lost = senders.acknowledged.filter(({ spanId }) => !present.has(spanId)).length;
    promise(lost === 0, 'lost', `${lost} of ${senders.acknowledged.length} acknowledged spans`);
  });
  return senders.acknowledged.length;
}
