// Lives of a real process on the sample with its torn tail, under strace; and what was acknowledged in them.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeSample, type Sample } from '../../collector/queue/sample-log.ts';
import { writeSample } from './real-files.ts';
import { type Call, callsOf, type Effect, runUnder } from './strace.ts';
import { tornTail, Witness } from './workload.ts';

const child = fileURLToPath(new URL('./traced-child.ts', import.meta.url));

/** What a process does: the tag of its batches, and how many groups of them it offers. */
export type Life = readonly [run: string, groups: string];

export class TracedLives {
  readonly #directory: string;
  readonly #sample: Sample;
  readonly #plant: readonly string[];

  private constructor(directory: string, sample: Sample, plant: string | undefined) {
    this.#directory = directory;
    this.#sample = sample;
    this.#plant = plant === undefined ? [] : [plant];
  }

  static async prepare(directory: string, plant: string | undefined): Promise<TracedLives> {
    return new TracedLives(directory, await makeSample(join(directory, 'sample')), plant);
  }

  /** Of a life that nothing disturbs. @throws Unavailable */
  async callsOf(life: Life): Promise<Call[]> {
    return await this.#withFiles(`undisturbed-${life[0]}`, directory =>
      callsOf(this.#args(directory, life), join(this.#directory, 'calls')),
    );
  }

  /**
   * One life after another on the same files, each with its effect at its call; then a start that nothing disturbs.
   * @param name of the folder, of no other try
   * @throws Breach when something acknowledged is not there once
   */
  async tryOut(
    name: string,
    lives: readonly { readonly life: Life; readonly call: Call; readonly effect: Effect }[],
    check: (witness: Witness) => void = () => undefined,
  ): Promise<{ readonly killed: number; readonly items: number }> {
    return await this.#withFiles(name, async directory => {
      const witness = new Witness(this.#sample.records.map(({ text }) => text));
      let killed = 0;
      for (const { life, call, effect } of lives) {
        const hear = (line: string): void => witness.hearLine(line);
        if (await runUnder(call, effect, this.#args(directory, life), hear)) killed++;
      }
      check(witness);
      return { killed, items: await witness.check({ directory }) };
    });
  }

  async #withFiles<T>(name: string, use: (directory: string) => Promise<T>): Promise<T> {
    const directory = join(this.#directory, name);
    await writeSample(directory, this.#sample, tornTail(this.#sample));
    const result = await use(directory);
    await rm(directory, { recursive: true });
    return result;
  }

  #args(directory: string, life: Life): string[] {
    return [child, directory, ...life, ...this.#plant];
  }
}
