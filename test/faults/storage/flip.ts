// One bit turned over in every byte of the segments and of a cursor, in real files.
import { join } from 'node:path';
import { cursorFlippedAt, flippedAt, makeSample, settledCursor } from '../../collector/queue/sample-log.ts';
import type { Part, Tally } from './part.ts';
import { holdDamage } from './real-files.ts';

export const part: Part = {
  async open(directory, seed) {
    const sample = await makeSample(join(directory, 'sample'));
    const bitOf = (at: number): number => (at + seed) % 8;
    const flips = sample.segments.flatMap(name =>
      Array.from(sample.files.get(name)!, (_, at) => () => flippedAt(sample, name, at, bitOf(at))),
    );
    for (const at of settledCursor(sample, 1).keys())
      flips.push(() => cursorFlippedAt(sample, at, bitOf(at)));
    const tryAt = async (point: number): Promise<Tally> => {
      const damage = flips[point]!();
      await holdDamage(join(directory, `${point}`), sample, damage);
      return { faults: 1, restarts: 1, items: damage.kept.length };
    };
    return { count: flips.length, least: 24, tryAt };
  },
};
