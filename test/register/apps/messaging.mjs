// An ES module application that sends one message under a span by the library that its environment names, and works on it.
import { trace } from '@opentelemetry/api';
import { connect } from 'amqplib';
import { Queue, Worker } from 'bullmq';
import { Kafka } from 'kafkajs';

const { BROKER_PORT } = process.env;
const id = String(process.pid);

const work = () => trace.getTracer('application').startSpan('work').end();

const brokers = {
  async amqplib(send) {
    const connection = await connect(`amqp://127.0.0.1:${BROKER_PORT}`);
    const channel = await connection.createChannel();
    await channel.assertQueue('jobs', { exclusive: true });
    await send(() => channel.sendToQueue('jobs', Buffer.from('')));
    await new Promise(resolve => channel.consume('jobs', () => resolve(work()), { noAck: true }));
    await connection.close();
  },
  async kafkajs(send) {
    const kafka = new Kafka({ brokers: [`127.0.0.1:${BROKER_PORT}`], logLevel: 0 });
    const producer = kafka.producer();
    await producer.connect();
    await send(() => producer.send({ topic: 'jobs', messages: [{ value: id }] }));
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: id });
    await consumer.connect();
    await consumer.subscribe({ topic: 'jobs', fromBeginning: true });
    await new Promise(resolve => {
      const isOurs = message => String(message.value) === id;
      consumer.run({ eachMessage: async ({ message }) => isOurs(message) && resolve(work()) });
    });
    await consumer.disconnect();
  },
  async bullmq(send) {
    const connection = { host: '127.0.0.1', port: Number(BROKER_PORT) };
    const queue = new Queue('jobs', { connection });
    await send(() => queue.add('a', {}));
    const worker = new Worker('jobs', async () => work(), { connection });
    await new Promise(resolve => worker.once('completed', resolve));
    await worker.close();
    await queue.close();
  },
};

void brokers[process.env.LIBRARY](run =>
  trace.getTracer('application').startActiveSpan('send', async span => {
    await run();
    span.end();
  }),
);
