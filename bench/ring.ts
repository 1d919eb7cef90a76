// Scenario `ring`: messages from one thread to another, by the agent's ring and by postMessage.
import type { RingSettings } from './children/ring-producer.ts';
import { type Contestant, type Figures, ratio, requireDelivered, type Scenario } from './scenario.ts';
import { figuresOf } from './workload.ts';

const MESSAGE_BYTES = 128;
const PACED_PER_SECOND = 1_000_000;

function contestant(name: string, settings: RingSettings): Contestant {
  const measure = async (): Promise<Figures> => {
    const report = await figuresOf({ entry: 'children/ring-producer.ts', settings });
    requireDelivered('messages', report.sent!, report.received!);
    return { ...report, mbPerSecond: (report.received! * MESSAGE_BYTES) / 1e6 / report.seconds! };
  };
  return { name, measure };
}

const fast = 'ring, at once';
const paced = 'ring, 1 M/s';
const posted = 'postMessage, at once';

export const scenario: Scenario = {
  name: 'ring',
  about:
    'Messages of 128 bytes, written by one thread and read whole by another, which checks their order and their sums. Both ' +
    'threads have a core of their own. The hand-over is the time from before a message is written until it has been read.',
  contestants: [
    contestant(fast, { by: 'ring', count: 20_000_000, perSecond: 0 }),
    contestant(paced, { by: 'ring', count: 5_000_000, perSecond: PACED_PER_SECOND }),
    contestant(posted, { by: 'postMessage', count: 500_000, perSecond: 0 }),
  ],
  columns: [
    { figure: 'mbPerSecond', heading: 'MB/s', digits: 0 },
    { figure: 'p50Micros', heading: 'hand-over p50, µs', digits: 1 },
    { figure: 'p99Micros', heading: 'hand-over p99, µs', digits: 1 },
    { figure: 'collections', heading: 'GC runs', digits: 0 },
    { figure: 'received', heading: 'arrived', digits: 0 },
  ],
  ratios: [
    {
      name: 'mb_per_second',
      needs: [fast],
      of: round => round[fast]!.mbPerSecond!,
      target: { atLeast: 1280 },
      unit: 'MB/s',
    },
    ratio('throughput_to_post_message', 'mbPerSecond', [fast, posted], { atLeast: 20 }),
    {
      name: 'hand_over_p99',
      needs: [paced],
      of: round => round[paced]!.p99Micros!,
      target: { atMost: 42 },
      unit: 'µs',
    },
    {
      name: 'garbage_collections',
      needs: [fast, paced],
      of: round => round[fast]!.collections! + round[paced]!.collections!,
      target: { atMost: 0 },
      unit: 'runs',
    },
  ],
};
