// Seeded lives on a disk that loses, reorders and doubles what was not synced when the power fails.
import { liveThrough } from '../../collector/queue/power-loss.ts';
import type { Part } from './part.ts';

const lives = 100_000;
const crashesPerLife = 4;

export const part: Part = {
  async open(_directory, seed) {
    return {
      count: lives,
      least: 100,
      tryAt: async point => {
        const items = await liveThrough(seed + point);
        return { faults: crashesPerLife, restarts: 1, items };
      },
    };
  },
};
