// Samples this thread without a break, in windows: the one that runs, and the one before it.
import type { InspectorNotification, Profiler, Session } from 'node:inspector';
import type { Clock } from '../context/clock.ts';
import { SampledWindow } from './cpu-profile.ts';

type Inspector = typeof import('node:inspector');

const NANOS_PER_MICRO = 1000;
const MICROS_PER_MS = 1000;

/** A window that runs: its title, and between which readings of the clock it began. */
interface Running {
  readonly title: string;
  readonly before: number;
  readonly after: number;
}

/**
 *   window 1  ├──────────────┤
 *   window 2                ├──────────────┤         each begins before the one before it ends
 *   window 3                              ├── …
 *
 * Invariant: from the start to `stop()` a window runs. The first one costs the most, as V8 then looks at all functions that
 * there are: the fewer are loaded the better.
 */
export class Windows {
  readonly #inspector: Inspector;
  readonly #session: Session;
  readonly #clock: Clock;
  /** A reading of the profiler's clock in microseconds, and of ours in nanoseconds, at the same moment. */
  readonly #micros: number;
  readonly #nanos: number;
  #number = 0;
  #running: Running;
  #finished: Profiler.Profile | undefined;
  #last: SampledWindow | undefined;

  /** @throws Error where Node.js has no inspector, or another profiler of the kind keeps it */
  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#inspector = process.getBuiltinModule('node:inspector');
    this.#session = new this.#inspector.Session();
    this.#session.connect();
    this.#session.on('Profiler.consoleProfileFinished', message => this.#finish(message));
    this.#post('Profiler.enable');
    this.#post('Profiler.setSamplingInterval', { interval: intervalMs * MICROS_PER_MS });
    this.#micros = Number(process.hrtime.bigint() / 1000n);
    this.#nanos = clock.elapsed();
    this.#running = this.#begin();
  }

  /** Ends the window that runs, after it has begun another. The last two, in the order of time. */
  rotate(): SampledWindow[] {
    const ended = this.#running;
    this.#running = this.#begin();
    this.#finished = undefined;
    this.#inspector.console.profileEnd(ended.title);
    const before = this.#last;
    this.#last = this.#finished && this.#windowOf(this.#finished, ended);
    return [before, this.#last].filter(window => window !== undefined);
  }

  stop(): void {
    this.#session.disconnect();
  }

  #begin(): Running {
    const title = `tricord ${++this.#number}`;
    const before = this.#clock.elapsed();
    this.#inspector.console.profile(title);
    return { title, before, after: this.#clock.elapsed() };
  }

  #finish({ params }: InspectorNotification<Profiler.ConsoleProfileFinishedEventDataType>): void {
    if (params.title === this.#running.title || !params.title?.startsWith('tricord ')) return;
    this.#finished = params.profile;
  }

  /** Where the profiler's clock is another one than ours, it still began while it was asked to. */
  #windowOf(profile: Profiler.Profile, { before, after }: Running): SampledWindow {
    const toNanos = (micros: number): number => this.#nanos + (micros - this.#micros) * NANOS_PER_MICRO;
    const began = toNanos(profile.startTime);
    const shift = Math.min(Math.max(began, before), after) - began;
    return new SampledWindow(profile, micros => toNanos(micros) + shift);
  }

  #post(method: string, params: object = {}): void {
    let failure: Error | undefined;
    this.#session.post(method, params, error => {
      if (error !== null) failure = error;
    });
    if (failure !== undefined) throw failure;
  }
}
