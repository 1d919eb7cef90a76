// The collector is killed under load and started again: whatever it acknowledged is there, exactly once.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AnswerGate } from './answer-gate.ts';
import { Maker } from './maker.ts';
import { type Collector, eventually, Stack } from './stack.ts';

const KILLS = 3;
/** How often, and milliseconds apart, the collector is asked what it accepted before it is killed. */
const LOOKS_MAX = 100;
const LOOK_MS = 20;

/** Sends one span per request over OTLP/HTTP, all of one trace, and remembers which were acknowledged. */
class Sender {
  readonly traceId = randomBytes(16).toString('hex');
  readonly acknowledged = new Set<string>();
  readonly #url: string;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;

  constructor({ endpoints }: Collector) {
    this.#url = `http://${endpoints.http}/v1/traces`;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const spanId = randomBytes(8).toString('hex');
      try {
        const response = await fetch(this.#url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: this.#request(spanId),
        });
        await response.text();
        if (response.status === 200) this.acknowledged.add(spanId);
      } catch {
        await delay(10); // the collector is down: exactly what is being tested
      }
    }
  }

  #request(spanId: string): string {
    const now = `${Date.now()}000000`;
    const span = {
      traceId: this.traceId,
      spanId,
      name: 'sent',
      kind: 1,
      startTimeUnixNano: now,
      endTimeUnixNano: now,
    };
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'sender' } }] };
    return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }
}

/**
 * Holds back the answers until the collector has made spans durable whose acknowledgement the agent has not got: those
 * come again. Not for long: without answers there is no flow control, and then nothing more arrives.
 */
async function loseAcknowledgements(collector: Collector, gate: AnswerGate): Promise<void> {
  let held = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS_MAX; look++) {
    const accepted = await acceptedFromStream(collector);
    if (accepted > held) return;
    if (accepted > 0 && held === Number.POSITIVE_INFINITY) {
      gate.hold();
      held = accepted;
    }
    await delay(LOOK_MS);
  }
}

async function acceptedFromStream(collector: Collector): Promise<number> {
  const text = await (await fetch(`${collector.url}/metrics`)).text();
  return Number(
    /^otelcol_receiver_accepted_spans_total\{[^}]*transport="stream"[^}]*\} (\d+)/m.exec(text)?.[1],
  );
}

describe('a collector that is killed under load', () => {
  const stack = new Stack();
  after(() => stack.end());

  it('has every acknowledged span exactly once after it is started again', async () => {
    const dataDir = await stack.folder();
    let collector = await stack.collector(dataDir);
    const { endpoints } = collector;
    const sender = new Sender(collector);
    const gate = await AnswerGate.before(endpoints.grpc);
    const maker = new Maker(gate.endpoint);
    try {
      const { traceId } = await maker.next();
      for (let kill = 0; kill < KILLS; kill++) {
        const before = sender.acknowledged.size;
        await eventually(async () => assert.ok(sender.acknowledged.size > before + 50, 'no load yet'));
        await loseAcknowledgements(collector, gate);
        collector.child.process.kill('SIGKILL');
        await once(collector.child.process, 'exit');
        gate.release();
        collector = await stack.collector(dataDir, endpoints);
        await collector.ledger();
      }
      await sender.stop();
      const report = await maker.stop();
      assert.equal(report.flushed, true);
      assert.deepEqual(report.traces.dropped, { full: 0, tooLarge: 0, closed: 0 });

      await eventually(async () => {
        const found = (await collector.trace(sender.traceId)).map(({ spanId }) => spanId);
        assert.equal(new Set(found).size, found.length, 'a span of the sender is there twice');
        const missing = sender.acknowledged.difference(new Set(found));
        assert.equal(
          missing.size,
          0,
          `${missing.size} of ${sender.acknowledged.size} acknowledged spans are missing`,
        );
      });
      await eventually(async () => {
        const numbers = (await collector.trace(traceId))
          .filter(({ name }) => name === 'numbered')
          .map(({ attributes }) => Number(attributes.number));
        assert.equal(new Set(numbers).size, numbers.length, 'a span of the agent is there twice');
        assert.equal(numbers.length, report.made);
      });
      await eventually(async () => {
        const { rows } = await collector.ledger();
        assert.ok(rows.every(({ queued, dropped }) => queued === 0 && Object.keys(dropped).length === 0));
      });
    } finally {
      await sender.stop();
      maker.kill();
      gate.close();
    }
  });
});
