// A working queue killed at every operation of a simulated disk, its next start at every operation again, and the one after it.
import { join } from 'node:path';
import { type MemoryDisk, type Random, seededRandom } from '../../collector/queue/memory-disk.ts';
import { diskOf, makeSample } from '../../collector/queue/sample-log.ts';
import type { Part, Tally } from './part.ts';
import { isKilledAt } from './simulated-kill.ts';
import { tornTail, Witness, work } from './workload.ts';

const directory = '/queue';
const groups = 6;

export const part: Part = {
  async open(scratch, seed) {
    const sample = await makeSample(join(scratch, 'sample'));
    const fresh = (): MemoryDisk => diskOf(sample, tornTail(sample));
    const undisturbed = fresh();
    await work({ directory, disk: undisturbed }, 'a', groups, () => undefined);
    const tryAt = async (point: number): Promise<Tally> => {
      const witness = new Witness(sample.records.map(({ text }) => text));
      const disk = fresh();
      await isKilledAt(disk, point, () => work({ directory, disk }, 'a', groups, witness.hear));
      return await killFurther(disk, witness, seededRandom(seed + point));
    };
    return { count: undisturbed.operations, least: 4, tryAt };
  },
};

/** @param killed by one kill; two more follow, the first of them at every operation */
async function killFurther(killed: MemoryDisk, witness: Witness, random: Random): Promise<Tally> {
  let faults = 1;
  let items = 0;
  for (let at = 0; ; at++) {
    const heard = witness.copy();
    const second = killed.afterKill();
    const again = await isKilledAt(second, at, () => work({ directory, disk: second }, 'b', 1, heard.hear));
    if (!again) return { faults, restarts: at, items };
    const third = second.afterKill();
    const place = Math.floor(random() * (at + 1));
    const thrice = await isKilledAt(third, place, () => work({ directory, disk: third }, 'c', 1, heard.hear));
    faults += thrice ? 2 : 1;
    items += await heard.check({ directory, disk: third.afterKill() });
  }
}
