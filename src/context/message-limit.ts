// Lets the same message through once a minute at the most, and counts those that it leaves out.
import { diag } from '@opentelemetry/api';

/** How long a message is not let through again. */
const QUIET_MS = 60_000;
/** Messages that are remembered; more different ones than that push the oldest out. */
const REMEMBERED_MAX = 200;

interface Passed {
  readonly at: number;
  /** How often it has come again since, and was left out. */
  readonly leftOut: number;
}

export class MessageLimit {
  readonly #now: () => number;
  /** By message, the one that passed longest ago first. */
  readonly #passed = new Map<string, Passed>();

  /** @param now milliseconds that only grow */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The message, with the number of those that were left out before it; undefined for one that is left out itself. */
  pass(message: string): string | undefined {
    const now = this.#now();
    const before = this.#passed.get(message);
    if (before !== undefined && now - before.at < QUIET_MS) {
      this.#passed.set(message, { at: before.at, leftOut: before.leftOut + 1 });
      return undefined;
    }
    this.#passed.delete(message);
    if (this.#passed.size >= REMEMBERED_MAX) this.#passed.delete(this.#passed.keys().next().value!);
    this.#passed.set(message, { at: now, leftOut: 0 });
    return before === undefined || before.leftOut === 0
      ? message
      : `${message} (and ${before.leftOut} more like this)`;
  }
}

const limit = new MessageLimit();

/** Warns by OpenTelemetry's `diag`, whoever listens there, of what may happen again and again. */
export function warnSeldom(message: string, ...args: unknown[]): void {
  const passed = limit.pass(message);
  if (passed !== undefined) diag.warn(passed, ...args);
}
