// What V8 has sampled of this thread, and the part of it that lies within a span.
import type { Profiler } from 'node:inspector';
import type { ProfileFrame, ProfileSample } from '../transport/otlp/profiles.ts';

const NANOS_PER_MICRO = 1000;
/** The thread waits: no processor time. */
const IDLE = '(idle)';
const ROOT = '(root)';

/** Consecutive samples. Times are nanoseconds by the monotonic clock. */
export class SampledWindow {
  readonly startTime: number;
  readonly endTime: number;
  readonly #nodes: ReadonlyMap<number, Profiler.ProfileNode>;
  readonly #parents: ReadonlyMap<number, number>;
  /** When each sample was taken, and with which node. */
  readonly #times: Float64Array;
  readonly #samples: readonly number[];

  /** @param toNanos of the profiler's microseconds */
  constructor(profile: Profiler.Profile, toNanos: (micros: number) => number) {
    this.startTime = toNanos(profile.startTime);
    this.endTime = toNanos(profile.endTime);
    this.#nodes = new Map(profile.nodes.map(node => [node.id, node]));
    this.#parents = new Map(
      profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)),
    );
    this.#samples = profile.samples ?? [];
    let time = this.startTime;
    this.#times = Float64Array.from(profile.timeDeltas ?? [], delta => {
      time += delta * NANOS_PER_MICRO;
      return time;
    });
  }

  /** Calls `visit` with each sample on the processor within `[from, to]`: its stack, its time, and how long it stood for. */
  visit(
    from: number,
    to: number,
    visit: (stack: readonly Profiler.ProfileNode[], time: number, nanos: number) => void,
  ): void {
    for (let i = firstFrom(this.#times, from); i < this.#times.length; i++) {
      const time = this.#times[i]!;
      if (time > to) return;
      const stack = this.#stackOf(this.#samples[i]!);
      if (stack.length === 0 || stack[0]!.callFrame.functionName === IDLE) continue;
      const next = this.#times[i + 1] ?? this.endTime;
      visit(stack, time, Math.max(0, Math.min(next, to) - time));
    }
  }

  /** From the innermost call outwards. */
  #stackOf(id: number): Profiler.ProfileNode[] {
    const stack: Profiler.ProfileNode[] = [];
    for (let at: number | undefined = id; at !== undefined; at = this.#parents.get(at)) {
      const node = this.#nodes.get(at);
      if (node === undefined || node.callFrame.functionName === ROOT) break;
      stack.push(node);
    }
    return stack;
  }
}

/** The first index whose time is not before `from`. */
function firstFrom(times: Float64Array, from: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Frames and stacks that several profiles share, each once. */
export class StackTable {
  readonly frames: ProfileFrame[] = [];
  readonly stacks: number[][] = [];
  readonly #frameIndices = new Map<string, number>();
  readonly #stackIndices = new Map<string, number>();

  /** The index of the stack. */
  index(stack: readonly Profiler.ProfileNode[]): number {
    const frames = stack.map(({ callFrame }) => this.#frame(callFrame));
    const key = frames.join();
    let index = this.#stackIndices.get(key);
    if (index === undefined) {
      index = this.stacks.push(frames) - 1;
      this.#stackIndices.set(key, index);
    }
    return index;
  }

  #frame({
    functionName,
    url,
    scriptId,
    lineNumber,
    columnNumber,
  }: Profiler.ProfileNode['callFrame']): number {
    const key = `${scriptId}:${lineNumber}:${columnNumber}:${functionName}`;
    let index = this.#frameIndices.get(key);
    if (index === undefined) {
      const name = functionName === '' ? '(anonymous)' : functionName;
      index = this.frames.push({ functionName: name, file: url, startLine: lineNumber + 1 }) - 1;
      this.#frameIndices.set(key, index);
    }
    return index;
  }
}

/** The samples of several windows within `[from, to]`, by their stacks. `offset` is added to their times. */
export function samplesWithin(
  windows: readonly SampledWindow[],
  from: number,
  to: number,
  offset: number,
  table: StackTable,
): ProfileSample[] {
  const samples = new Map<number, { readonly times: number[]; readonly values: number[] }>();
  for (const window of windows)
    window.visit(from, to, (stack, time, nanos) => {
      const index = table.index(stack);
      let found = samples.get(index);
      if (found === undefined) {
        found = { times: [], values: [] };
        samples.set(index, found);
      }
      found.times.push(time + offset);
      found.values.push(Math.round(nanos));
    });
  return [...samples].map(([stack, seen]) => ({ stack, ...seen }));
}
