// Opens a damaged sample in real files.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import {
  type Change,
  changed,
  type Damage,
  promiseKept,
  type Sample,
} from '../../collector/queue/sample-log.ts';
import { readAll, textOf } from '../../collector/queue/scratch.ts';
import { restarted } from './workload.ts';

export async function writeSample(directory: string, sample: Sample, change: Change): Promise<void> {
  await mkdir(directory);
  for (const [name, bytes] of changed(sample, change)) await writeFile(`${directory}/${name}`, bytes);
}

/** @throws Breach when anything is lost but what was damaged, or the damage is not reported */
export async function holdDamage(directory: string, sample: Sample, damage: Damage): Promise<void> {
  await writeSample(directory, sample, damage.change);
  const queue = await restarted({ directory });
  const texts = (await readAll(queue)).map(textOf);
  await queue.close();
  promiseKept(queue.stats(), texts, damage);
  await rm(directory, { recursive: true });
}
