// Joins ring, loop and client, and keeps the shared words that tell of them.
import type { ClientEvents } from './client.ts';
import { type CollectorClientOptions, openCollectorClient } from './collector-client.ts';
import { Control, SHARE_UNIT, ThreadCounter, Word } from './control.ts';
import type { SamplingDirective } from './otlp/stream-frame.ts';
import { type FlushOthers, type ThreadOptions, TransportThread } from './thread.ts';

/** What the application thread hands to a new transport thread. */
export interface DeliveryOptions extends ThreadOptions, CollectorClientOptions {}

/** What people should know of the way to the collector, beside the counters. */
export type DeliveryNews =
  /** A collector answers. */
  | { readonly kind: 'connected' }
  /** None does: the connection, or an attempt to make one, failed. */
  | { readonly kind: 'away'; readonly reason: string }
  /** One answers, and something is wrong with what it or this side sends. */
  | { readonly kind: 'trouble'; readonly reason: string };

const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * A loop that begins with its `run()`.
 * @param tell gets every connection, and what went wrong, each thing once until the next connection
 * @param flushOthers what a flush of it covers too
 */
export function openDelivery(
  options: DeliveryOptions,
  tell: (news: DeliveryNews) => void,
  flushOthers?: FlushOthers,
): TransportThread {
  const control = new Control(options.memory);
  control.noteThread(ThreadCounter.credit, Number.NaN);
  let told = '';
  const report = (kind: 'away' | 'trouble', reason: string): void => {
    if (reason === told) return;
    told = reason;
    tell({ kind, reason });
  };
  const events: ClientEvents = {
    progress: () => thread.wake(),
    connected: () => {
      Atomics.store(control.words, Word.connected, 1);
      control.countThread(ThreadCounter.connections);
      told = '';
      tell({ kind: 'connected' });
      thread.wake();
    },
    failed: reason => {
      Atomics.store(control.words, Word.connected, 0);
      control.countThread(ThreadCounter.connectionFailures);
      report('away', reason);
      thread.failed();
    },
    nonsense: what => {
      control.countThread(ThreadCounter.nonsense);
      report('trouble', `it sent ${what}`);
    },
    rejected: reason => report('trouble', `it rejected items: ${reason}`),
    sampling: samplingWord(control),
  };
  const thread = new TransportThread(
    options,
    control,
    (ledger, held, replace) => openCollectorClient(options, ledger, control, events, held, replace),
    flushOthers,
  );
  return thread;
}

/** Keeps the collector's directive in the shared word until it lapses; one out of bounds is counted and ignored. */
function samplingWord(control: Control): (directive: SamplingDirective) => void {
  let lapse: NodeJS.Timeout | undefined;
  const set = (probability: number): void => {
    Atomics.store(control.words, Word.sampling, Math.round(probability * SHARE_UNIT));
  };
  return ({ probability, validMs }) => {
    const units = Math.round(probability * SHARE_UNIT);
    if (!(units >= 1 && units <= SHARE_UNIT && validMs >= 1)) {
      control.countThread(ThreadCounter.nonsense);
      return;
    }
    clearTimeout(lapse);
    set(probability);
    lapse = setTimeout(() => set(1), Math.min(validMs, TIMEOUT_MS_MAX));
    lapse.unref();
  };
}
