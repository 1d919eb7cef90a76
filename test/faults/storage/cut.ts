// Segments cut at every byte, in real files; and the start on each of them killed twice, at every operation.
import { join } from 'node:path';
import { promise, promiseExactly } from '../../collector/queue/breach.ts';
import { type MemoryDisk, type Random, seededRandom } from '../../collector/queue/memory-disk.ts';
import { cutAt, type Damage, diskOf, makePlaces, type Sample } from '../../collector/queue/sample-log.ts';
import { readAll, textOf } from '../../collector/queue/scratch.ts';
import type { Part, Tally } from './part.ts';
import { holdDamage } from './real-files.ts';
import { isKilledAt } from './simulated-kill.ts';
import { restarted } from './workload.ts';

export const part: Part = {
  async open(directory, seed) {
    const cuts = (await makePlaces(directory)).flatMap(({ sample, name }) =>
      Array.from({ length: sample.files.get(name)!.length + 1 }, (_, length) => ({ sample, name, length })),
    );
    const tryAt = async (point: number): Promise<Tally> => {
      const { sample, name, length } = cuts[point]!;
      const damage = cutAt(sample, name, length);
      await holdDamage(join(directory, `${point}`), sample, damage);
      const kills = await killWhileRecovering(sample, damage, seededRandom(seed + point));
      const starts = 1 + kills.starts;
      return { faults: 1 + kills.kills, restarts: starts, items: starts * damage.kept.length };
    };
    return { count: cuts.length, least: 12, tryAt };
  },
};

/** Kills the first start at every operation, the second at one that chance chooses; the third must find all. */
async function killWhileRecovering(
  sample: Sample,
  { change, kept, title }: Damage,
  random: Random,
): Promise<{ readonly kills: number; readonly starts: number }> {
  let kills = 0;
  for (let at = 0; ; at++) {
    const first = diskOf(sample, change);
    if (!(await isKilledAt(first, at, () => start(first)))) return { kills, starts: at };
    const second = first.afterKill();
    const twice = await isKilledAt(second, Math.floor(random() * (at + 1)), () => start(second));
    kills += twice ? 2 : 1;
    const queue = await restarted({ directory: '/queue', disk: second.afterKill() });
    const texts = (await readAll(queue)).map(textOf).filter(text => !text.startsWith('end-'));
    await queue.close();
    promiseExactly(texts, kept);
    promise(texts.length === kept.length, 'invented', `${texts} with ${title}`);
  }
}

/** A process that recovers, appends something, and ends. */
async function start(disk: MemoryDisk): Promise<void> {
  const queue = await restarted({ directory: '/queue', disk });
  await readAll(queue);
  await queue.close();
}
