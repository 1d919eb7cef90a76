// Real processes killed at every system call that changes the disk, and twice more while they recover from it.
import { seededRandom } from '../../collector/queue/memory-disk.ts';
import type { Part, Tally } from './part.ts';
import { killed } from './strace.ts';
import { type Life, TracedLives } from './traced-lives.ts';

const working: Life = ['a', '6'];
const recovering: readonly Life[] = [
  ['b', '1'],
  ['c', '1'],
];

export const part: Part = {
  async open(directory, seed, plant) {
    const lives = await TracedLives.prepare(directory, plant);
    const calls = await lives.callsOf(working);
    const later = await lives.callsOf(recovering[0]!);
    const tryAt = async (point: number): Promise<Tally> => {
      const random = seededRandom(seed + point);
      const kills = [{ life: working, call: calls[point]!, effect: killed }];
      for (const life of recovering) {
        kills.push({ life, call: later[Math.floor(random() * later.length)]!, effect: killed });
      }
      const { killed: faults, items } = await lives.tryOut(`${point}`, kills);
      return { faults, restarts: 1, items };
    };
    return { count: calls.length, least: 2, tryAt };
  },
};
