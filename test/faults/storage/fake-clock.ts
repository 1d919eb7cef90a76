// The wall clock of processes, set while they run; their monotonic clock goes on.
import { globSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { Unavailable } from './part.ts';

const libraries = '/usr/{lib,lib64,local/lib}/{*/,}faketime/libfaketimeMT.so.1';
const secondsOf = { h: 3600, d: 86_400 } as const;

/** Hours or days beside the true time. */
export type Offset = `${'+' | '-'}${number}${keyof typeof secondsOf}`;

export class FakeClock {
  /** For the processes. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  private constructor(library: string, file: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** @param file to be made @throws Unavailable where the library is not installed */
  static async at(file: string, offset: Offset): Promise<FakeClock> {
    const [library] = globSync(libraries);
    if (library === undefined)
      throw new Unavailable('libfaketime is not installed; apt-get install faketime');
    const clock = new FakeClock(library, file);
    await clock.set(offset);
    return clock;
  }

  async set(offset: Offset): Promise<void> {
    await writeFile(`${this.#file}.new`, `${offset}\n`);
    await rename(`${this.#file}.new`, this.#file);
  }
}

export function millisecondsOf(offset: Offset): number {
  return Number(offset.slice(0, -1)) * secondsOf[offset.at(-1) as keyof typeof secondsOf] * 1000;
}
