// An ES module application that sends one message under a span by the library that its environment names, and works on it.
import { trace } from '@opentelemetry/api';
import { connect } from 'amqplib';

const { BROKER_PORT } = process.env;

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
};

void brokers[process.env.LIBRARY](run =>
  trace.getTracer('application').startActiveSpan('send', async span => {
    await run();
    span.end();
  }),
);
