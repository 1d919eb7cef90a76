// The bugs that the network scenarios must find, as changes of the collector's sources.
import type { Edit } from '../plant.ts';
import { plants as storagePlants } from '../storage/plants.ts';

export const plants: Readonly<Record<string, readonly Edit[]>> = {
  /** What an agent has sent before is not known: neither when it connects again, nor when a batch comes again. */
  'no-dedup': [
    ...storagePlants['no-dedup']!,
    {
      file: 'collector/queue/durable-queue.ts',
      text: 'return this.#horizon.durableSequence(instance);',
      instead: 'return 0n;',
    },
  ],
  /** A batch of the stream is acknowledged when it has come, and made durable a little later. */
  'ack-on-receipt': [
    {
      file: 'collector/receivers/stream-session.ts',
      text: 'this.#admission.admit(signal, payload, origin).then(',
      instead: `const kept = Buffer.from(payload);
    setTimeout(() => this.#admission.admit(signal, kept, origin).catch(() => undefined), 200);
    Promise.resolve().then(`,
    },
  ],
};
