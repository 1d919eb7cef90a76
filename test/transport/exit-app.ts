// A process that writes records and ends in the way it is told: `node exit-app.ts URL HOW [BUDGET_MS]`.
import { Transport } from '../../src/transport/transport.ts';
import { put, transportOptions } from './transport-options.ts';

const [url = '', how = '', budget = '5000'] = process.argv.slice(2);
const transport = new Transport(transportOptions(url, { tracesLingerMs: 60_000 }));
process.on('exit', () => transport.flushSync(Number(budget)));
const records = (): void => {
  for (let id = 0; id < 200; id++) put(transport.sink, id, 500);
};

const endings: Record<string, () => void> = {
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
  'natural end': records,
  'nothing to say': () => process.exit(4),
};
endings[how]!();
