// A real file system of a few megabytes, in a mount namespace of its own: it is gone with the process that holds it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Unavailable } from './part.ts';

const MIB = 1024 * 1024;

export class SmallDisk {
  /** Where it is, for processes that are started through this command. */
  readonly path: string;
  readonly through: readonly string[];
  readonly #holder: ChildProcess;
  readonly #ballast: string;

  private constructor(holder: ChildProcess, path: string) {
    this.#holder = holder;
    this.path = path;
    this.through = ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`];
    this.#ballast = `/proc/${holder.pid}/root${path}/ballast`;
  }

  /**
   * @param directory to be made; nobody else sees the disk there
   * @throws Unavailable where it may not be mounted
   */
  static async mount(directory: string, mebibytes: number): Promise<SmallDisk> {
    await mkdir(directory);
    // Reads until its stdin ends, which is with us, however we end.
    const script = 'mount -t tmpfs -o "size=$1m" tmpfs "$2" && echo mounted && exec cat >/dev/null';
    const args = ['--mount', 'sh', '-c', script, 'sh', `${mebibytes}`, directory];
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const refused = (why: string): void =>
      reject(new Unavailable(`a tmpfs cannot be mounted, which root may: ${why}`));
    createInterface({ input: holder.stdout }).once('line', () => resolve());
    createInterface({ input: holder.stderr }).once('line', refused);
    holder.once('error', error => refused(error.message));
    holder.once('exit', () => refused('unshare has ended'));
    await promise;
    return new SmallDisk(holder, directory);
  }

  /** Takes space until it is given back. */
  async occupy(mebibytes: number): Promise<void> {
    await writeFile(this.#ballast, Buffer.alloc(mebibytes * MIB));
  }

  async giveBack(): Promise<void> {
    await rm(this.#ballast);
  }

  async unmount(): Promise<void> {
    const exit = once(this.#holder, 'exit');
    this.#holder.stdin!.end();
    await exit;
  }
}
