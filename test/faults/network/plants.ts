// The bugs that the network scenarios must find, as changes of the collector's and the agent's sources.
import type { Edit } from '../plant.ts';
import { plants as storagePlants } from '../storage/plants.ts';

type Plants = Readonly<Record<string, readonly Edit[]>>;

export const collectorPlants: Plants = {
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

export const agentPlants: Plants = {
  /** What is kept does not say for how many it stands. */
  'no-weight': [
    { file: 'src/context/threshold.ts', text: 'this.text = hexOf(bits);', instead: 'this.text = hexOf(0n);' },
  ],
  /** What is left out is not counted. */
  'left-out-unseen': [
    {
      file: 'src/transport/ring.ts',
      text: 'this.#control.count(SignalCounter.leftOut, signal, 1);',
      instead: '',
    },
  ],
};
