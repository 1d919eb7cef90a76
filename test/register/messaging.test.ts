// Applications of their own process that send messages and work on them under the agent: what arrives, and what they notice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { DecodedSpan } from 'tricord/otlp';
import { hex } from '../decoded-records.ts';
import { kafkaMissing, rabbitmqMissing, startKafka, startRabbitmq } from '../servers/brokers.ts';
import { redis } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { registerFile, run, withAgent, withNothing } from './application.ts';
import { arrivedAt } from './arrived.ts';

interface Library {
  readonly skip: string | false;
  start(): Promise<RunningServer>;
  /** From the span of what sends to the span of what works on the message. */
  readonly spans: readonly string[];
  /** A script in which sending or working on a message fails and nobody handles that; `port` is known to it. */
  readonly careless: string;
}

const libraries: Readonly<Record<string, Library>> = {
  amqplib: {
    skip: rabbitmqMissing,
    start: startRabbitmq,
    spans: ['send', 'publish jobs', 'process jobs', 'work'],
    careless: `require('amqplib').connect('amqp://127.0.0.1:' + port).then(async connection => {
        const channel = await connection.createChannel();
        await channel.assertQueue('careless', { exclusive: true });
        await channel.consume('careless', async () => { throw new Error('nonsense') }, { noAck: true });
        channel.sendToQueue('careless', Buffer.from(''));
      });`,
  },
  kafkajs: {
    skip: kafkaMissing,
    start: startKafka,
    spans: ['send', 'send jobs', 'process jobs', 'work'],
    careless: `const kafka = new (require('kafkajs').Kafka)({ brokers: ['127.0.0.1:' + port], logLevel: 0 });
      void kafka.producer().send({ topic: 'nonsense', messages: [{ value: '' }] });`,
  },
  bullmq: {
    skip: missing(redis),
    start: () => start(redis),
    spans: ['send', 'add jobs', 'process jobs', 'work'],
    careless: `const queue = new (require('bullmq').Queue)('careless', { connection: { host: '127.0.0.1', port } });
      void queue.add('nonsense', {}, { jobId: '0' });`,
  },
};

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const flagsOf = { 'messaging.cjs': '--require', 'messaging.mjs': '--import' } as const;

/** Node warns of what kafkajs does, with the agent or without. */
const quiet = ['--disable-warning=TimeoutNegativeWarning'];

/** Runs the application under the agent; resolves with the names of the spans above that of its work, from the first on. */
async function spansOf(application: keyof typeof flagsOf, library: string, env = {}): Promise<string[]> {
  const { code, stderr } = await run(join(root, 'test/register/apps', application), {
    flags: [flagsOf[application], registerFile, ...quiet],
    env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, LIBRARY: library },
  });
  assert.deepEqual([code, stderr], [0, '']);
  const { spans } = arrivedAt(collector);
  const byId = new Map(spans.map(span => [hex(span.spanId), span]));
  const chain: string[] = [];
  let span: DecodedSpan | undefined = spans.find(({ name }) => name === 'work');
  for (; span !== undefined; span = byId.get(hex(span.parentSpanId))) chain.unshift(span.name);
  return chain;
}

for (const [library, { skip, start: startBroker, spans, careless }] of Object.entries(libraries)) {
  describe(`${library} in an application under the agent`, { skip }, () => {
    let server: RunningServer;
    before(async () => {
      server = await startBroker();
    });
    after(() => server?.stop());

    for (const application of Object.keys(flagsOf) as (keyof typeof flagsOf)[]) {
      it(`carries the trace from what sends to what works: ${application}`, async () => {
        assert.deepEqual(await spansOf(application, library, { BROKER_PORT: server.port }), spans);
      });

      it(`carries nothing when it is left out: ${application}`, async () => {
        const env = { BROKER_PORT: server.port, TRICORD_INSTRUMENTATIONS: `-${library}` };
        assert.deepEqual(await spansOf(application, library, env), ['work']);
      });
    }

    it('brings the process down as it would without us when nobody handles a failure', async () => {
      const script = `const port = ${server.port}; ${careless}`;
      const ending = async (flags: readonly string[]): Promise<unknown[]> => {
        const { code, signal, stdout, stderr } = await run(script, { flags });
        return [code, signal, stdout, /nonsense|disconnected|JobId/.test(stderr)];
      };
      const [withIt, without] = await Promise.all([ending(withAgent), ending(withNothing)]);
      assert.deepEqual(withIt, without);
      assert.deepEqual(without, [1, null, '', true]);
    });
  });
}
