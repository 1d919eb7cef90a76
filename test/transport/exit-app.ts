// A process that writes records and ends in the way it is told: `node exit-app.ts URL HOW [BUDGET_MS] [THREAD]`.
import { setTimeout as delay } from 'node:timers/promises';
import { Transport } from '../../src/transport/transport.ts';
import { put, transportOptions } from './transport-options.ts';

const [url = '', how = '', budget = '5000', thread = 'true'] = process.argv.slice(2);
const transport = new Transport(transportOptions(url, { tracesLingerMs: 60_000, thread: thread === 'true' }));
process.on('exit', () => transport.flushSync(Number(budget)));
const records = (from = 0, to = 200): void => {
  for (let id = from; id < to; id++) put(transport.sink, id, 500);
};

const endings: Record<string, () => unknown> = {
  /** Before the transport thread has even loaded. */
  'at once': () => {
    records();
    process.exit(3);
  },
  'process.exit': () => {
    setTimeout(() => {
      records();
      process.exit(3);
    }, 300);
  },
  uncaughtException: () => {
    setTimeout(() => {
      records();
      throw new Error('the application failed');
    }, 300);
  },
  unhandledRejection: () => {
    records();
    void Promise.reject(new Error('the application failed'));
  },
  'natural end': () => records(),
  /** Some of it delivered, some sent and not acknowledged, some not sent. */
  'under way': async () => {
    records(0, 100);
    await transport.flush(Number(budget));
    records(100, 150);
    void transport.flush(Number(budget));
    while (transport.stats().batchesSent < 2) await delay(5);
    records(150, 200);
    process.exit(3);
  },
  'nothing to say': () => process.exit(4),
};
endings[how]!();
