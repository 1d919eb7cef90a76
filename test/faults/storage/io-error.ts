// The disk fails at every operation of a working queue, in every way, once and until it is mended; then the power fails.
import { faultWays, liveWithFault } from '../../collector/queue/fault-life.ts';
import type { Part, Tally } from './part.ts';

export const part: Part = {
  async open(_directory, seed) {
    const undisturbed = { fault: undefined, forEver: false, settles: true } as const;
    const { operations } = await liveWithFault(0, undisturbed);
    const tryAt = async (point: number): Promise<Tally> => {
      let items = 0;
      for (const way of faultWays) items += (await liveWithFault(point, way, seed + point)).acknowledged;
      return { faults: faultWays.length, restarts: faultWays.length, items };
    };
    return { count: operations, least: 24, tryAt };
  },
};
