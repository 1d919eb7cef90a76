// Real processes whose system calls fail: every one that changes the disk, in two ways, once and from there on.
import { promise } from '../../collector/queue/breach.ts';
import type { Part, Tally } from './part.ts';
import type { Effect } from './strace.ts';
import { type Life, TracedLives } from './traced-lives.ts';

const groups = 6;
const life: Life = ['a', `${groups}`];
/** One group at most is refused for an error that comes once. */
const acknowledgedLeast = (groups - 1) * 2;

const effects: readonly Effect[] = (['EIO', 'ENOSPC'] as const).flatMap(error => [
  { injection: `error=${error}`, forEver: false },
  { injection: `error=${error}`, forEver: true },
]);

export const part: Part = {
  async open(directory, _seed, plant) {
    const lives = await TracedLives.prepare(directory, plant);
    const calls = await lives.callsOf(life);
    const tryAt = async (point: number): Promise<Tally> => {
      let items = 0;
      for (const [index, effect] of effects.entries()) {
        const tried = await lives.tryOut(
          `${point}-${index}`,
          [{ life, call: calls[point]!, effect }],
          witness => {
            const plain = witness.acknowledged.filter(text => text.startsWith('plain')).length;
            promise(
              effect.forEver || plain >= acknowledgedLeast,
              'stuck',
              `only ${plain} taken: ${effect.injection}`,
            );
          },
        );
        items += tried.items;
      }
      return { faults: effects.length, restarts: effects.length, items };
    };
    return { count: calls.length, least: 2, tryAt };
  },
};
