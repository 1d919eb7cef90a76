// What kafkajs does against a real broker of Kafka: spans, metrics, and contexts that travel with messages, one by one and in batches.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import type {
  Consumer,
  ConsumerRunConfig,
  EachBatchPayload,
  EachMessagePayload,
  Kafka,
  KafkaConfig,
  Producer,
} from 'kafkajs';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentKafkajs } from '../../src/instrument/kafkajs.ts';
import { kafkaMissing as skip, startKafka } from '../servers/brokers.ts';
import type { RunningServer } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { linksOf, MessagingTelemetry, unsampled } from './messaging-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new MessagingTelemetry();
instrumentKafkajs();

const require = createRequire(import.meta.url);
const kafkajs = require('kafkajs') as { Kafka: new (config: KafkaConfig) => Kafka; logLevel: { NOTHING: 0 } };

let server: RunningServer;
let kafka: Kafka;
let producer: Producer;
before(async () => {
  if (skip) return;
  server = await startKafka();
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';
  const retry = { initialRetryTime: 20, retries: 8 };
  kafka = new kafkajs.Kafka({ brokers: [`127.0.0.1:${server.port}`], logLevel: 0, retry });
  producer = kafka.producer();
  await producer.connect();
});
after(async () => {
  await producer?.disconnect();
  await server?.stop();
});

describe('kafkajs', { skip }, () => {
  let topics = 0;
  let topic: string;
  const consumers: Consumer[] = [];
  beforeEach(async () => {
    topic = `orders.${++topics}`;
    const admin = kafka.admin();
    await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
    await admin.disconnect();
    telemetry.clear();
  });
  after(() => Promise.all(consumers.map(consumer => consumer.disconnect())));

  /** Has a new group read the topic from its beginning. */
  async function consume(config: ConsumerRunConfig, groupId: string = randomUUID()): Promise<void> {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50, heartbeatInterval: 200 });
    consumers.push(consumer);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run(config);
  }

  /** Resolves with what the function gives for the first message. */
  const consumed = <Result>(work: (payload: EachMessagePayload) => Result, groupId?: string) =>
    new Promise<Result>((resolve, reject) => {
      const eachMessage = async (payload: EachMessagePayload): Promise<void> => resolve(work(payload));
      consume({ eachMessage }, groupId).catch(reject);
    });

  it('has a span for what is sent, and one below it for each message', async () => {
    const parentId = await underSpan(() =>
      producer.send({ topic, messages: [{ key: 'k1', value: 'canary', headers: { mine: 'x' } }] }),
    );
    const inside = await consumed(({ message }) => [activeSpanId(), String(message.headers!.mine)], 'g1');
    const sent = await telemetry.span(`send ${topic}`);
    assert.deepEqual([sent.kind, sent.status, sent.parentId], [4, 0, parentId]);
    const own = {
      'messaging.system': 'kafka',
      'messaging.destination.name': topic,
      'messaging.kafka.message.key': 'k1',
    };
    const sending = { 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' };
    assert.deepEqual({ ...sent.attributes }, { ...own, ...sending });
    const processed = await telemetry.span(`process ${topic}`);
    assert.deepEqual(
      [processed.kind, processed.status, processed.traceId, processed.parentId, linksOf(processed)],
      [5, 0, sent.traceId, sent.spanId, [sent.spanId]],
    );
    const processing = {
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'g1',
      'messaging.destination.partition.id': '0',
      'messaging.kafka.offset': 0,
    };
    assert.deepEqual({ ...processed.attributes }, { ...own, ...processing });
    assert.deepEqual(inside, [processed.spanId, 'x']);
  });

  it('has one span for messages that are sent together, and one for a batch, with a link to each', async () => {
    const messages = [{ value: '1' }, { value: '2' }];
    await producer.sendBatch({ topicMessages: [{ topic, messages }] });
    await producer.send({ topic, messages: [{ value: null }] });
    let seen = 0;
    await new Promise<void>((resolve, reject) => {
      const eachBatch = async ({ batch }: EachBatchPayload): Promise<void> => {
        seen += batch.messages.length;
        if (seen === 3) resolve();
      };
      underSpan(() => consume({ eachBatch })).catch(reject);
    });
    const [first, second] = telemetry.spans.filter(({ name }) => name === `send ${topic}`);
    assert.equal(first!.attributes['messaging.batch.message_count'], 2);
    assert.equal(second!.attributes['messaging.batch.message_count'], undefined);
    assert.equal(second!.attributes['messaging.kafka.message.tombstone'], true);
    await telemetry.span(`process ${topic}`);
    const batches = telemetry.spans.filter(({ name }) => name === `process ${topic}`);
    assert.deepEqual(batches.flatMap(linksOf), [first!.spanId, first!.spanId, second!.spanId]);
    assert.ok(batches.every(({ parentId, kind }) => /^0*$/.test(parentId) && kind === 5));
    const counts = batches.map(({ attributes }) => Number(attributes['messaging.batch.message_count']));
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      3,
    );
    assert.equal(Number(telemetry.point('sent', ['send', topic])!.point.value), 3);
    assert.equal(Number(telemetry.point('consumed', ['process', topic])!.point.value), 3);
  });

  it('is measured, with an exemplar of its trace', async () => {
    await producer.send({ topic, messages: [{ value: '' }] });
    await new Promise<void>((resolve, reject) => {
      const eachMessage = (): Promise<void> =>
        new Promise(done => {
          setTimeout(() => {
            done();
            resolve();
          }, 30);
        });
      consume({ eachMessage }, 'g2').catch(reject);
    });
    const processed = await telemetry.span(`process ${topic}`);
    const { point, attributes } = telemetry.point('process', ['process', topic])!;
    assert.equal(attributes['messaging.consumer.group.name'], 'g2');
    assert.ok(point.sum! >= 0.025 && point.sum! < 20, String(point.sum));
    const spanIds = point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
    assert.deepEqual(spanIds, [processed.spanId]);
    const sending = telemetry.point('operation', ['send', topic])!;
    assert.equal(sending.point.count, 1);
    assert.deepEqual(
      { ...sending.attributes },
      {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'send',
        'messaging.operation.type': 'send',
        'messaging.destination.name': topic,
      },
    );
  });

  it('leaves the messages of the application as they are, and a context that is theirs', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const messages = Object.freeze([Object.freeze({ value: 'x', headers: Object.freeze({ traceparent }) })]);
    await producer.send({ topic, messages: messages as never });
    const got = await consumed(({ message }) => String(message.headers!.traceparent));
    assert.equal(got, traceparent);
    assert.deepEqual(linksOf(await telemetry.span(`send ${topic}`)), ['b'.repeat(16)]);
    assert.equal((await telemetry.span(`process ${topic}`)).parentId, 'b'.repeat(16));
  });

  it('sees what is sent in a transaction', async () => {
    const transactional = kafka.producer({
      transactionalId: topic,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await transactional.connect();
    const transaction = await transactional.transaction();
    await transaction.send({ topic, messages: [{ value: 'x' }] });
    await transaction.commit();
    assert.deepEqual(telemetry.names, [`send ${topic}`]);
    await assert.rejects(transaction.send({ topic, messages: [{ value: 'x' }] }), /once ended/);
    assert.equal(telemetry.spans[1]!.attributes['error.type'], 'KafkaJSNonRetriableError');
    await transactional.disconnect();
  });

  it('fails with what its function throws, and is there again when kafkajs tries again', async () => {
    class NotYet extends Error {}
    await producer.send({ topic, messages: [{ value: 'x' }] });
    let attempts = 0;
    await consumed(() => {
      if (++attempts === 1) throw new NotYet('not yet');
    });
    const failed = await telemetry.span(`process ${topic}`);
    assert.deepEqual([failed.status, failed.attributes['error.type']], [2, 'NotYet']);
    assert.equal(failed.span.events?.[0]?.name, 'exception');
    while (telemetry.names.filter(name => name === `process ${topic}`).length < 2) {
      await telemetry.until(telemetry.spans.length + 1);
    }
    assert.equal(Number(telemetry.point('consumed', ['process', topic], 'NotYet')!.point.value), 1);
    assert.equal(Number(telemetry.point('consumed', ['process', topic])!.point.value), 1);
  });

  it('fails with the word of the broker, or the class of an error of kafkajs', async () => {
    const strict = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 0 } });
    await strict.connect();
    await assert.rejects(strict.send({ topic: 'bad name', messages: [{ value: 'x' }] }));
    const [failed] = await telemetry.until(1);
    assert.deepEqual([failed!.status, failed!.attributes['error.type']], [2, 'INVALID_TOPIC_EXCEPTION']);
    await strict.disconnect();
    telemetry.clear();
    await assert.rejects(strict.send({ topic, messages: [{ value: 'x' }] }), /disconnected/);
    assert.equal(telemetry.spans[0]!.attributes['error.type'], 'KafkaJSError');
  });

  it('rejects what kafkajs rejects', async () => {
    await assert.rejects(producer.send(undefined as never), TypeError);
    await assert.rejects(producer.send({ topic } as never), /Invalid messages array/);
    await assert.rejects(producer.send({ topic: '', messages: [] }), /Invalid topic/);
    await producer.sendBatch({});
  });

  it('carries a trace that is not sampled, and counts its messages', async () => {
    await unsampled(() => producer.send({ topic, messages: [{ value: 'x' }] }));
    const traceparent = await consumed(({ message }) => String(message.headers!.traceparent));
    assert.match(traceparent, /^00-1{32}-[0-9a-f]{16}-00$/);
    assert.equal(Number(telemetry.point('sent', ['send', topic])!.point.value), 1);
    assert.deepEqual(telemetry.names, []);
  });

  it('leaves nothing where tracing is suppressed', async () => {
    await ObservabilityContext.active()
      .withSuppression(true)
      .run(() => producer.send({ topic, messages: [{ value: 'x' }] }));
    const headers = await consumed(({ message }) => message.headers!);
    assert.deepEqual(Object.keys(headers), []);
    assert.equal(telemetry.point('sent', ['send', topic]), undefined);
  });
});

describesRow(
  () => ({
    name: 'kafkajs',
    libraries: ['kafkajs'],
    server: `Apache Kafka ${server.version}`,
    example: 'send orders.1',
    seen: telemetry.seen('PRODUCER', 'CONSUMER'),
  }),
  skip,
);
