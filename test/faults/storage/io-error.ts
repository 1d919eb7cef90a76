// The disk fails at every operation of a working queue, in every way, once and until it is mended; then the power fails.
import { liveWithFault } from '../../collector/queue/fault-life.ts';
import type { Part, Tally } from './part.ts';

const faults = ['EIO', 'ENOSPC', 'EMFILE', 'short'] as const;

export const part: Part = {
  async open(_directory, seed) {
    const { operations } = await liveWithFault(Number.POSITIVE_INFINITY, undefined, false);
    const tryAt = async (point: number): Promise<Tally> => {
      const tally = { faults: 0, restarts: 0, items: 0 };
      for (const fault of faults) {
        for (const forEver of [false, true]) {
          const { acknowledged } = await liveWithFault(point, fault, forEver, seed + point);
          tally.faults++;
          tally.restarts++;
          tally.items += acknowledged;
        }
      }
      return tally;
    };
    return { count: operations, least: 24, tryAt };
  },
};
