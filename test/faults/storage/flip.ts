// One bit turned over in every byte of the segments and of a cursor, in real files.
import { join } from 'node:path';
import { cursorFlippedAt, flippedAt, makePlaces, settledCursor } from '../../collector/queue/sample-log.ts';
import type { Part, Tally } from './part.ts';
import { holdDamage } from './real-files.ts';

export const part: Part = {
  async open(directory, seed) {
    const places = await makePlaces(directory);
    const bitOf = (at: number): number => (at + seed) % 8;
    const flips = places.flatMap(({ sample, name }) =>
      Array.from(sample.files.get(name)!, (_, at) => ({
        sample,
        make: () => flippedAt(sample, name, at, bitOf(at)),
      })),
    );
    const { sample } = places[0]!;
    for (const at of settledCursor(sample, 1).keys())
      flips.push({ sample, make: () => cursorFlippedAt(sample, at, bitOf(at)) });
    const tryAt = async (point: number): Promise<Tally> => {
      const { sample, make } = flips[point]!;
      const damage = make();
      await holdDamage(join(directory, `${point}`), sample, damage);
      return { faults: 1, restarts: 1, items: damage.kept.length };
    };
    return { count: flips.length, least: 24, tryAt };
  },
};
