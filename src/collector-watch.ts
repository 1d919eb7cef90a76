// Says once that the collector cannot be reached, and once that it can again.
import type { DeliveryNews } from './transport/delivery.ts';
import type { SignalName } from './transport/otlp/record.ts';
import type { TransportStats } from './transport/stats.ts';

/** What an item of a signal is called. */
const ITEMS: Readonly<Record<SignalName, string>> = {
  traces: 'spans',
  metrics: 'metric points',
  logs: 'log records',
};

export class CollectorWatch {
  readonly #endpoint: string;
  readonly #say: (line: string) => void;
  /** Whether the first answer is worth a line, too. */
  readonly #tellsFirst: boolean;
  #answered = false;
  #away = false;
  /** Somebody was told of what the collector does not take. */
  #troubled = false;
  /** Somebody was told that nothing is delivered. */
  #warned = false;

  /** @param tellsFirst whether the first answer of the collector is told */
  constructor(endpoint: string, say: (line: string) => void, tellsFirst = false) {
    this.#endpoint = endpoint;
    this.#say = say;
    this.#tellsFirst = tellsFirst;
  }

  hear(news: DeliveryNews): void {
    if (news.kind === 'trouble') {
      this.#troubled = true;
      return this.#say(`the collector at ${this.#endpoint}: ${news.reason}.`);
    }
    if (news.kind === 'connected') {
      const first = !this.#answered && this.#tellsFirst;
      if (this.#away || first) this.#say(`the collector at ${this.#endpoint} answers.`);
      this.#answered = true;
      this.#away = false;
    } else if (!this.#away) {
      this.#away = true;
      this.warn(
        `the collector at ${this.#endpoint} cannot be reached: ${news.reason}. ` +
          'What is recorded waits for it; `npx tricord doctor` looks into it.',
      );
    }
  }

  /** Nothing can be delivered, for a reason of this side's. */
  warn(line: string): void {
    this.#warned = true;
    this.#say(line);
  }

  /** The process ends before everything was delivered: its event loop may never have turned, so that nothing was heard. */
  ended({ signals, connections }: TransportStats): void {
    if (this.#away || (this.#warned && connections === 0)) return;
    const left = countedItems(signals, 'pending');
    if (left === '') return;
    const what = connections === 0 ? 'was not reached' : 'did not take everything in time';
    this.#say(`the collector at ${this.#endpoint} ${what}: ${left} are lost with this process.`);
  }

  /** The process ends after everything was settled, which may be otherwise than by delivery. */
  settled({ signals }: TransportStats): void {
    const rejected = countedItems(signals, 'rejected');
    if (rejected === '' || this.#troubled) return;
    this.#say(
      `the collector at ${this.#endpoint} rejected ${rejected}; \`npx tricord doctor\` looks into it.`,
    );
  }
}

/** `3 spans, 1 log records`; empty when there are none. */
function countedItems(signals: TransportStats['signals'], count: 'pending' | 'rejected'): string {
  return (Object.keys(ITEMS) as SignalName[])
    .filter(name => signals[name][count] > 0)
    .map(name => `${signals[name][count]} ${ITEMS[name]}`)
    .join(', ');
}
