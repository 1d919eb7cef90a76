// Which blocks of the product's code this thread has run, as V8 counts them.
import { type Profiler, Session } from 'node:inspector';

type Span = readonly [start: number, end: number];

/** Functions that ran, each with what of it did not. */
export type Taken = readonly { readonly key: string; readonly left: readonly Span[] }[];

/** One function that has run. */
interface Reached {
  /** Where a block begins that was once left out: all that are known but the function itself. */
  readonly blocks: Set<number>;
  /** What was left out every time, in order. */
  left: readonly Span[];
}

export interface BlockCounts {
  /** Functions, and the blocks within them that can be left out. */
  readonly known: number;
  readonly reached: number;
}

export class Coverage {
  readonly #session = new Session();
  readonly #files: RegExp;
  readonly #functions = new Map<string, Reached>();

  /** @param files the URLs that count */
  constructor(files: RegExp) {
    this.#files = files;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** What ran since the last take. */
  take(): Taken {
    const { result } = this.#post<Profiler.TakePreciseCoverageReturnType>('Profiler.takePreciseCoverage');
    return result
      .filter(({ url }) => this.#files.test(url))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges: [whole, ...inner] }) => {
          if (whole === undefined || whole.count === 0) return [];
          const left = inner.filter(({ count }) => count === 0);
          const spans = left.map(({ startOffset, endOffset }) => [startOffset, endOffset] as const);
          return [{ key: `${url}:${whole.startOffset}`, left: spans }];
        }),
      );
  }

  /** Whether something ran there that never had before. */
  isNew(taken: Taken): boolean {
    return taken.some(({ key, left }) => {
      const before = this.#functions.get(key)?.left;
      return before === undefined || lengthOf(common(before, left)) < lengthOf(before);
    });
  }

  add(taken: Taken): void {
    for (const { key, left } of taken) {
      const starts = left.map(([start]) => start);
      const before = this.#functions.get(key);
      if (before === undefined) this.#functions.set(key, { blocks: new Set(starts), left });
      else {
        for (const start of starts) before.blocks.add(start);
        before.left = common(before.left, left);
      }
    }
  }

  counts(): BlockCounts {
    let known = 0;
    let missed = 0;
    for (const { blocks, left } of this.#functions.values()) {
      known += 1 + blocks.size;
      missed += left.filter(([start]) => blocks.has(start)).length;
    }
    return { known, reached: known - missed };
  }

  /** What nobody holds any more is gone when this returns: before memory is measured for good. */
  collectGarbage(): void {
    this.#post('HeapProfiler.collectGarbage');
  }

  close(): void {
    this.#session.disconnect();
  }

  /** The domain answers within the call. */
  #post<T>(method: string, params: object = {}): T {
    let answer: T | undefined;
    let failure: Error | null = null;
    this.#session.post(method, params, (error: Error | null, result?: object) => {
      failure = error;
      answer = result as T;
    });
    if (failure !== null) throw failure;
    return answer as T;
  }
}

const lengthOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, [start, end]) => sum + end - start, 0);

/** What lies in both. */
function common(one: readonly Span[], other: readonly Span[]): Span[] {
  return one.flatMap(([start, end]) =>
    other
      .map(([from, to]) => [Math.max(start, from), Math.min(end, to)] as const)
      .filter(([from, to]) => from < to),
  );
}
