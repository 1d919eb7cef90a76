// Real processes killed at every system call that changes the disk, and twice more while they recover from it.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../collector/queue/memory-disk.ts';
import { makeSample, type Sample } from '../../collector/queue/sample-log.ts';
import type { Part, Tally } from './part.ts';
import { writeSample } from './real-files.ts';
import { type Call, callsOf, isKilledAtCall } from './strace.ts';
import { tornTail, Witness } from './workload.ts';

const child = fileURLToPath(new URL('./kill-child.ts', import.meta.url));
const working = ['a', '6'] as const;
const recovering = [
  ['b', '1'],
  ['c', '1'],
] as const;

export const part: Part = {
  async open(directory, seed, plant) {
    const sample = await makeSample(join(directory, 'sample'));
    const kills = new Kills(sample, directory, seed, plant);
    const calls = await kills.callsOf(working);
    const later = await kills.callsOf(recovering[0]);
    return { count: calls.length, least: 2, tryAt: point => kills.tryAt(point, calls[point]!, later) };
  },
};

/** What a process does: the tag of its batches, and how many groups of them it offers. */
type Life = readonly [run: string, groups: string];

class Kills {
  readonly #sample: Sample;
  readonly #directory: string;
  readonly #seed: number;
  readonly #plant: readonly string[];

  constructor(sample: Sample, directory: string, seed: number, plant: string | undefined) {
    this.#sample = sample;
    this.#directory = directory;
    this.#seed = seed;
    this.#plant = plant === undefined ? [] : [plant];
  }

  /** Of a life that nothing disturbs, on the sample with its torn tail. */
  async callsOf(life: Life): Promise<Call[]> {
    const directory = await this.#fresh(`undisturbed-${life[0]}`);
    return await callsOf(this.#args(directory, life), join(this.#directory, 'calls'));
  }

  /** One kill at the call, and two at calls of the starts after it that chance chooses. */
  async tryAt(point: number, call: Call, later: readonly Call[]): Promise<Tally> {
    const random = seededRandom(this.#seed + point);
    const directory = await this.#fresh(`${point}`);
    const witness = new Witness(this.#sample.records.map(({ text }) => text));
    let faults = 0;
    const kill = async (life: Life, at: Call): Promise<void> => {
      if (await isKilledAtCall(at, this.#args(directory, life), line => witness.hearLine(line))) faults++;
    };
    await kill(working, call);
    for (const life of recovering) await kill(life, later[Math.floor(random() * later.length)]!);
    const items = await witness.check({ directory });
    await rm(directory, { recursive: true });
    return { faults, restarts: 1, items };
  }

  async #fresh(name: string): Promise<string> {
    const directory = join(this.#directory, name);
    await writeSample(directory, this.#sample, tornTail(this.#sample));
    return directory;
  }

  #args(directory: string, life: Life): string[] {
    return [child, directory, ...life, ...this.#plant];
  }
}
