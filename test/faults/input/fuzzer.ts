// Tries input after input on one decoder: generated ones, and changes of those that have reached something new.
import { getHeapStatistics } from 'node:v8';
import fc from 'fast-check';
import { type Random, seededRandom } from '../../collector/queue/memory-disk.ts';
import { arrayBytesAsked } from './array-bytes.ts';
import type { Coverage } from './coverage.ts';
import { type Decoder, type Verdict, WrongAnswer } from './decoder.ts';
import {
  type Board,
  type Finding,
  type FindingKind,
  type FuzzTask,
  growthBytesOf,
  limitMsOf,
  shown,
} from './fuzz.ts';
import { mutated } from './mutator.ts';

const BATCH = 32;
/** Shares of the inputs that are generated, which is slow, and that are changed with their form kept. */
const FRESH = 0.02;
const REFORMED = 0.35;
const GENERATED = 64;
const FINDINGS_MAX = 3;
/** A measurement beyond its bound is taken so often before it is believed. */
const MEASUREMENTS = 3;

interface Reading {
  readonly verdict: Verdict;
  readonly ms: number;
  readonly bytes: number;
}

export class Fuzzer {
  readonly #decoder: Decoder;
  readonly #random: Random;
  readonly #coverage: Coverage;
  readonly #board: Board;
  readonly #corpus: Uint8Array[] = [];
  #generated: Uint8Array[] = [];
  #executions = 0;
  #read = 0;
  #slowestMs = 0;
  readonly #findings: Finding[] = [];

  constructor(decoder: Decoder, seed: number, coverage: Coverage, board: Board) {
    this.#decoder = decoder;
    this.#random = seededRandom(seed);
    this.#coverage = coverage;
    this.#board = board;
  }

  get state() {
    const { known, reached } = this.#coverage.counts();
    return {
      executions: this.#executions,
      read: this.#read,
      corpus: this.#corpus.length,
      blocks: reached,
      knownBlocks: known,
      slowestMs: this.#slowestMs,
      findings: this.#findings,
    };
  }

  /** Until the time is over, or enough was found. With `point`, up to that execution, and only what it finds counts. */
  async run({ runMs, least, command: { point } }: FuzzTask): Promise<void> {
    const until = performance.now() + runMs;
    const isOver = (): boolean =>
      point === undefined
        ? this.#findings.length >= FINDINGS_MAX || (this.#executions >= least && performance.now() > until)
        : this.#executions > point;
    await this.#batch([...this.#decoder.seeds], point);
    while (!isOver())
      await this.#batch(
        Array.from({ length: BATCH }, () => this.#next()),
        point,
      );
  }

  #next(): Uint8Array {
    const chance = this.#random();
    if (chance < FRESH || this.#corpus.length === 0) return this.#fresh();
    const input = this.#one();
    const reform = chance < FRESH + REFORMED ? this.#decoder.reform?.(input, this.#random) : undefined;
    return reform ?? mutated(input, this.#random, this.#decoder.words, this.#one());
  }

  #one(): Uint8Array {
    return this.#corpus[Math.floor(this.#random() * this.#corpus.length)]!;
  }

  #fresh(): Uint8Array {
    if (this.#generated.length === 0) {
      const seed = Math.floor(this.#random() * 2 ** 31);
      this.#generated = fc.sample(this.#decoder.inputs, { seed, numRuns: GENERATED });
    }
    return this.#generated.pop()!;
  }

  /** Reads them all; then, where something new was reached, those that are good one by one, to see by which. */
  async #batch(inputs: readonly Uint8Array[], wanted: number | undefined): Promise<void> {
    const sound: Uint8Array[] = [];
    for (const input of inputs) if (await this.#try(input, wanted)) sound.push(input);
    const taken = this.#coverage.take();
    if (this.#coverage.isNew(taken)) {
      for (const input of sound) await this.#keepIfNew(input);
      this.#coverage.add(taken);
    }
    await this.#tryGood(wanted);
  }

  async #keepIfNew(input: Uint8Array): Promise<void> {
    this.#coverage.take();
    await this.#reading(input);
    const taken = this.#coverage.take();
    if (this.#corpus.length >= this.#decoder.seeds.length && !this.#coverage.isNew(taken)) return;
    this.#corpus.push(input);
    this.#coverage.add(taken);
  }

  /** Whatever came before: good inputs, in turns, are read. */
  async #tryGood(wanted: number | undefined): Promise<void> {
    const { seeds } = this.#decoder;
    const seed = seeds[this.#executions % seeds.length]!;
    const { verdict } = await this.#reading(seed);
    if (verdict === 'refused')
      this.#find('refused', this.#executions - 1, `a good input is refused: ${shown(seed)}`, wanted);
  }

  async #try(input: Uint8Array, wanted: number | undefined): Promise<boolean> {
    const point = this.#executions++;
    this.#board.begin(point, input);
    try {
      const { verdict, ms, bytes } = await this.#reading(input);
      if (verdict === 'read') this.#read++;
      if (ms > limitMsOf(input) && (await this.#least(input, 'ms')) > limitMsOf(input))
        return this.#find('hung', point, `${Math.round(ms)} ms for ${shown(input)}`, wanted);
      if (bytes > growthBytesOf(input) && (await this.#least(input, 'bytes')) > growthBytesOf(input))
        return this.#find('grew', point, `${bytes} bytes taken for ${shown(input)}`, wanted);
      this.#slowestMs = Math.max(this.#slowestMs, ms);
      return true;
    } catch (error) {
      const kind = error instanceof WrongAnswer ? 'wrong' : 'crashed';
      return this.#find(kind, point, `${error} for ${shown(input)}`, wanted);
    } finally {
      this.#board.end();
    }
  }

  async #reading(input: Uint8Array): Promise<Reading> {
    const held = bytesHeld();
    const asked = arrayBytesAsked();
    const before = performance.now();
    const answer = this.#decoder.read(input);
    const verdict = typeof answer === 'string' ? answer : await answer;
    const ms = performance.now() - before;
    return { verdict, ms, bytes: Math.max(bytesHeld() - held, arrayBytesAsked() - asked) };
  }

  /** The smallest of some measurements: what else the machine does is not the input's fault. */
  async #least(input: Uint8Array, of: 'ms' | 'bytes'): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < MEASUREMENTS; i++) {
      this.#coverage.collectGarbage();
      least = Math.min(least, (await this.#reading(input))[of]);
    }
    return least;
  }

  #find(kind: FindingKind, point: number, message: string, wanted: number | undefined): false {
    if (wanted === undefined || wanted === point) this.#findings.push({ kind, point, message });
    return false;
  }
}

/** What a collection takes away makes it smaller: what is asked for is counted beside it. */
function bytesHeld(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
