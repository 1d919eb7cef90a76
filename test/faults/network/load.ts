// The load generator as a process of its own, and its slices by what was going on in them.
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadOrder, LoadSlice } from './load-child.ts';
import { Peer } from './peer.ts';

export class Load {
  readonly #peer = new Peer({ file: 'test/faults/network/load-child.ts' });
  readonly #slices = new Map<string, LoadSlice[]>();
  /** What is going on now. */
  #phase: string;

  private constructor(phase: string) {
    this.#phase = phase;
  }

  static async start(order: LoadOrder, phase: string): Promise<Load> {
    const load = new Load(phase);
    await load.#peer.ask('start', order);
    return load;
  }

  /** What was answered up to now belongs to the phase before. */
  async enter(phase: string): Promise<void> {
    this.#keep(await this.#peer.ask<LoadSlice>('slice'));
    this.#phase = phase;
  }

  /** Stays in a phase for a time, in slices of equal length, of which the first is entered now. */
  async stay(phase: string, seconds: number, slices = 1): Promise<void> {
    for (let slice = 0; slice < slices; slice++) {
      await this.enter(phase);
      await delay((1000 * seconds) / slices);
    }
  }

  /** Resolves when the last request is answered. */
  async stop(): Promise<void> {
    this.#keep(await this.#peer.ask<LoadSlice>('stop'));
  }

  slices(phase: string): readonly LoadSlice[] {
    return this.#slices.get(phase) ?? [];
  }

  all(): readonly LoadSlice[] {
    return [...this.#slices.values()].flat();
  }

  discard(): void {
    this.#peer.process.kill('SIGKILL');
  }

  #keep(slice: LoadSlice): void {
    this.#slices.set(this.#phase, [...this.slices(this.#phase), slice]);
  }
}
