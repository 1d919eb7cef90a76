// What amqplib does against a real RabbitMQ: spans, metrics, contexts that travel with messages; and that it does it as without us.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type Amqp from 'amqplib';
import type AmqpCallbacks from 'amqplib/callback_api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentAmqplib } from '../../src/instrument/amqplib.ts';
import { rabbitmqMissing as skip, startRabbitmq } from '../servers/brokers.ts';
import type { RunningServer } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { linksOf, MessagingTelemetry, unsampled } from './messaging-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new MessagingTelemetry();
instrumentAmqplib();

const require = createRequire(import.meta.url);
type Package = readonly [promises: typeof Amqp, callbacks: typeof AmqpCallbacks];
const packages: Readonly<Record<string, Package>> = {
  'amqplib 2.3': [require('amqplib'), require('amqplib/callback_api')],
  'amqplib 0.10': [require('amqplib-0.10'), require('amqplib-0.10/callback_api')],
};

let server: RunningServer;
let queues = 0;
before(async () => {
  if (!skip) server = await startRabbitmq();
});
after(() => server?.stop());

/** What a message says of where it came from. */
const parentIn = (message: Amqp.ConsumeMessage | Amqp.GetMessage): unknown =>
  String(message.properties.headers?.traceparent).split('-')[2];

for (const [version, [amqplib, callbacks]] of Object.entries(packages)) {
  describe(version, { skip }, () => {
    let connection: Amqp.ChannelModel;
    let channel: Amqp.Channel;
    let place: Readonly<Record<string, unknown>>;
    let queue: string;
    before(async () => {
      connection = await amqplib.connect(`amqp://localhost:${server.port}`);
      channel = await connection.createChannel();
      place = { 'messaging.system': 'rabbitmq', 'server.address': 'localhost', 'server.port': server.port };
    });
    after(() => connection?.close());
    beforeEach(async () => {
      queue = `orders.${++queues}`;
      await channel.assertQueue(queue, { autoDelete: true });
      telemetry.clear();
    });

    /** Consumes one message of the queue, and resolves with what the consumer has given. */
    const consumed = <Result>(consumer: (message: Amqp.ConsumeMessage) => Result, from = queue) =>
      new Promise<Result>((resolve, reject) => {
        const consume = (message: Amqp.ConsumeMessage | null): Result => {
          const result = consumer(message!);
          resolve(result);
          return result;
        };
        channel.consume(from, consume, { noAck: true }).catch(reject);
      });

    it('has a span for what is published, and one below it for what is consumed', async () => {
      const parentId = await underSpan(async () => {
        channel.sendToQueue(queue, Buffer.from('canary'), { messageId: 'm1', correlationId: 'c1' });
      });
      const inside = await consumed(() => activeSpanId());
      const sent = await telemetry.span(`publish ${queue}`);
      assert.deepEqual([sent.kind, sent.status, sent.parentId], [4, 0, parentId]);
      const own = {
        ...place,
        'messaging.destination.name': queue,
        'messaging.rabbitmq.destination.routing_key': queue,
        'messaging.message.id': 'm1',
        'messaging.message.conversation_id': 'c1',
      };
      const publishing = { 'messaging.operation.name': 'publish', 'messaging.operation.type': 'send' };
      assert.deepEqual({ ...sent.attributes }, { ...own, ...publishing });
      const processed = await telemetry.span(`process ${queue}`);
      assert.deepEqual(
        [processed.kind, processed.status, processed.traceId, processed.parentId, linksOf(processed)],
        [5, 0, sent.traceId, sent.spanId, [sent.spanId]],
      );
      const processing = { 'messaging.operation.name': 'process', 'messaging.operation.type': 'process' };
      const { 'messaging.rabbitmq.message.delivery_tag': tag, ...attributes } = processed.attributes;
      assert.deepEqual(attributes, { ...own, ...processing });
      assert.equal(typeof tag, 'number');
      assert.equal(inside, processed.spanId);
    });

    it('is measured, with an exemplar of its trace', async () => {
      channel.sendToQueue(queue, Buffer.from(''));
      channel.sendToQueue(queue, Buffer.from(''));
      await consumed(() => new Promise(resolve => setTimeout(resolve, 20)));
      await telemetry.until(4);
      const publishing = ['publish', queue] as const;
      const processing = ['process', queue] as const;
      const { point } = telemetry.point('process', processing)!;
      assert.ok(point.sum! >= 0.035 && point.sum! < 20, String(point.sum));
      const spanIds = point.exemplars!.map(({ spanId }) => Buffer.from(spanId).toString('hex'));
      const processed = telemetry.spans.filter(({ name }) => name === `process ${queue}`);
      assert.ok(processed.some(({ spanId }) => spanIds.includes(spanId)));
      const sent = telemetry.point('sent', publishing)!;
      assert.deepEqual(
        { ...sent.attributes },
        {
          ...place,
          'messaging.operation.name': 'publish',
          'messaging.operation.type': 'send',
          'messaging.destination.name': queue,
        },
      );
      assert.equal(Number(sent.point.value), 2);
      assert.equal(telemetry.point('operation', publishing)!.point.count, 2);
      assert.equal(Number(telemetry.point('consumed', processing)!.point.value), 2);
    });

    it('names exchange, routing key and queue where they differ', async () => {
      const exchange = `exchange of ${version}`;
      await channel.assertExchange(exchange, 'topic', { autoDelete: true });
      await channel.bindQueue(queue, exchange, 'a.#');
      channel.publish(exchange, 'a.b', Buffer.from(''));
      await consumed(() => undefined);
      await telemetry.until(2);
      assert.deepEqual(telemetry.names.toSorted(), [
        `process ${exchange}:a.b:${queue}`,
        `publish ${exchange}:a.b`,
      ]);
    });

    it('keeps the names that the broker makes out of spans and metrics', async () => {
      const { queue: reply } = await channel.assertQueue('', { exclusive: true });
      channel.sendToQueue(reply, Buffer.from(''));
      await consumed(() => undefined, reply);
      const sent = await telemetry.span('publish');
      assert.equal(sent.attributes['messaging.destination.name'], reply);
      assert.equal(sent.attributes['messaging.destination.anonymous'], true);
      await telemetry.span('process');
      assert.ok(Number(telemetry.point('consumed', ['process'])!.point.value) >= 1);
    });

    it('ends with the confirmation, whose callback runs in the context of who gave it', async () => {
      const confirming = await connection.createConfirmChannel();
      let inCallback = '';
      const parentId = await underSpan(
        () =>
          new Promise(resolve => {
            confirming.sendToQueue(queue, Buffer.from(''), {}, error => {
              inCallback = activeSpanId();
              resolve(error);
            });
            assert.deepEqual(telemetry.names, []);
          }),
      );
      assert.equal(inCallback, parentId);
      assert.equal((await telemetry.span(`publish ${queue}`)).parentId, parentId);
      telemetry.clear();
      confirming.publish('', queue, Buffer.from(''));
      await confirming.waitForConfirms();
      assert.deepEqual(telemetry.names, [`publish ${queue}`]);
      await confirming.close();
    });

    it('has a span for what is got, with a link to where that comes from', async () => {
      assert.equal(await channel.get(queue), false);
      const empty = await telemetry.span(`get ${queue}`);
      assert.deepEqual([empty.kind, empty.status, linksOf(empty)], [3, 0, []]);
      assert.equal(telemetry.point('consumed', ['get', queue]), undefined);
      telemetry.clear();
      channel.sendToQueue(queue, Buffer.from('content'), { messageId: 'm2' });
      let got: Amqp.GetMessage | false = false;
      const parentId = await underSpan(async () => {
        while (!got) got = await channel.get(queue, { noAck: true });
      });
      assert.equal(String((got as unknown as Amqp.GetMessage).content), 'content');
      const sent = await telemetry.span(`publish ${queue}`);
      const receiving = telemetry.spans.findLast(({ name }) => name === `get ${queue}`)!;
      assert.deepEqual([receiving.parentId, linksOf(receiving)], [parentId, [sent.spanId]]);
      assert.equal(receiving.attributes['messaging.message.id'], 'm2');
      assert.equal(receiving.attributes['messaging.operation.type'], 'receive');
      assert.equal(Number(telemetry.point('consumed', ['get', queue])!.point.value), 1);
    });

    it('leaves a context alone that the message has already, and links to it', async () => {
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const headers = { traceparent, mine: 1 };
      channel.sendToQueue(queue, Buffer.from(''), { headers });
      const got = await consumed(message => message.properties.headers);
      assert.deepEqual({ ...got }, { traceparent, mine: 1 });
      assert.deepEqual(linksOf(await telemetry.span(`publish ${queue}`)), ['b'.repeat(16)]);
      assert.equal((await telemetry.span(`process ${queue}`)).parentId, 'b'.repeat(16));
    });

    it('leaves the options of the application as they are', async () => {
      const options = Object.freeze({ headers: Object.freeze({ mine: 'x' }), priority: 3 });
      channel.sendToQueue(queue, Buffer.from(''), options);
      const message = await consumed(message => message);
      assert.equal(message.properties.priority, 3);
      assert.equal(message.properties.headers!.mine, 'x');
      assert.equal(parentIn(message), (await telemetry.span(`publish ${queue}`)).spanId);
    });

    it('fails with what its consumer throws, which amqplib is told', async () => {
      const other = await connection.createChannel();
      const failed = once(other, 'error');
      await other.consume(queue, () => {
        throw new RangeError('no such thing');
      });
      channel.sendToQueue(queue, Buffer.from(''));
      const [error] = (await failed) as [Error];
      assert.equal(error.message, 'no such thing');
      const processed = await telemetry.span(`process ${queue}`);
      assert.deepEqual([processed.status, processed.attributes['error.type']], [2, 'RangeError']);
      assert.equal(processed.span.events?.[0]?.name, 'exception');
      assert.equal(Number(telemetry.point('consumed', ['process', queue], 'RangeError')!.point.value), 1);
    });

    it('throws what amqplib throws', async () => {
      const closed = await connection.createChannel();
      await closed.close();
      assert.throws(() => closed.sendToQueue(queue, Buffer.from('')), { name: 'IllegalOperationError' });
      await assert.rejects(closed.get(queue), { name: 'IllegalOperationError' });
      const types = telemetry.spans.map(({ attributes }) => attributes['error.type']);
      assert.deepEqual(types, ['IllegalOperationError', 'IllegalOperationError']);
    });

    it('tells a consumer that it was cancelled', async () => {
      const other = await connection.createChannel();
      const told = new Promise(resolve => other.consume(queue, resolve).then(() => other.deleteQueue(queue)));
      assert.equal(await told, null);
      assert.deepEqual(telemetry.names, []);
      await other.close();
    });

    it('carries a trace that is not sampled, and counts its messages', async () => {
      unsampled(() => channel.sendToQueue(queue, Buffer.from('')));
      const traceparent = await consumed(message => message.properties.headers!.traceparent as string);
      assert.match(traceparent, /^00-1{32}-[0-9a-f]{16}-00$/);
      assert.equal(Number(telemetry.point('sent', ['publish', queue])!.point.value), 1);
      assert.equal(Number(telemetry.point('consumed', ['process', queue])!.point.value), 1);
      assert.deepEqual(telemetry.names, []);
    });

    it('leaves nothing where tracing is suppressed', async () => {
      ObservabilityContext.active()
        .withSuppression(true)
        .run(() => channel.sendToQueue(queue, Buffer.from('')));
      const headers = await consumed(message => message.properties.headers!);
      assert.deepEqual(Object.keys(headers), []);
      assert.equal(telemetry.point('sent', ['publish', queue]), undefined);
    });

    it('observes the interface of callbacks, which run in the context of who gave them', async () => {
      const connect = promisify(callbacks.connect as (url: string, callback: unknown) => void);
      const model = (await connect(`amqp://localhost:${server.port}`)) as unknown as AmqpCallbacks.Connection;
      const contexts: string[] = [];
      const parentId = await underSpan(
        () =>
          new Promise<void>(resolve => {
            model.createChannel((_, opened) => {
              opened.sendToQueue(queue, Buffer.from(''));
              opened.checkQueue(queue, () => {
                contexts.push(activeSpanId());
                opened.get(queue, { noAck: true }, (_error, message) => {
                  contexts.push(activeSpanId());
                  assert.ok(message);
                  opened.consume(queue, () => contexts.push(activeSpanId()), { noAck: true });
                  opened.sendToQueue(queue, Buffer.from(''));
                  void telemetry.span(`process ${queue}`).then(() => resolve());
                });
              });
            });
          }),
      );
      const processed = await telemetry.span(`process ${queue}`);
      assert.deepEqual(contexts, [parentId, parentId, processed.spanId]);
      assert.equal((await telemetry.span(`get ${queue}`)).parentId, parentId);
      await promisify(model.close.bind(model))();
    });
  });
}

describesRow(
  () => ({
    name: 'amqplib',
    libraries: ['amqplib', 'amqplib-0.10'],
    server: `RabbitMQ ${server.version}`,
    example: 'publish orders.1',
    seen: telemetry.seen('PRODUCER', 'CONSUMER', 'CLIENT'),
  }),
  skip,
);
